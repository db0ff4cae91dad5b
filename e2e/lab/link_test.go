// SPDX-License-Identifier: Apache-2.0

package lab

import (
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
