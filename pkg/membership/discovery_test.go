// SPDX-License-Identifier: Apache-2.0

package membership_test

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/membership"
)

// many returns n apiservers that nobody knows, from an address on.
func many(first string, n int) []netip.AddrPort {
	base := netip.MustParseAddr(first).As4()
	var all []netip.AddrPort
	for i := range n {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(base[:])+uint32(i))
		all = append(all, netip.AddrPortFrom(netip.AddrFrom4(a), 6443))
	}
	return all
}

// Of however many apiservers the API names, the balancer takes at most 64, and those that are known before the others.
func TestTakeIsBounded(t *testing.T) {
	own := addresses("192.0.2.1")
	for _, n := range []int{60, 64, 100, 300, 3000} {
		v := view(t, backends)
		v = v.Discovers(apiServers("192.0.2.1:6443", "192.0.2.7:6443", "192.0.2.8:6443"))
		v, _ = v.Checked(apiServers("192.0.2.7:6443"), apiServers("192.0.2.8:6443"))
		found := append(many("10.0.0.1", n), apiServers("192.0.2.1:6443", "192.0.2.2:6443", "192.0.2.7:6443", "192.0.2.8:6443", "192.0.2.9:6443")...)
		taken, left := v.Take(found, own)
		after := v.Discovers(taken)
		if got := len(after.Backends(own)); got != min(balance.MaxBackends, n+5) {
			t.Errorf("%d apiservers: %d backends", n+5, got)
		}
		if used := len(after.Backends(own)); left.Surplus != len(found)-used || left.Named != len(found) || left.Excluded != 0 {
			t.Errorf("%d apiservers, %d backends: left %+v", n+5, used, left)
		}
		for _, must := range apiServers("192.0.2.1:6443", "192.0.2.2:6443", "192.0.2.7:6443", "192.0.2.8:6443", "10.0.0.1:6443") {
			if !slices.Contains(taken, must) {
				t.Errorf("%d apiservers: %s is not taken", n+5, must)
			}
		}
		if !slices.IsSortedFunc(taken, netip.AddrPort.Compare) {
			t.Errorf("the order is not that of the addresses: %v", taken)
		}
		again, _ := after.Take(found, own)
		wantEqual(t, taken, again)
	}
}

// The local apiserver has a place where its own address has none among the discovered ones.
func TestTheLocalAPIServerHasAPlace(t *testing.T) {
	v := view(t, multicast)
	v.Discovered = many("10.0.0.1", balance.MaxBackends)
	got := v.Backends(addresses("192.0.2.1"))
	if len(got) != balance.MaxBackends || got[len(got)-1].Address != v.LocalAPIServer() {
		t.Errorf("%d backends, the last is %v", len(got), got[len(got)-1])
	}
}

func TestTakeExcludesWhatCanBeNoAPIServer(t *testing.T) {
	v := view(t, dualStack+"controlPlane: {port: 4300}\n")
	own := addresses("192.0.2.1", "10.0.0.1", "2001:db8::1")
	for address, want := range map[string]string{
		"192.0.2.1:6443":            "",
		"10.0.0.1:6443":             "",
		"192.0.2.2:6443":            "",
		"[2001:db8::2]:6443":        "",
		"[fe80::2%eth0]:6443":       "",
		"192.0.2.100:6443":          "is a virtual address",
		"192.0.2.100:4300":          "is a virtual address",
		"[2001:db8::100]:6443":      "is a virtual address",
		"[::ffff:192.0.2.100]:6443": "is a virtual address",
		"192.0.2.1:4300":            "is Harbinger itself",
		"10.0.0.1:10443":            "is Harbinger itself",
		"[2001:db8::1]:10444":       "is Harbinger itself",
		"192.0.2.2:4300":            "has a port of Harbinger", // another node's balancer would pass it on, perhaps to here
		"192.0.2.2:10444":           "has a port of Harbinger",
		"127.0.0.1:6443":            "is a loopback address",
		"[::1]:6443":                "is a loopback address",
		"0.0.0.0:6443":              "is the unspecified address",
		"[::]:6443":                 "is the unspecified address",
		"224.0.0.18:6443":           "is the address of a group",
		"255.255.255.255:6443":      "is the address of a group",
		"[ff02::12]:6443":           "is the address of a group",
		"[fe80::2]:6443":            "is a link-local address without a zone",
		"169.254.0.2:6443":          "is a link-local address without a zone",
		"192.0.2.2:0":               "is no address and port",
	} {
		taken, left := v.Take(apiServers(address), own)
		if want == "" {
			if len(taken) != 1 || left.Count() != 0 {
				t.Errorf("%s is left out: %s", address, left)
			}
			continue
		}
		if len(taken) != 0 || left.Excluded != 1 || !strings.Contains(left.String(), want) {
			t.Errorf("%s: taken %v, left %q, want %q", address, taken, left, want)
		}
	}
}

