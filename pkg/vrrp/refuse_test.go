// SPDX-License-Identifier: Apache-2.0

package vrrp

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	own  = netip.MustParseAddr("10.99.0.2")
	peer = netip.MustParseAddr("10.99.0.1")
	vip  = netip.MustParseAddr("10.99.0.100")
)

func advertisement3() Advertisement {
	return Advertisement{Version: Version3, VRID: 51, Priority: 100, Interval: time.Second, Addresses: []netip.Addr{vip}}
}

func advertisement2() Advertisement {
	a := advertisement3()
	a.Version = Version2
	a.Authentication = Authentication{Type: AuthenticationPassword, Password: "s3cret"}
	return a
}

// heard is a packet and the rules of the router that hears it.
type heard struct {
	advertisement       Advertisement
	rules               Rules
	source, destination netip.Addr
	ttl                 int
	form                ChecksumForm
	damage              func([]byte) []byte // of the marshalled message
}

// accepted is a packet that its router accepts, multicast.
func accepted(a Advertisement) heard {
	return heard{
		advertisement: a, source: peer, destination: GroupIPv4, ttl: 255, form: ChecksumPseudo,
		rules: Rules{
			Version: a.Version, VRID: 51, Addresses: []netip.Addr{vip}, Interval: a.Interval, Authentication: a.Authentication,
			Own: []netip.Addr{own}, Multicast: true, MinimumTTL: 255,
		},
	}
}

// unicast changes a packet and its router to unicast.
func (h *heard) unicast() {
	h.destination, h.rules.Multicast, h.rules.Sources = own, false, []netip.Addr{peer}
}

// receive does what a socket does with a packet.
func (h heard) receive(t *testing.T) error {
	t.Helper()
	b, err := h.advertisement.AppendBinary(nil, h.source, h.destination, h.form)
	if err != nil {
		t.Fatal(err)
	}
	if h.damage != nil {
		b = h.damage(b)
	}
	if err := h.rules.CheckRouter(b); err != nil {
		return err
	}
	a, form, err := unmarshal(b, h.source, h.destination)
	if err != nil {
		return err
	}
	return h.rules.Check(Packet{Advertisement: a, Source: h.source, Destination: h.destination, TTL: h.ttl, Form: form})
}

// set changes one byte of the message and makes its checksum right again.
func set(index int, value byte) func([]byte) []byte {
	return func(b []byte) []byte {
		b[index] = value
		return mend(b)
	}
}

// mend makes the checksum right; without the pseudo-header, which version 2 has and version 3 may have.
func mend(b []byte) []byte {
	binary.BigEndian.PutUint16(b[checksumOffset:], 0)
	binary.BigEndian.PutUint16(b[checksumOffset:], checksum(b, netip.Addr{}, netip.Addr{}, ChecksumNone))
	return b
}

