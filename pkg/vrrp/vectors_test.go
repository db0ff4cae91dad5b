// SPDX-License-Identifier: Apache-2.0

package vrrp

import (
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// vector is a packet that keepalived 2.2.7 sent, except for those named rfc9568: keepalived 2.2.7 has no checksum of that
// form, so theirs was computed.
type vector struct {
	Name        string
	Source      netip.Addr
	Destination netip.Addr
	Version     Version
	VRID        uint8
	Priority    uint8
	Interval    string
	Addresses   []netip.Addr
	Password    string
	Checksum    string
	Payload     string
}

func (v vector) advertisement(t *testing.T) Advertisement {
	t.Helper()
	interval, err := time.ParseDuration(v.Interval)
	if err != nil {
		t.Fatal(err)
	}
	a := Advertisement{Version: v.Version, VRID: v.VRID, Priority: v.Priority, Interval: interval, Addresses: v.Addresses}
	if v.Password != "" {
		a.Authentication = Authentication{Type: AuthenticationPassword, Password: v.Password}
	}
	return a
}

func (v vector) form(t *testing.T) ChecksumForm {
	t.Helper()
	for f, name := range checksumForms {
		if name == v.Checksum {
			return ChecksumForm(f)
		}
	}
	t.Fatalf("unknown checksum form %q", v.Checksum)
	return 0
}

func (v vector) payload(t testing.TB) []byte {
	t.Helper()
	b, err := hex.DecodeString(v.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(b, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) < 29 {
		t.Fatalf("only %d vectors", len(vectors))
	}
	return vectors
}

// sameAddr lets cmp compare addresses, whose fields it cannot see.
var sameAddr = cmpopts.EquateComparable(netip.Addr{})

func TestVectorsMarshal(t *testing.T) {
	for _, v := range readVectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			got, err := v.advertisement(t).AppendBinary([]byte("before"), v.Source, v.Destination, v.form(t))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(append([]byte("before"), v.payload(t)...), got); diff != "" {
				t.Errorf("bytes (-keepalived +ours):\n%s", diff)
			}
		})
	}
}

// unmarshal reads a message as the receiver does: into the memory of another advertisement, of which nothing may stay.
func unmarshal(b []byte, src, dst netip.Addr) (Advertisement, ChecksumForm, error) {
	a := Advertisement{
		Version: Version2, VRID: 200, Priority: 1, Interval: time.Hour, Addresses: []netip.Addr{src, dst},
		Authentication: Authentication{Type: AuthenticationPassword, Password: "earlier"},
	}
	form, err := a.Unmarshal(b, src, dst)
	return a, form, err
}

func TestVectorsUnmarshal(t *testing.T) {
	for _, v := range readVectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			got, form, err := unmarshal(v.payload(t), v.Source, v.Destination)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(v.advertisement(t), got, sameAddr); diff != "" {
				t.Errorf("advertisement (-want +got):\n%s", diff)
			}
			if form != v.form(t) {
				t.Errorf("form %s, want %s", form, v.form(t))
			}
		})
	}
}

// TestOldKeepalivedChecksum shows the form of keepalived up to 1.3.6: unicast, with the group in the pseudo-header.
func TestOldKeepalivedChecksum(t *testing.T) {
	want := advertisement3()
	b, err := want.AppendBinary(nil, peer, own, ChecksumPseudoMulticast)
	if err != nil {
		t.Fatal(err)
	}
	got, form, err := unmarshal(b, peer, own)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, sameAddr); diff != "" || form != ChecksumPseudoMulticast {
		t.Errorf("form %s, advertisement (-want +got):\n%s", form, diff)
	}
}

func TestUnmarshalReusesMemory(t *testing.T) {
	b := readVectors(t)[0].payload(t)
	var a Advertisement
	if n := testing.AllocsPerRun(100, func() {
		if _, err := a.Unmarshal(b, peer, GroupIPv4); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%g allocations for a parsed packet, want none", n)
	}
}

func TestAppendBinaryRefuses(t *testing.T) {
	tests := map[string]func(*Advertisement){
		"version 1":                         func(a *Advertisement) { a.Version = 1 },
		"virtual router ID 0":               func(a *Advertisement) { a.VRID = 0 },
		"no address":                        func(a *Advertisement) { a.Addresses = nil },
		"256 addresses":                     func(a *Advertisement) { a.Addresses = make([]netip.Addr, 256) },
		"invalid address":                   func(a *Advertisement) { a.Addresses = []netip.Addr{{}} },
		"both families":                     func(a *Advertisement) { a.Addresses = append(a.Addresses, GroupIPv6) },
		"IPv6 in version 2":                 func(a *Advertisement) { *a = advertisement2(); a.Addresses = []netip.Addr{GroupIPv6} },
		"authentication in version 3":       func(a *Advertisement) { a.Authentication.Type = AuthenticationPassword },
		"long password":                     func(a *Advertisement) { *a = advertisement2(); a.Authentication.Password = "123456789" },
		"password without its type":         func(a *Advertisement) { *a = advertisement2(); a.Authentication = Authentication{Password: "x"} },
		"authentication header":             func(a *Advertisement) { *a = advertisement2(); a.Authentication.Type = "AH" },
		"interval 0":                        func(a *Advertisement) { a.Interval = 0 },
		"interval below the unit":           func(a *Advertisement) { a.Interval = 15 * time.Millisecond },
		"interval beyond 12 bits":           func(a *Advertisement) { a.Interval = 40960 * time.Millisecond },
		"half a second in version 2":        func(a *Advertisement) { *a = advertisement2(); a.Interval = time.Second / 2 },
		"interval beyond a byte, version 2": func(a *Advertisement) { *a = advertisement2(); a.Interval = 256 * time.Second },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			a := advertisement3()
			change(&a)
			if b, err := a.AppendBinary(nil, peer, own, ChecksumPseudo); err == nil {
				t.Errorf("sent as %x", b)
			}
		})
	}
}

// TestPolicyForm holds that the form of RFC 9568, which keepalived refuses by default, is sent only where it is asked for.
func TestPolicyForm(t *testing.T) {
	for policy, want := range map[ChecksumPolicy]ChecksumForm{
		ChecksumAuto: ChecksumPseudo, ChecksumKeepalived: ChecksumPseudo, ChecksumRFC9568: ChecksumNone,
	} {
		if got := policy.Form(); got != want {
			t.Errorf("%s sends the form %s, want %s", policy, got, want)
		}
	}
}
