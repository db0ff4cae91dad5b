// SPDX-License-Identifier: Apache-2.0

package address

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// leftovers returns what is found on a host, and removes it.
func leftovers(t *testing.T, h *lab.Host) (names []string) {
	t.Helper()
	must(t, h.Do(func() error {
		all, err := Leftovers()
		if err != nil {
			return err
		}
		for _, l := range all {
			names = append(names, l.What)
			for range 2 { // the second time it has gone by itself
				if err := l.Remove(); err != nil {
					return fmt.Errorf("%s: %w", l.What, err)
				}
			}
		}
		return nil
	}))
	return names
}

// What was acquired and admitted is found by a process that knows no configuration; what others have added stays.
func TestLeftovers(t *testing.T) {
	h := newHost(t)
	if found := leftovers(t, h); found != nil {
		t.Fatalf("on a host as it is: %q", found)
	}
	const long = "a-name-of-13b"
	addLink(t, h, &netlink.Bridge{LinkAttrs: named(long)}, netip.MustParsePrefix("10.9.0.1/24"))
	must(t, h.Do(func() error {
		// as kube-vip adds one whose name is in the DNS, and deprecated ones of leases
		for prefix, flags := range map[string]int{"192.168.238.77/32": 0, "fd00:99::77/128": unix.IFA_F_NOPREFIXROUTE, "192.168.238.78/32": unix.IFA_F_NOPREFIXROUTE} {
			other := plain(netip.MustParsePrefix(prefix))
			other.Flags, other.ValidLft, other.LinkIndex = flags, 60, findLink(t, h).Index
			if err := netlink.AddrReplace(nil, other); err != nil {
				return err
			}
		}
		return nil
	}))
	before := snapshot(t, h)
	must(t, newAddresses(t, h, Config{}).Acquire())
	var links []Link
	must(t, h.Do(func() (err error) { links, err = Links(); return err }))
	other, err := Find(links, long, []netip.Prefix{netip.MustParsePrefix("10.9.0.100/24")})
	must(t, err)
	must(t, h.Do(func() error {
		a, err := New(Config{Link: other, Addresses: []netip.Prefix{netip.MustParsePrefix("10.9.0.100/24")}, Lifetime: time.Minute})
		if err != nil {
			return err
		}
		defer a.Close()
		if err := a.Acquire(); err != nil {
			return err
		}
		_, err = Admit(lab.Interface, []netip.Addr{vip4.Addr(), vip6.Addr()})
		return err
	}))
	want := []string{
		"virtual address 192.168.238.100 on eth0", "virtual address 10.9.0.100 on " + long, "virtual address fd00:99::100 on eth0",
		"routing rule of a rehearsal for 192.168.238.100/32", "route of a rehearsal for 192.168.238.100/32",
		"routing rule of a rehearsal for fd00:99::100/128", "route of a rehearsal for fd00:99::100/128",
	}
	found := leftovers(t, h)
	slices.Sort(found)
	slices.Sort(want)
	if !slices.Equal(found, want) {
		t.Errorf("found %q, want %q", found, want)
	}
	if after := snapshot(t, h); !slices.Equal(after, before) {
		t.Errorf("the host had %q before, and has %q", before, after)
	}
}

// snapshot returns all addresses of a host.
func snapshot(t *testing.T, h *lab.Host) (all []string) {
	t.Helper()
	must(t, h.Do(func() error {
		found, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
		for _, a := range found {
			all = append(all, fmt.Sprintf("%s of %d, %x", a.IPNet, a.LinkIndex, a.Flags))
		}
		return err
	}))
	slices.Sort(all)
	return all
}