func TestAccepted(t *testing.T) {
	tests := map[string]func(*heard){
		"version 3":                     func(*heard) {},
		"version 2 with a password":     func(h *heard) { *h = accepted(advertisement2()) },
		"unicast":                       func(h *heard) { h.unicast() },
		"unicast with fewer hops":       func(h *heard) { h.unicast(); h.ttl, h.rules.MinimumTTL = 64, 64 },
		"reserved bits":                 func(h *heard) { h.damage = set(4, 0xf0) },
		"checksum of RFC 9568":          func(h *heard) { h.form = ChecksumNone },
		"checksum of old keepalived":    func(h *heard) { h.unicast(); h.form = ChecksumPseudoMulticast },
		"another interval in version 3": func(h *heard) { h.rules.Interval = 3 * time.Second },
		"priority 0":                    func(h *heard) { h.advertisement.Priority = PriorityRelease },
		"checksum as configured, RFC":   func(h *heard) { h.form, h.rules.Checksum = ChecksumNone, ChecksumRFC9568 },
		"checksum as configured":        func(h *heard) { h.rules.Checksum = ChecksumKeepalived },
		"version 2 has no forms":        func(h *heard) { *h = accepted(advertisement2()); h.rules.Checksum = ChecksumKeepalived },
		"addresses in another order": func(h *heard) {
			h.advertisement.Addresses = []netip.Addr{vip, own}
			h.rules.Addresses = []netip.Addr{own, vip}
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			h := accepted(advertisement3())
			change(&h)
			if err := h.receive(t); err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	version2 := func(change func(*heard)) func(*heard) {
		return func(h *heard) { *h = accepted(advertisement2()); change(h) }
	}
	tests := []struct {
		name   string
		change func(*heard)
		want   error
	}{
		{"TTL 254", func(h *heard) { h.ttl = 254 }, ErrTTL},
		{"TTL below the unicast minimum", func(h *heard) { h.unicast(); h.ttl, h.rules.MinimumTTL = 63, 64 }, ErrTTL},
		{"version 1", func(h *heard) { h.damage = set(0, 1<<4|typeAdvertisement) }, ErrVersion},
		{"version 4", func(h *heard) { h.damage = set(0, 4<<4|typeAdvertisement) }, ErrVersion},
		{"version 3 to a router of version 2", func(h *heard) { h.rules.Version = Version2 }, ErrVersion},
		{"version 2 to a router of version 3", version2(func(h *heard) { h.rules.Version = Version3 }), ErrVersion},
		{"type 2", func(h *heard) { h.damage = set(0, 3<<4|2) }, ErrType},
		{"empty", func(h *heard) { h.damage = func([]byte) []byte { return nil } }, ErrShort},
		{"header cut", func(h *heard) { h.damage = func(b []byte) []byte { return b[:headerLength-1] } }, ErrShort},
		{"byte missing", func(h *heard) { h.damage = func(b []byte) []byte { return mend(b[:len(b)-1]) } }, ErrShort},
		{"byte more", func(h *heard) { h.damage = func(b []byte) []byte { return mend(append(b, 0)) } }, ErrLength},
		{"two addresses announced, one there", func(h *heard) { h.damage = set(3, 2) }, ErrShort},
		{"no address", func(h *heard) { h.damage = func(b []byte) []byte { b[3] = 0; return mend(b[:headerLength]) } }, ErrCount},
		{"authentication data missing", version2(func(h *heard) { h.damage = func(b []byte) []byte { return mend(b[:len(b)-8]) } }), ErrShort},
		{"wrong checksum", func(h *heard) { h.damage = func(b []byte) []byte { b[checksumOffset]++; return b } }, ErrChecksum},
		{"checksum without pseudo-header where keepalived's is configured",
			func(h *heard) { h.form, h.rules.Checksum = ChecksumNone, ChecksumKeepalived }, ErrChecksumForm},
		{"checksum with pseudo-header where RFC 9568's is configured", func(h *heard) { h.rules.Checksum = ChecksumRFC9568 }, ErrChecksumForm},
		{"virtual router 52", func(h *heard) { h.advertisement.VRID = 52 }, ErrVRID},
		{"virtual router 0", func(h *heard) { h.damage = set(1, 0) }, ErrVRID},
		{"virtual router 52 of version 2 to a router of version 3", version2(func(h *heard) { h.advertisement.VRID, h.rules.Version = 52, Version3 }), ErrVRID},
		{"virtual router 52 with a password", version2(func(h *heard) { h.advertisement.VRID, h.rules.Authentication = 52, Authentication{} }), ErrVRID},
		{"virtual router 52 with an authentication header", version2(func(h *heard) {
			h.damage = func(b []byte) []byte { b[vridOffset] = 52; return set(4, 2)(b) }
		}), ErrVRID},
		{"virtual router 52 with fewer hops", func(h *heard) { h.advertisement.VRID, h.ttl = 52, 64 }, ErrVRID},
		{"virtual router 52, wrong checksum", func(h *heard) { h.damage = func(b []byte) []byte { b[vridOffset]++; return b } }, ErrVRID},
		{"virtual host 52 of CARP", func(h *heard) {
			h.damage = func([]byte) []byte { return append([]byte{0x21, 52, 0, 7, 0, 1}, make([]byte, 30)...) }
		}, ErrVRID},
		{"interval 0", func(h *heard) { h.damage = set(5, 0) }, ErrInterval},
		{"interval 0, version 2", version2(func(h *heard) { h.damage = set(5, 0) }), ErrInterval},
		{"interval 2 s, version 2", version2(func(h *heard) { h.advertisement.Interval = 2 * time.Second }), ErrIntervalMismatch},
		{"authentication header", version2(func(h *heard) { h.damage = set(4, 2) }), ErrAuthenticationAH},
		{"authentication type 3", version2(func(h *heard) { h.damage = set(4, 3) }), ErrAuthenticationType},
		{"no password where one is configured", version2(func(h *heard) { h.advertisement.Authentication = Authentication{} }), ErrAuthenticationType},
		{"password where none is configured", version2(func(h *heard) { h.rules.Authentication = Authentication{} }), ErrAuthenticationType},
		{"wrong password", version2(func(h *heard) { h.damage = set(12, 's'^1) }), ErrPassword},
		{"another address", func(h *heard) { h.advertisement.Addresses = []netip.Addr{peer} }, ErrAddresses},
		{"an address more", func(h *heard) { h.advertisement.Addresses = []netip.Addr{vip, peer} }, ErrAddresses},
		{"our own packet", func(h *heard) { h.source = own }, ErrOwnSource},
		{"unicast from an unknown host", func(h *heard) { h.unicast(); h.source = netip.MustParseAddr("10.99.0.9") }, ErrSource},
		{"multicast to a unicast router", func(h *heard) { h.unicast(); h.destination = GroupIPv4 }, ErrDestination},
		{"unicast to a multicast router", func(h *heard) { h.destination = own }, ErrDestination},
	}
	seen := map[error]bool{}
	for _, tt := range tests {
		seen[tt.want] = true
		t.Run(tt.name, func(t *testing.T) {
			h := accepted(advertisement3())
			tt.change(&h)
			if err := h.receive(t); !errors.Is(err, tt.want) {
				t.Errorf("%v, want: %v", err, tt.want)
			}
		})
	}
	for _, r := range reasons {
		if !seen[r.err] && !strings.HasPrefix(r.label, "hmac_") { // package keyed refuses for these
			t.Errorf("no packet is refused for %q", r.label)
		}
	}
}

func TestVersion2OverIPv6IsRefused(t *testing.T) {
	if _, _, err := unmarshal(readVectors(t)[0].payload(t), GroupIPv6, GroupIPv6); !errors.Is(err, ErrVersion) {
		t.Errorf("%v, want: %v", err, ErrVersion)
	}
}

func TestReasons(t *testing.T) {
	labels := Reasons()
	slices.Sort(labels)
	if got := slices.Compact(slices.Clone(labels)); len(got) != len(labels) || len(labels) != len(reasons) {
		t.Errorf("labels are not unique: %v", labels)
	}
	if got := Reason(errors.New("of another package")); got != "other" {
		t.Errorf("reason of a foreign error is %q", got)
	}
	for _, r := range reasons {
		if got := Reason(r.err); got != r.label {
			t.Errorf("reason of %v is %q, want %q", r.err, got, r.label)
		}
	}
}
