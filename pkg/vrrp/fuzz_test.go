// SPDX-License-Identifier: Apache-2.0

package vrrp

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// ends are the addresses of a fuzzed packet, by family and destination.
func ends(is6, multicast bool) (src, dst netip.Addr) {
	switch {
	case is6 && multicast:
		return netip.MustParseAddr("fe80::1"), GroupIPv6
	case is6:
		return netip.MustParseAddr("fd00:99::1"), netip.MustParseAddr("fd00:99::2")
	case multicast:
		return peer, GroupIPv4
	}
	return peer, own
}

func addVectors(f *testing.F) {
	for _, v := range readVectors(f) {
		f.Add(v.payload(f), []byte{}, v.Source.Is6(), v.Destination.IsMulticast(), false)
		f.Add(v.payload(f), trailer, v.Source.Is6(), v.Destination.IsMulticast(), true)
	}
}

// canonical sets what a receiver ignores to what a sender writes: the reserved bits of version 3, and the authentication
// data of version 2 without authentication.
func canonical(b []byte, a Advertisement) []byte {
	b = slices.Clone(b)
	if a.Version == Version3 {
		b[4] &= 0x0f
	} else if a.Authentication.wireType() == wireNone {
		clear(b[len(b)-authenticationLength:])
	}
	clear(b[checksumOffset : checksumOffset+2])
	return b
}

// FuzzUnmarshal asserts that nothing from the network panics, that every refusal has a reason, that what was parsed is sent as it
// was, and that a trailer is read with keys alone, which change nothing without one.
func FuzzUnmarshal(f *testing.F) {
	addVectors(f)
	f.Fuzz(func(t *testing.T, message, trailer []byte, is6, multicast, fix bool) {
		src, dst := ends(is6, multicast)
		b := slices.Concat(message, trailer)
		if fix && len(message) >= headerLength { // else the checksum stops nearly all of them
			clear(b[checksumOffset : checksumOffset+2])
			a := Advertisement{Version: Version(b[0] >> 4), Addresses: []netip.Addr{src}}
			sum := checksum(a.summed(b, len(message)), src, dst, a.form(ChecksumPseudo))
			b[checksumOffset], b[checksumOffset+1] = byte(sum>>8), byte(sum)
		}
		a, form, err := unmarshal(b, src, dst)
		var signed Advertisement
		formSigned, found, errSigned := signed.UnmarshalSigned(b, src, dst)
		switch {
		case err != nil && Reason(err) == "other", errSigned != nil && Reason(errSigned) == "other":
			t.Fatalf("refused without a reason: %v, %v", err, errSigned)
		case !errors.Is(err, ErrLength) && !errors.Is(errSigned, err): // with keys a longer message may have another fault
			t.Fatalf("without keys: %v, with keys: %v", err, errSigned)
		case len(found) > 0 && (len(found) != TrailerLength || !errors.Is(err, ErrLength)):
			t.Fatalf("trailer of %d bytes, without keys: %v", len(found), err)
		case errSigned != nil:
			return
		case len(found) > 0:
			a, form = signed, formSigned
		}
		again, err := a.AppendSigned(nil, src, dst, form, found)
		if err != nil {
			t.Fatalf("parsed, but cannot be sent: %v", err)
		}
		n := len(b) - len(found)
		if want, got := canonical(b[:n], a), canonical(again[:n], a); !bytes.Equal(want, got) || !bytes.Equal(again[n:], b[n:]) {
			t.Fatalf("sent as %x\nwant      %x", got, want)
		}
		if _, _, err := signed.UnmarshalSigned(again, src, dst); err != nil {
			t.Fatalf("not accepted again: %v", err)
		}
	})
}

var policies = []ChecksumPolicy{ChecksumAuto, ChecksumKeepalived, ChecksumRFC9568}

// FuzzRules asserts that an accepted packet is what the rules ask for, whatever the packet.
func FuzzRules(f *testing.F) {
	for _, v := range readVectors(f) {
		f.Add(v.payload(f), v.Source.Is6(), v.Destination.IsMulticast(), 255, uint8(v.Version), uint8(0), "s3cret", true)
	}
	f.Fuzz(func(t *testing.T, b []byte, is6, multicast bool, ttl int, version, policy uint8, password string, wantMulticast bool) {
		src, dst := ends(is6, multicast)
		a, form, err := unmarshal(b, src, dst)
		if err != nil {
			return
		}
		r := Rules{
			Version: Version(version), VRID: 51, Addresses: []netip.Addr{vip}, Interval: time.Second, MinimumTTL: 255,
			Authentication: Authentication{Type: AuthenticationPassword, Password: password},
			Own:            []netip.Addr{own}, Multicast: wantMulticast, Checksum: policies[int(policy)%len(policies)],
		}
		err = r.Check(Packet{Advertisement: a, Source: src, Destination: dst, TTL: ttl, Form: form})
		if err != nil {
			if Reason(err) == "other" {
				t.Fatalf("refused without a reason: %v", err)
			}
			return
		}
		if ttl < 255 || a.VRID != 51 || uint8(a.Version) != version || multicast != wantMulticast || !slices.Equal(a.Addresses, r.Addresses) {
			t.Fatalf("accepted: %+v from %s to %s with TTL %d", a, src, dst, ttl)
		}
		if a.Version == Version2 && (a.Authentication != r.Authentication || a.Interval != r.Interval) {
			t.Fatalf("accepted in version 2: %+v", a)
		}
	})
}
