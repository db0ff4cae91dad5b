// SPDX-License-Identifier: Apache-2.0

package address

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

func TestWatchReportsTheCarrier(t *testing.T) {
	h := newHost(t)
	events := watch(t, h, newAddresses(t, h, Config{}))
	expect(t, events, Event{Kind: LinkUp})
	must(t, h.Cut())
	expect(t, events, Event{Kind: LinkDown})
	must(t, h.Join())
	expect(t, events, Event{Kind: LinkUp})
}

func TestWatchReportsTheInitialState(t *testing.T) {
	h := newHost(t)
	a := newAddresses(t, h, Config{})
	must(t, h.Cut())
	expect(t, watch(t, h, a), Event{Kind: LinkDown})
}

// Setting an interface down flushes its IPv6 addresses; setting it up does not bring them back.
func TestWatchReportsAdministrativeDown(t *testing.T) {
	h := newHost(t)
	a := newAddresses(t, h, Config{Addresses: []netip.Prefix{vip4}})
	events := watch(t, h, a)
	expect(t, events, Event{Kind: LinkUp})
	must(t, a.Acquire())
	setLink(t, h, netlink.LinkSetDown)
	expect(t, events, Event{Kind: LinkDown})
	setLink(t, h, netlink.LinkSetUp)
	expect(t, events, Event{Kind: LinkUp})
}

func setLink(t *testing.T, h *lab.Host, set func(netlink.Link) error) {
	t.Helper()
	must(t, h.Do(func() error {
		link, err := netlink.LinkByName(lab.Interface)
		if err != nil {
			return err
		}
		return set(link)
	}))
}

func TestWatchReportsRemovalWhileHeld(t *testing.T) {
	for _, p := range []netip.Prefix{vip4, vip6} {
		t.Run(p.String(), func(t *testing.T) {
			h := newHost(t)
			a := newAddresses(t, h, Config{})
			events := watch(t, h, a)
			expect(t, events, Event{Kind: LinkUp})
			must(t, a.Acquire())
			must(t, h.DeleteAddress(p))
			expect(t, events, Event{AddressRemoved, p.Addr()}) // and perhaps again as long as it is away
		})
	}
}

func TestWatchReportsExpiryOnlyWhileHeld(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	a := newAddresses(t, h, Config{Addresses: []netip.Prefix{vip4}, Lifetime: time.Second})
	events := watch(t, h, a)
	expect(t, events, Event{Kind: LinkUp})
	must(t, a.Acquire())
	must(t, a.Release())
	must(t, a.replace()) // as a run before this one would have left it
	waitGone(t, h, vip4)
	must(t, a.Acquire())
	expect(t, events, Event{AddressRemoved, vip4.Addr()}) // from the lifetime; none came before
}

func TestWatchReportsThePrimaryAddress(t *testing.T) {
	for _, tt := range []struct {
		name    string
		primary func(*lab.Host) netip.Prefix
	}{
		{"IPv4", func(h *lab.Host) netip.Prefix { return h.Address }},
		{"IPv6", func(h *lab.Host) netip.Prefix { return h.Address6 }},
		{"link-local", func(*lab.Host) netip.Prefix { return netip.MustParsePrefix("fe80::ff:fe00:82/64") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t)
			events := watch(t, h, newAddresses(t, h, Config{}))
			expect(t, events, Event{Kind: LinkUp})
			must(t, h.DeleteAddress(tt.primary(h)))
			expect(t, events, Event{PrimaryLost, tt.primary(h).Addr()})
			add(t, h, lab.Interface, tt.primary(h))
			expect(t, events, Event{Kind: LinkUp})
		})
	}
}

// A virtual address of the same prefix is promoted when the node's own address goes. The node's address then comes back
// without its route to the subnet, until the virtual one has been released.
func TestWatchReportsAPrimaryAddressThatIsBackAlready(t *testing.T) {
	h := newHost(t)
	must(t, h.SetSysctl("net/ipv4/conf/all/promote_secondaries", "1"))
	before := routes(t, h)
	a := newAddresses(t, h, Config{Addresses: []netip.Prefix{vip4}})
	events := make(chan Event, 3) // one goroutine does all: the watch must not look between the two changes
	var w *watcher
	must(t, h.Do(func() (err error) {
		w, err = a.newWatcher(events)
		return err
	}))
	defer w.socket.Close()
	must(t, w.look(t.Context()))
	must(t, a.Acquire())
	must(t, h.DeleteAddress(h.Address))
	add(t, h, lab.Interface, h.Address)
	if routes(t, h) == before {
		t.Error("the route to the subnet is there: the kernel changed, and the early release is not needed")
	}
	for len(events) < 3 {
		must(t, w.next(t.Context()))
	}
	expect(t, events, Event{Kind: LinkUp}, Event{PrimaryLost, h.Address.Addr()}, Event{Kind: LinkUp})
	must(t, a.Release())
	if got := routes(t, h); got != before {
		t.Errorf("routes after release:\n%swant\n%s", got, before)
	}
}

func TestWatchSurvivesAnOverflow(t *testing.T) {
	h := newHost(t)
	a := newAddresses(t, h, Config{})
	events := watch(t, h, a)
	must(t, a.Acquire())
	// The watch waits with its first event, so nobody reads the socket.
	must(t, h.Do(func() error { return flood(1000) }))
	must(t, h.DeleteAddress(vip4))
	expect(t, events, Event{Kind: LinkUp}, Event{AddressRemoved, vip4.Addr()})
}

// flood makes more messages than the buffer of a netlink socket takes.
func flood(changes int) error {
	link, err := netlink.LinkByName(lab.Interface)
	if err != nil {
		return err
	}
	for i := range changes {
		if err := netlink.LinkSetMTU(link, 1400+i%2); err != nil {
			return err
		}
	}
	return nil
}

// In the place of a link that was deleted may come one of its name, or one of another name with the node's address: a
// container that is connected again, a bond or a bridge that is made.
func TestWatchReportsADeletedLink(t *testing.T) {
	for name, place := range map[string]struct {
		link    string
		address bool
	}{
		"the same name":                  {link: lab.Interface},
		"another name, the same address": {link: "other", address: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			a := newAddresses(t, h, Config{})
			events := make(chan Event)
			done := startWatch(t, h, a, events)
			expect(t, events, Event{Kind: LinkUp})
			setLink(t, h, netlink.LinkDel)
			expect(t, events, Event{Kind: LinkDown})
			must(t, h.Do(func() error {
				attrs := netlink.NewLinkAttrs()
				attrs.Name = place.link
				if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "peer"}); err != nil || !place.address {
					return err
				}
				link, err := netlink.LinkByName(place.link)
				if err != nil {
					return err
				}
				return netlink.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: a.own()[0].AsSlice(), Mask: net.CIDRMask(24, 32)}})
			}))
			waitError(t, done, ErrLinkReplaced)
		})
	}
}

func TestWatchReportsANewHardwareAddress(t *testing.T) {
	h := newHost(t)
	a := newAddresses(t, h, Config{})
	events := make(chan Event)
	done := startWatch(t, h, a, events)
	expect(t, events, Event{Kind: LinkUp})
	setLink(t, h, func(l netlink.Link) error {
		return netlink.LinkSetHardwareAddr(l, net.HardwareAddr{2, 0, 0, 0, 1, 1})
	})
	waitError(t, done, ErrLinkReplaced)
}

func waitError(t *testing.T, done <-chan error, want error) {
	t.Helper()
	select {
	case err := <-done:
		if !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
	case <-time.After(5 * time.Second):
		t.Errorf("no error, want %v", want)
	}
}
