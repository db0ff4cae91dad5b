// SPDX-License-Identifier: Apache-2.0

package address

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
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
			expect(t, events, Event{Kind: AddressRemoved, Address: p.Addr()}) // and perhaps again as long as it is away
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
	expect(t, events, Event{Kind: StrayFound, Address: vip4.Addr()})
	waitGone(t, h, vip4)
	must(t, a.Acquire())
	expect(t, events, Event{Kind: AddressRemoved, Address: vip4.Addr()}) // from the lifetime; none came before
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
			expect(t, events, Event{Kind: PrimaryLost, Address: tt.primary(h).Addr()})
			add(t, h, lab.Interface, tt.primary(h))
			expect(t, events, Event{Kind: LinkUp})
		})
	}
}

// The node's own address is replaced in one command, or moves to another prefix, while a virtual one is held: that stays, and the
// route to the subnet is what it was.
func TestOwnAddressIsReplaced(t *testing.T) {
	other := netip.MustParsePrefix("192.168.238.150/24")
	for name, tt := range map[string]struct {
		promote, added bool // the kernel keeps secondary addresses; the new one is there before the old one goes
		next           netip.Prefix
	}{
		"one command":           {next: other},
		"added first":           {next: other, added: true, promote: true},
		"the same, added again": {next: netip.MustParsePrefix("192.168.238.130/24")},
		"another prefix":        {next: netip.MustParsePrefix("192.168.238.130/16")},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			if tt.promote {
				must(t, h.SetSysctl("net/ipv4/conf/all/promote_secondaries", "1"))
			}
			a := newAddresses(t, h, Config{})
			events := watch(t, h, a)
			expect(t, events, Event{Kind: LinkUp})
			must(t, a.Acquire())
			if tt.added {
				add(t, h, lab.Interface, tt.next)
				expect(t, events, Event{Kind: LinkUp})
			}
			must(t, h.DeleteAddress(h.Address))
			if !tt.added {
				add(t, h, lab.Interface, tt.next)
			}
			labtest.Until(t, 5*time.Second, "the virtual address is there", func() bool { return bound(t, h, vip4) })
			if tt.next != h.Address { // else nothing has changed
				labtest.Until(t, 5*time.Second, "the new address is reported", func() bool {
					ev := <-events
					if ev.Kind != LinkUp {
						t.Errorf("event %v", ev)
					}
					return ev.Link.Primary(vip4.Addr()) == tt.next.Addr()
				})
			}
			labtest.Until(t, 5*time.Second, "the virtual address is behind the own one", func() bool {
				checkRoute := strings.Contains(routes(t, h), tt.next.Masked().String())
				entries := listing(t, h)
				return checkRoute && slices.Index(entries, tt.next.Addr()) < slices.Index(entries, vip4.Addr())
			})
			must(t, a.Release())
			if !bound(t, h, tt.next) {
				t.Error("the node's own address went with the virtual one")
			}
		})
	}
}

// A second address of the subnet comes behind the virtual one in the kernel, which is left where it is.
func TestSecondAddressLeavesTheVirtualOneAlone(t *testing.T) {
	h := newHost(t)
	a := newAddresses(t, h, Config{})
	events := watch(t, h, a)
	expect(t, events, Event{Kind: LinkUp})
	must(t, a.Acquire())
	updates, done := make(chan netlink.AddrUpdate, 1000), make(chan struct{}) // so that the subscription ends
	defer close(done)
	must(t, h.Do(func() error { return netlink.AddrSubscribe(updates, done) }))
	second, third := netip.MustParsePrefix("192.168.238.151/24"), netip.MustParsePrefix("192.168.238.152/24")
	for _, own := range []netip.Prefix{second, third} { // the watch has looked at the second when it reports the third
		add(t, h, lab.Interface, own)
		expect(t, events, Event{Kind: LinkUp})
	}
	must(t, h.DeleteAddress(third))
	for update := range updates {
		switch addr, _ := netip.AddrFromSlice(update.LinkAddress.IP); {
		case addr.Unmap() == vip4.Addr() && !update.NewAddr:
			t.Fatal("the virtual address was deleted")
		case addr.Unmap() == third.Addr() && !update.NewAddr:
			return
		}
	}
}

