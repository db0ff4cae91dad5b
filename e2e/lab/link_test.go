// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// carrier reports whether the host's interface has one.
func carrier(t *testing.T, h *Host) bool {
	t.Helper()
	var state netlink.LinkOperState
	must(t, h.onInterface(func(link netlink.Link) error {
		state = link.Attrs().OperState
		return nil
	}))
	return state == netlink.OperUp
}

func TestCutTakesTheCarrier(t *testing.T) {
	l := newLab(t, Config{Nodes: 2})
	a, b := l.Hosts()[0], l.Hosts()[1]
	serve(t, b, "6443")
	must(t, b.Cut())
	must(t, Until(time.Second, "the carrier is gone", func() bool { return !carrier(t, b) }))
	if reaches(a, b, "6443") {
		t.Error("a host with its cable cut is reached")
	}
	must(t, b.Join())
	must(t, Until(time.Second, "the carrier is back", func() bool { return carrier(t, b) }))
	must(t, Until(5*time.Second, "the host is reached again", func() bool { return reaches(a, b, "6443") }))
}

func TestBlackholeLeavesTheCarrier(t *testing.T) {
	l := newLab(t, Config{Nodes: 2})
	a, b := l.Hosts()[0], l.Hosts()[1]
	serve(t, b, "6443")
	must(t, b.Blackhole())
	if !carrier(t, b) {
		t.Error("a silent cut took the carrier")
	}
	if reaches(a, b, "6443") {
		t.Error("a host in a black hole is reached")
	}
	must(t, b.Unblackhole())
	must(t, Until(5*time.Second, "the host is reached again", func() bool { return reaches(a, b, "6443") }))
}

func TestBackplaneOutlivesTheWire(t *testing.T) {
	l := newLab(t, Config{Nodes: 2, Backplane: netip.MustParsePrefix("10.238.0.0/24")})
	a, b := l.Hosts()[0], l.Hosts()[1]
	serve(t, b, "6443")
	must(t, b.Cut())
	if reaches(a, b, "6443") {
		t.Error("a host with its cable cut is reached")
	}
	conn, err := a.Dial(t.Context(), "tcp", netip.AddrPortFrom(b.Backplane.Addr(), 6443).String())
	must(t, err)
	conn.Close()
}

// TestLinkChanges holds that a host is reached after each change of its link.
// TestCutOfTheBackplane holds that a cut of the second network leaves the first one, and that a host without one has none to cut.
func TestCutOfTheBackplane(t *testing.T) {
	l := newLab(t, Config{Nodes: 2, Backplane: netip.MustParsePrefix("10.238.0.0/24")})
	a, b := l.Hosts()[0], l.Hosts()[1]
	serve(t, b, "6443")
	back := netip.AddrPortFrom(b.Backplane.Addr(), 6443).String()
	dial := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		conn, err := a.Dial(ctx, "tcp", back)
		if err == nil {
			err = conn.Close()
		}
		return err
	}
	must(t, b.CutBackplane())
	if dial() == nil || !reaches(a, b, "6443") {
		t.Error("the second network passes packets, or the first one does not")
	}
	must(t, b.JoinBackplane())
	must(t, Until(5*time.Second, "the host is reached again", func() bool { return dial() == nil }))
	alone := newLab(t, Config{Nodes: 1}).Hosts()[0]
	must(t, alone.CutBackplane())
	must(t, alone.JoinBackplane())
}

func TestLinkChanges(t *testing.T) {
	l := newLab(t, Config{Nodes: 2})
	a, b := l.Hosts()[0], l.Hosts()[1]
	serve(t, b, "6443")
	moved := netip.MustParsePrefix("192.168.238.150/24")
	mac := net.HardwareAddr{2, 0, 0, 0, 1, 131}
	must(t, b.SetSysctl("net/ipv4/conf/all/promote_secondaries", "1"))
	must(t, b.SetMAC(mac))
	must(t, a.onInterface(func(link netlink.Link) error { // it knows the old one
		return netlink.NeighSet(&netlink.Neigh{
			LinkIndex: link.Attrs().Index, IP: b.Address.Addr().AsSlice(), HardwareAddr: mac, State: netlink.NUD_REACHABLE,
		})
	}))
	wantReached(t, a, b, "6443")
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"rename", func() error { return b.Rename("ens192") }},
		{"rename back", func() error { return b.Rename(Interface) }},
		{"move to a bridge", func() error { return b.MoveToBridge("br-ex", b.Address) }},
		{"leave the bridge", func() error { return b.LeaveBridge(b.Address) }},
		{"replace the address", func() error { return b.ReplaceAddress(b.Address, moved, false) }},
		{"replace it again", func() error { return b.ReplaceAddress(moved, b.Address, true) }},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		if step.what != "replace the address" {
			wantReached(t, a, b, "6443")
		} else if reaches(a, b, "6443") {
			t.Error("the old address is reached")
		}
	}
}

// TestReplug holds that a host has another interface with its old addresses.
func TestReplug(t *testing.T) {
	l := newLab(t, Config{Nodes: 2})
	a, b := l.Hosts()[0], l.Hosts()[1]
	index := func() (index int) {
		must(t, b.onInterface(func(link netlink.Link) error {
			index = link.Attrs().Index
			return nil
		}))
		return index
	}
	serve(t, b, "6443")
	before := index()
	must(t, b.Replug())
	if index() == before {
		t.Error("the interface is the old one")
	}
	must(t, Until(5*time.Second, "the host is reached again", func() bool { return reaches(a, b, "6443") }))
}

func TestFirewallOfAHost(t *testing.T) {
	l := newLab(t, Config{Nodes: 2})
	a, b := l.Hosts()[0], l.Hosts()[1]
	serve(t, b, "6443")
	serve(t, b, "4300")
	wantReached(t, a, b, "6443")
	must(t, b.Firewall("table inet firewall { chain input { type filter hook input priority 0; policy drop; tcp dport 4300 accept; }; }"))
	if reaches(a, b, "6443") {
		t.Error("the port passes the firewall")
	}
	wantReached(t, a, b, "4300")
	must(t, b.Firewall(""))
	wantReached(t, a, b, "6443")
	if b.Firewall("nonsense") == nil {
		t.Error("a firewall of nonsense is loaded")
	}
}

func TestGatewayIsReachedFromEverywhere(t *testing.T) {
	l := newLab(t, Config{Nodes: 2})
	node, gateway := l.Hosts()[0], l.Hosts()[1]
	far := netip.MustParsePrefix("10.99.0.1/32")
	must(t, gateway.AddAddress(far))
	ln, err := gateway.Listen(far.Addr().String() + ":6443")
	must(t, err)
	defer ln.Close()
	reach := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		conn, err := node.Dial(ctx, "tcp", ln.Addr().String())
		if err == nil {
			conn.Close()
		}
		return err
	}
	if reach() == nil {
		t.Error("a host without a route leaves its network")
	}
	must(t, node.RouteBy(gateway.Address.Addr()))
	must(t, Until(5*time.Second, "the host has a route", func() bool { return reach() == nil }))
}
