// SPDX-License-Identifier: Apache-2.0

package address

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

var (
	vip4 = netip.MustParsePrefix("192.168.238.100/24")
	vip6 = netip.MustParsePrefix("fd00:99::100/64")
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m.Run)) }

// newHost returns a host alone on a wire.
func newHost(t *testing.T) *lab.Host {
	t.Helper()
	h := labtest.Hosts(t, 1)[0]
	waitUp(t, h)
	return h
}

// waitUp waits for the carrier, which the kernel reports a little later.
func waitUp(t *testing.T, h *lab.Host) {
	t.Helper()
	labtest.Until(t, 5*time.Second, lab.Interface+" has a carrier", func() bool { return findLink(t, h).Up })
}

// findLink returns the one interface of a host that is on the wire.
func findLink(t *testing.T, h *lab.Host) Link {
	t.Helper()
	var links []Link
	must(t, h.Do(func() (err error) {
		links, err = Links()
		return err
	}))
	i := slices.IndexFunc(links, func(l Link) bool { return l.Name == lab.Interface })
	if i < 0 {
		t.Fatalf("no %s in %v", lab.Interface, links)
	}
	return links[i]
}

// newAddresses returns the addresses of a host, on its one interface.
func newAddresses(t *testing.T, h *lab.Host, cfg Config) *Addresses {
	t.Helper()
	if cfg.Addresses == nil {
		cfg.Addresses = []netip.Prefix{vip4, vip6}
	}
	if cfg.Lifetime == 0 {
		cfg.Lifetime = 60 * time.Second // the test decides when it ends
	}
	var a *Addresses
	cfg.Link = findLink(t, h)
	must(t, h.Do(func() (err error) {
		a, err = New(cfg)
		return err
	}))
	t.Cleanup(a.Close)
	return a
}

// watch returns the events of a Watch that ends with the test.
func watch(t *testing.T, h *lab.Host, a *Addresses) <-chan Event {
	t.Helper()
	events := make(chan Event)
	done := startWatch(t, h, a, events)
	t.Cleanup(func() {
		for { // what nobody takes must not keep the watch
			select {
			case err := <-done:
				must(t, err)
				return
			case <-events:
			}
		}
	})
	return events
}

// startWatch runs a Watch until the test ends, and hands its error over.
func startWatch(t *testing.T, h *lab.Host, a *Addresses, events chan Event) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- h.Do(func() error { return a.Watch(t.Context(), events) }) }() // ends with the test
	return done
}

// expect takes the next events and compares them.
func expect(t *testing.T, events <-chan Event, want ...Event) {
	t.Helper()
	for _, w := range want {
		select {
		case got := <-events:
			if got.Kind != w.Kind || got.Address != w.Address {
				t.Fatalf("event %v, want %v", got, w)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("no event, want %v", w)
		}
	}
}

// entries returns what the kernel of a host has of an address.
func entries(t *testing.T, h *lab.Host, addr netip.Addr) []netlink.Addr {
	t.Helper()
	var all []netlink.Addr
	must(t, h.Do(func() (err error) {
		all, err = netlink.AddrList(nil, netlink.FAMILY_ALL)
		return err
	}))
	return slices.DeleteFunc(all, func(a netlink.Addr) bool { return !a.IP.Equal(addr.AsSlice()) })
}

func bound(t *testing.T, h *lab.Host, p netip.Prefix) bool { return len(entries(t, h, p.Addr())) > 0 }

// add adds an address without lifetime to an interface.
func add(t *testing.T, h *lab.Host, ifname string, p netip.Prefix) {
	t.Helper()
	must(t, h.Do(func() error {
		link, err := netlink.LinkByName(ifname)
		if err != nil {
			return err
		}
		return netlink.AddrAdd(link, plain(p))
	}))
}

func plain(p netip.Prefix) *netlink.Addr {
	a := &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	return a
}

// must ends the test at an error.
var must = labtest.Must
