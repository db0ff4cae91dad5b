// SPDX-License-Identifier: Apache-2.0

package vrrp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// trailer is one whose bytes the checksum sees.
var trailer = bytes.Repeat([]byte{1, 0xa7}, TrailerLength/2)

// TestSignedIsReadApart sends every vector of the package with a trailer.
func TestSignedIsReadApart(t *testing.T) {
	for _, v := range readVectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			want, src, dst := v.advertisement(t), v.Source, v.Destination
			b, err := want.AppendSigned([]byte("before"), src, dst, v.form(t), trailer)
			if err != nil {
				t.Fatal(err)
			}
			b = b[len("before"):]
			got := advertisement2() // nothing of it may stay
			form, found, err := got.UnmarshalSigned(b, src, dst)
			if err != nil || form != v.form(t) || !bytes.Equal(found, trailer) {
				t.Errorf("form %s, trailer %x, %v", form, found, err)
			}
			if diff := cmp.Diff(want, got, sameAddr); diff != "" {
				t.Errorf("advertisement (-want +got):\n%s", diff)
			}
			message, unsigned := b[:len(b)-TrailerLength], v.payload(t)
			if !bytes.Equal(message[:checksumOffset], unsigned[:checksumOffset]) || !bytes.Equal(message[headerLength:], unsigned[headerLength:]) {
				t.Errorf("message %x, without a trailer %x", message, unsigned)
			}
			if same := bytes.Equal(message, unsigned); same == src.Is6() {
				t.Errorf("the checksum is that without the trailer: %t", same)
			}
			if _, _, err := unmarshal(b, src, dst); !errors.Is(err, ErrLength) {
				t.Errorf("without keys: %v, want %v", err, ErrLength)
			}
			if _, found, err := got.UnmarshalSigned(unsigned, src, dst); err != nil || len(found) != 0 {
				t.Errorf("with keys, but without a trailer: %x, %v", found, err)
			}
		})
	}
}

// TestLengthsOfSigned holds that a message is followed by nothing or by a whole trailer.
func TestLengthsOfSigned(t *testing.T) {
	b, err := advertisement3().AppendSigned(nil, peer, GroupIPv4, ChecksumPseudo, trailer)
	if err != nil {
		t.Fatal(err)
	}
	end := len(b) - TrailerLength
	for n := range end + 2*TrailerLength + 1 {
		want := ErrLength
		switch {
		case n == end, n == end+TrailerLength:
			want = nil
		case n < end:
			want = ErrShort
		}
		var a Advertisement
		payload := append(slices.Clone(b), trailer...)[:n]
		if _, _, err := a.UnmarshalSigned(payload, peer, GroupIPv4); !errors.Is(err, want) {
			t.Errorf("%d bytes: %v, want %v", n, err, want)
		}
	}
}

// TestChecksumOfSigned holds that a checksum which covers too much or too little is wrong.
func TestChecksumOfSigned(t *testing.T) {
	six := netip.MustParseAddr("fe80::1")
	for name, tt := range map[string]struct {
		src, dst netip.Addr
		address  netip.Addr
	}{
		"IPv4": {peer, GroupIPv4, vip}, "IPv6": {six, GroupIPv6, netip.MustParseAddr("fe80::100")},
	} {
		a := advertisement3()
		a.Addresses = []netip.Addr{tt.address}
		b, err := a.AppendSigned(nil, tt.src, tt.dst, ChecksumPseudo, trailer)
		if err != nil {
			t.Fatal(err)
		}
		covered := b // of the other family's way
		if tt.src.Is6() {
			covered = b[:len(b)-TrailerLength]
		}
		binary.BigEndian.PutUint16(b[checksumOffset:], 0)
		binary.BigEndian.PutUint16(b[checksumOffset:], checksum(covered, tt.src, tt.dst, ChecksumPseudo))
		if _, _, err := a.UnmarshalSigned(b, tt.src, tt.dst); !errors.Is(err, ErrChecksum) {
			t.Errorf("%s: %v, want %v", name, err, ErrChecksum)
		}
	}
}

// TestVersion2OfSigned holds that its own authentication is none: 8 zeros before the trailer.
func TestVersion2OfSigned(t *testing.T) {
	a := advertisement2()
	a.Authentication = Authentication{Type: AuthenticationHMAC}
	b, err := a.AppendSigned(nil, peer, GroupIPv4, ChecksumNone, trailer)
	if err != nil {
		t.Fatal(err)
	}
	data := b[len(b)-TrailerLength-authenticationLength:][:authenticationLength]
	if b[4] != wireNone || !bytes.Equal(data, make([]byte, authenticationLength)) {
		t.Errorf("authentication of the message: type %d, %x", b[4], data)
	}
	h := accepted(a)
	var heard Advertisement
	form, _, err := heard.UnmarshalSigned(b, peer, GroupIPv4)
	if err != nil {
		t.Fatal(err)
	}
	p := Packet{Advertisement: heard, Source: peer, Destination: GroupIPv4, TTL: 255, Form: form}
	if err := h.rules.Check(p); err != nil {
		t.Error(err)
	}
	p.Advertisement.Authentication = Authentication{AuthenticationPassword, "s3cret"}
	if err := h.rules.Check(p); !errors.Is(err, ErrAuthenticationType) {
		t.Errorf("a password beside the trailer: %v", err)
	}
	a.Authentication.Password = "s3cret"
	if b, err := a.AppendSigned(nil, peer, GroupIPv4, ChecksumNone, trailer); err == nil {
		t.Errorf("a password is sent beside the trailer: %x", b)
	}
}

func TestUnmarshalSignedReusesMemory(t *testing.T) {
	var a Advertisement
	b, err := advertisement3().AppendSigned(nil, peer, GroupIPv4, ChecksumPseudo, trailer)
	if err != nil {
		t.Fatal(err)
	}
	a.Addresses = make([]netip.Addr, 1)
	if n := testing.AllocsPerRun(100, func() {
		if _, _, err := a.UnmarshalSigned(b, peer, GroupIPv4); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%g allocations for a parsed packet, want none", n)
	}
}
