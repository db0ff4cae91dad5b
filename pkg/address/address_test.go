// SPDX-License-Identifier: Apache-2.0

package address

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// clock is a clock that a test moves.
type clock struct{ now time.Time }

func newClock() *clock                   { return &clock{time.Unix(1000, 0)} }
func (c *clock) Now() time.Time          { return c.now }
func (c *clock) advance(d time.Duration) { c.now = c.now.Add(d) }

func TestAcquireAndRelease(t *testing.T) {
	h := newHost(t)
	a := newAddresses(t, h, Config{Lifetime: 2 * time.Second})
	for range 2 { // both may be called again
		must(t, a.Acquire())
		if !a.Held() || !bound(t, h, vip4) || !bound(t, h, vip6) {
			t.Fatal("acquired, but not held or not bound")
		}
	}
	checkEntry(t, entries(t, h, vip4.Addr()), lab.Interface+":vip")
	checkEntry(t, entries(t, h, vip6.Addr()), "")
	for range 2 {
		must(t, a.Release())
		if a.Held() || bound(t, h, vip4) || bound(t, h, vip6) {
			t.Fatal("released, but held or bound")
		}
	}
}

// checkEntry checks what the kernel has of a virtual address with a lifetime of 2 s.
func checkEntry(t *testing.T, found []netlink.Addr, label string) {
	t.Helper()
	if len(found) != 1 {
		t.Fatalf("entries %v, want one", found)
	}
	e := found[0]
	if !prefixOf(e).IsSingleIP() {
		t.Errorf("%s is part of a subnet, whose other addresses it could take along", e.IPNet)
	}
	if e.Label != label {
		t.Errorf("%s: label %q, want %q", e.IPNet, e.Label, label)
	}
	if e.ValidLft < 1 || e.ValidLft > 2 || e.PreferedLft != 0 {
		t.Errorf("%s: valid for %d s and preferred for %d s, want 2 and 0", e.IPNet, e.ValidLft, e.PreferedLft)
	}
	want := unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_DEPRECATED
	if e.Flags&want != want || e.Flags&(unix.IFA_F_PERMANENT|unix.IFA_F_TENTATIVE) != 0 {
		t.Errorf("%s: flags %#x, want %#x and neither permanent nor tentative", e.IPNet, e.Flags, want)
	}
}

func TestAcquireIsAllOrNothing(t *testing.T) {
	h := newHost(t)
	a := newAddresses(t, h, Config{})
	must(t, h.SetSysctl("net/ipv6/conf/"+lab.Interface+"/disable_ipv6", "1"))
	if err := a.Acquire(); err == nil || !strings.Contains(err.Error(), vip6.String()) {
		t.Errorf("error %v, want one that names %s", err, vip6)
	}
	if a.Held() || bound(t, h, vip4) {
		t.Error("one address is held without the other")
	}
}

func TestLongInterfaceNameHasNoLabel(t *testing.T) {
	a := &Addresses{cfg: Config{Link: Link{Name: "enp0s31f6np0s1"}}}
	if label := a.entry(vip4).Label; label != "" {
		t.Errorf("label %q is longer than the kernel takes", label)
	}
}

func TestRefreshKeepsTheAddressPastItsLifetime(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	a := newAddresses(t, h, Config{Lifetime: time.Second})
	events := watch(t, h, a)
	expect(t, events, Event{Kind: LinkUp})
	must(t, a.Acquire())
	refresh := time.NewTicker(250 * time.Millisecond)
	defer refresh.Stop()
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		select {
		case ev := <-events:
			t.Fatalf("event %v", ev)
		case <-refresh.C:
			must(t, a.Refresh())
		}
	}
	must(t, a.Release())
}