// listing returns the addresses of a host in the order of the kernel.
func listing(t *testing.T, h *lab.Host) (all []netip.Addr) {
	t.Helper()
	must(t, h.Do(func() error {
		entries, err := netlink.AddrList(nil, netlink.FAMILY_V4)
		for _, e := range entries {
			all = append(all, prefixOf(e).Addr())
		}
		return err
	}))
	return all
}

func TestWatchSurvivesAnOverflow(t *testing.T) {
	h := newHost(t)
	a := newAddresses(t, h, Config{})
	events := watch(t, h, a)
	must(t, a.Acquire())
	// The watch waits with its first event, so nobody reads the socket.
	must(t, h.Do(func() error { return flood(1000) }))
	must(t, h.DeleteAddress(vip4))
	expect(t, events, Event{Kind: LinkUp}, Event{Kind: AddressRemoved, Address: vip4.Addr()})
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
// container that is connected again, a bond or a bridge that is made. What is held comes along.
func TestWatchFollowsADeletedLink(t *testing.T) {
	for _, name := range []string{lab.Interface, "other"} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			a := newAddresses(t, h, Config{})
			events := watch(t, h, a)
			expect(t, events, Event{Kind: LinkUp})
			must(t, a.Acquire())
			setLink(t, h, netlink.LinkDel)
			until(t, events, LinkDown) // the kernel removes the addresses first: that may be seen alone
			addLink(t, h, &netlink.Bridge{LinkAttrs: named(name)}, h.Address, h.Address6, linkLocal)
			ev := untilUp(t, events)
			if ev.Link.Name != name || ev.Link.Index == 0 {
				t.Errorf("event %v", ev)
			}
			must(t, a.Acquire())
			if !bound(t, h, vip4) || !bound(t, h, vip6) {
				t.Error("nothing is held on the new link")
			}
		})
	}
}

// linkLocal is the link-local address of the first host of a lab.
var linkLocal = netip.MustParsePrefix("fe80::ff:fe00:82/64")

func named(name string) netlink.LinkAttrs {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	return attrs
}

// addLink makes an interface with a port that has a carrier, and gives it addresses.
func addLink(t *testing.T, h *lab.Host, link netlink.Link, addresses ...netip.Prefix) {
	t.Helper()
	must(t, h.Do(func() error {
		if err := netlink.LinkAdd(link); err != nil {
			return err
		}
		port := &netlink.Veth{LinkAttrs: named("port"), PeerName: "plug"}
		port.MasterIndex = link.Attrs().Index
		if err := netlink.LinkAdd(port); err != nil {
			return err
		}
		plug, err := netlink.LinkByName("plug")
		if err != nil {
			return err
		}
		return errors.Join(netlink.LinkSetUp(plug), netlink.LinkSetUp(port), netlink.LinkSetUp(link))
	}))
	for _, p := range addresses {
		add(t, h, link.Attrs().Name, p)
	}
}

// untilUp takes events up to one that says that the link is up, and returns that.
func untilUp(t *testing.T, events <-chan Event) Event {
	t.Helper()
	return until(t, events, LinkUp)
}

// until takes events up to one of a kind, and returns that.
func until(t *testing.T, events <-chan Event, kind EventKind) Event {
	t.Helper()
	for deadline := time.After(5 * time.Second); ; {
		select {
		case ev := <-events:
			if ev.Kind == kind {
				return ev
			}
		case <-deadline:
			t.Fatalf("no event %s", kind)
		}
	}
}