// What is left out is said in a bounded text.
func TestLeftNamesExamples(t *testing.T) {
	v := view(t, multicast)
	found := append(many("127.0.0.1", 3000), many("10.0.0.1", 3000)...)
	taken, left := v.Take(found, nil)
	if len(taken) != balance.MaxBackends || left.Count() != 6000-balance.MaxBackends {
		t.Errorf("%d taken, %d left out", len(taken), left.Count())
	}
	text := left.String()
	if len(text) > 2000 || !strings.Contains(text, "2936 of the 6000 apiservers") || !strings.Contains(text, "3000 of the 6000 cannot be apiservers: 127.0.0.1:6443 is a loopback address") ||
		!strings.Contains(text, "and 2992 more") {
		t.Errorf("%d bytes: %s", len(text), text)
	}
	if _, nothing := v.Take(apiServers("192.0.2.2:6443"), nil); nothing.String() != "" {
		t.Errorf("%q is left out of one", nothing)
	}
}

// No advertisement of a discovered host counts, and it is no peer of anybody, until it has proved itself.
func TestDiscoveredHostIsNoPeerUntilProved(t *testing.T) {
	vip, added := netip.MustParseAddr("192.0.2.100"), netip.MustParseAddr("192.0.2.66")
	found := apiServers("192.0.2.66:6443", "198.51.100.66:6443", "192.0.2.1:6443")
	v := view(t, unicast).Discovers(found)
	peer := func(v membership.View) [5]bool {
		has := func(n membership.Neighbour) bool { return n.Address == added }
		return [5]bool{
			slices.Contains(v.Rules(vip).Sources, added), slices.Contains(v.Peers(vip), added), slices.Contains(v.Election("a", "b").Peers, added),
			slices.Contains(v.Reconfigured().Peers, added), slices.ContainsFunc(v.Neighbours(), has),
		}
	}
	none, all := [5]bool{}, [5]bool{true, true, true, true, true}
	if got := peer(v); got != none {
		t.Errorf("an unproved host counts: %v", got)
	}
	if !slices.ContainsFunc(v.Backends(nil), func(b balance.Backend) bool { return b.Address == found[0] }) {
		t.Error("it is not checked either")
	}
	healthy, isNew := v.Checked(found, nil)
	if got := peer(healthy); got != none || !isNew {
		t.Errorf("a healthy host without a proof counts: %v", got)
	}
	proved, isNew := healthy.Checked(found, found)
	if got := peer(proved); got != all || !isNew {
		t.Errorf("a proved host does not count: %v", got)
	}
	if slices.Contains(proved.Peers(vip), found[1].Addr()) {
		t.Error("a proved host in another subnet is a peer")
	}
	down, isNew := proved.Checked(nil, nil)
	if got := peer(down); got != all || isNew {
		t.Errorf("a proved host whose apiserver is down does not count: %v", got)
	}
	if got := peer(proved.Discovers(append(found, apiServers("192.0.2.77:6443")...))); got != all {
		t.Errorf("another discovery has taken its proof: %v", got)
	}
	gone := proved.Discovers(apiServers("192.0.2.77:6443"))
	if got := peer(gone); got != none || slices.Contains(gone.Peers(vip), netip.MustParseAddr("192.0.2.77")) {
		t.Errorf("a host counts that the API no longer names, or a new address does: %v", gone.Peers(vip))
	}
	if got := peer(gone.Discovers(found)); got != none {
		t.Errorf("a host that came back needs no new proof: %v", got)
	}
	if got := gone.Reconfigured().Peers; got == nil {
		t.Error("the election is not given that a peer has gone")
	}
	unknown, isNew := v.Checked(nil, apiServers("192.0.2.99:6443"))
	if isNew || len(unknown.Proved) != 0 {
		t.Errorf("proved %v, which the API does not name", unknown.Proved)
	}
}

// Configured peers need no proof.
func TestConfiguredPeersNeedNoProof(t *testing.T) {
	v := view(t, unicast).Discovers(apiServers("192.0.2.2:6443"))
	wantEqual(t, addresses("192.0.2.2"), v.Peers(netip.MustParseAddr("192.0.2.100")))
}