func TestLateRefreshRemovesTheAddress(t *testing.T) {
	for _, tt := range []struct {
		name string
		late func(*clock, *Addresses)
	}{
		{"before the call", func(c *clock, _ *Addresses) { c.advance(2 * time.Second) }},
		{"during the call", func(c *clock, a *Addresses) {
			reads := 0
			a.cfg.Now = func() time.Time {
				if reads++; reads == 3 { // after the deadline to be and the look before the call
					c.advance(2 * time.Second)
				}
				return c.now
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, c := newHost(t), newClock()
			a := newAddresses(t, h, Config{Lifetime: 2 * time.Second, Now: c.Now})
			must(t, a.Acquire())
			c.advance(1900 * time.Millisecond)
			must(t, a.Refresh())
			tt.late(c, a)
			if err := a.Refresh(); !errors.Is(err, ErrLate) {
				t.Errorf("error %v, want ErrLate", err)
			}
			if a.Held() || bound(t, h, vip4) || bound(t, h, vip6) {
				t.Error("a late refresh left the addresses")
			}
			if err := a.Refresh(); !errors.Is(err, ErrNotHeld) {
				t.Errorf("error %v, want ErrNotHeld", err)
			}
		})
	}
}

// The kernel re-creates an address that a refresh finds expired: this is what the look after the call is for.
func TestRefreshDoesNotResurrect(t *testing.T) {
	t.Parallel()
	h, c := newHost(t), newClock()
	a := newAddresses(t, h, Config{Lifetime: time.Second, Now: c.Now}) // a clock that stands: the switch alone acts
	must(t, a.Acquire())
	waitGone(t, h, vip4, vip6)
	must(t, a.replace())
	if !bound(t, h, vip4) || !bound(t, h, vip6) {
		t.Fatal("the kernel no longer re-creates expired addresses")
	}
	c.advance(time.Second)
	if err := a.Refresh(); !errors.Is(err, ErrLate) || bound(t, h, vip4) || bound(t, h, vip6) {
		t.Errorf("error %v, want ErrLate and no address", err)
	}
}

func waitGone(t *testing.T, h *lab.Host, prefixes ...netip.Prefix) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		gone := true
		for _, p := range prefixes {
			gone = gone && !bound(t, h, p)
		}
		if gone {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v still there", prefixes)
		}
	}
}

func TestReleaseRemovesLeftovers(t *testing.T) {
	h := newHost(t)
	a := newAddresses(t, h, Config{})
	for ifname, prefixes := range map[string][]string{
		lab.Interface: {"192.168.238.100/32", "192.168.238.100/25", "fd00:99::100/128"},
		"lo":          {"192.168.238.100/24", "fd00:99::100/64"},
	} {
		for _, p := range prefixes {
			add(t, h, ifname, netip.MustParsePrefix(p))
		}
	}
	must(t, a.Release())
	if bound(t, h, vip4) || bound(t, h, vip6) {
		t.Error("leftovers stayed")
	}
	if !bound(t, h, h.Address) || !bound(t, h, h.Address6) {
		t.Error("an address of the node went along")
	}
}

// While another program may have the addresses, its entries stay, whatever is released; what a crash has left goes. The first
// Acquire keeps the address there without a gap, with its own lifetime.
func TestReleaseOwnSparesOthers(t *testing.T) {
	h := newHost(t)
	a := newAddresses(t, h, Config{Spare: true, Lifetime: 2 * time.Second})
	crashed := a.entry(vip6) // read before Watch writes the link
	events := watch(t, h, a)
	expect(t, events, Event{Kind: LinkUp})
	host4 := netip.PrefixFrom(vip4.Addr(), 32)
	add(t, h, lab.Interface, host4)
	must(t, h.Do(func() error { return netlink.AddrReplace(nil, crashed) }))
	for range 2 {
		must(t, a.ReleaseOwn())
		if !bound(t, h, vip4) || bound(t, h, vip6) {
			t.Fatal("another program's address went, or the own one stayed")
		}
		if _, strays, err := a.Kernel(); err != nil || len(strays) > 0 {
			t.Errorf("strays %v, %v", strays, err)
		}
	}
	must(t, a.Acquire())
	if found := entries(t, h, vip4.Addr()); len(found) != 1 || found[0].ValidLft > 2 {
		t.Errorf("entries %v, want one with a lifetime", found)
	}
	must(t, a.Release())
	add(t, h, lab.Interface, host4)
	expect(t, events, Event{Kind: StrayFound, Address: vip4.Addr()})
	if bound(t, h, vip4) {
		t.Error("what was added after the release stayed")
	}
}