// The interface becomes a port of a bridge that gets its addresses. The bridge is made first: nothing is lost for long.
func TestWatchFollowsIntoABridge(t *testing.T) {
	h := newHost(t)
	a := newAddresses(t, h, Config{Name: lab.Interface})
	events := watch(t, h, a)
	expect(t, events, Event{Kind: LinkUp})
	must(t, a.Acquire())
	index := findLink(t, h).Index
	must(t, h.Do(func() error {
		bridge := &netlink.Bridge{LinkAttrs: named("br-ex")}
		link, err := netlink.LinkByName(lab.Interface)
		return errors.Join(err, netlink.LinkAdd(bridge), netlink.LinkSetUp(bridge), netlink.LinkSetMaster(link, bridge))
	}))
	expect(t, events, Event{Kind: PrimaryLost, Address: h.Address.Addr()}) // what arrives at a port is the bridge's
	for _, p := range []netip.Prefix{h.Address, h.Address6, linkLocal} {
		must(t, h.DeleteAddress(p))
		add(t, h, "br-ex", p)
	}
	ev := untilUp(t, events)
	if ev.Link.Name != "br-ex" || ev.Link.Index == index {
		t.Fatalf("event %v", ev)
	}
	for _, vip := range []netip.Prefix{vip4, vip6} {
		labtest.Until(t, 5*time.Second, vip.String()+" is on the bridge alone", func() bool {
			found := entries(t, h, vip.Addr())
			return len(found) == 1 && found[0].LinkIndex == ev.Link.Index
		})
	}
}

func TestWatchReportsANewHardwareAddressAndName(t *testing.T) {
	h := newHost(t)
	a := newAddresses(t, h, Config{Name: lab.Interface})
	events := watch(t, h, a)
	expect(t, events, Event{Kind: LinkUp})
	must(t, a.Acquire())
	mac := net.HardwareAddr{2, 0, 0, 0, 1, 1}
	setLink(t, h, func(l netlink.Link) error { return netlink.LinkSetHardwareAddr(l, mac) })
	if ev := untilUp(t, events); !slices.Equal(ev.Link.MAC, mac) {
		t.Errorf("event %v", ev)
	}
	setLink(t, h, func(l netlink.Link) error { return netlink.LinkSetName(l, "ens192") })
	if ev := untilUp(t, events); ev.Link.Name != "ens192" {
		t.Errorf("event %v", ev)
	}
	must(t, a.Refresh())
	if len(entries(t, h, vip4.Addr())) != 1 {
		t.Error("the virtual address is not where it was")
	}
}

// A virtual address that a configuration of the network adds is removed where nothing is held, and again not at once; where the
// node holds, its own entry alone stays. What the kernel would delete with it comes back.
func TestWatchRemovesStrays(t *testing.T) {
	h := newHost(t)
	a := newAddresses(t, h, Config{})
	events := watch(t, h, a)
	expect(t, events, Event{Kind: LinkUp})
	add(t, h, "lo", vip4)
	ev := <-events
	if want := (Stray{Address: vip4.Addr(), Interface: "lo", Permanent: true}); ev.Stray != want {
		t.Errorf("event %v, want %v", ev, want)
	}
	waitGone(t, h, vip4)
	add(t, h, "lo", vip4)
	labtest.Until(t, 5*time.Second, "a stray that is back is known", func() bool {
		_, strays, err := a.Kernel()
		return err == nil && len(strays) == 1
	})
	must(t, a.Acquire())
	must(t, h.DeleteAddress(h.Address)) // then the configured one is the first of the subnet
	add(t, h, lab.Interface, vip4)
	add(t, h, lab.Interface, h.Address)
	labtest.Until(t, 15*time.Second, "the own entry alone is there", func() bool {
		found := entries(t, h, vip4.Addr())
		return len(found) == 1 && prefixOf(found[0]).IsSingleIP() && bound(t, h, h.Address)
	})
	if missing, strays, err := a.Kernel(); len(missing) > 0 || len(strays) > 0 || err != nil {
		t.Errorf("missing %v, strays %v, error %v", missing, strays, err)
	}
}