// The addresses must never become the node's IP of a kubelet or the source of an etcd member.
func TestNeverASourceAddress(t *testing.T) {
	for _, tt := range []struct {
		name string
		vip  []netip.Prefix
	}{
		{"subnet", []netip.Prefix{vip4, vip6}},
		{"host", []netip.Prefix{netip.PrefixFrom(vip4.Addr(), 32), netip.PrefixFrom(vip6.Addr(), 128)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t)
			a := newAddresses(t, h, Config{Addresses: tt.vip})
			must(t, a.Acquire())
			must(t, h.Do(func() error { return defaultRoutes("192.168.238.1", "fd00:99::1") }))
			for _, dst := range []string{"192.168.238.131", "203.0.113.9", "192.168.238.255"} {
				checkSource(t, h, dst, h.Address.Addr())
			}
			for _, dst := range []string{"fd00:99::131", "2001:db8::9"} {
				checkSource(t, h, dst, h.Address6.Addr())
			}
		})
	}
}

// defaultRoutes adds routes to gateways that do not exist.
func defaultRoutes(gateways ...string) error {
	link, err := netlink.LinkByName(lab.Interface)
	if err != nil {
		return err
	}
	for _, gw := range gateways {
		err = errors.Join(err, netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: net.ParseIP(gw)}))
	}
	return err
}

// checkSource checks the source that the kernel chooses, and that the socket layer agrees.
func checkSource(t *testing.T, h *lab.Host, dst string, want netip.Addr) {
	t.Helper()
	must(t, h.Do(func() error {
		routes, err := netlink.RouteGet(net.ParseIP(dst))
		if err != nil {
			return err
		}
		if got := routes[0].Src.String(); got != want.String() {
			t.Errorf("route to %s has the source %s, want %s", dst, got, want)
		}
		if strings.HasSuffix(dst, ".255") {
			return nil // broadcast: a socket would have to ask for it
		}
		conn, err := net.Dial("udp", net.JoinHostPort(dst, "9"))
		if err != nil {
			return err
		}
		defer conn.Close()
		if got := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr(); got != want {
			t.Errorf("socket to %s has the source %s, want %s", dst, got, want)
		}
		return nil
	}))
}

func TestRoutesStay(t *testing.T) {
	h := newHost(t)
	before := routes(t, h)
	a := newAddresses(t, h, Config{})
	must(t, a.Acquire())
	if got := routes(t, h); got != before {
		t.Errorf("routes while held:\n%swant\n%s", got, before)
	}
	must(t, a.Release())
	if got := routes(t, h); got != before {
		t.Errorf("routes after release:\n%swant\n%s", got, before)
	}
}

// routes returns the main routing table of a host.
func routes(t *testing.T, h *lab.Host) string {
	t.Helper()
	var b strings.Builder
	must(t, h.Do(func() error {
		all, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
		for _, r := range all {
			b.WriteString(r.String() + "\n")
		}
		return err
	}))
	return b.String()
}

func TestNewRefuses(t *testing.T) {
	link := Link{Name: "eth0", Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.238.130/24")}}
	for _, tt := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"half a second", Config{Link: link, Lifetime: 500 * time.Millisecond}, "whole seconds"},
		{"a second and a half", Config{Link: link, Lifetime: 1500 * time.Millisecond}, "whole seconds"},
		{"another subnet", Config{Link: link, Lifetime: time.Second, Addresses: []netip.Prefix{vip6}}, "in no subnet of interface eth0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := New(tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
