// SPDX-License-Identifier: Apache-2.0

package address

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func prefixes(all ...string) []netip.Prefix {
	var ps []netip.Prefix
	for _, p := range all {
		ps = append(ps, netip.MustParsePrefix(p))
	}
	return ps
}

func TestLinksOfAHost(t *testing.T) {
	h := newHost(t)
	must(t, newAddresses(t, h, Config{}).Acquire())
	l := findLink(t, h)
	if !l.Up || !slices.Equal(l.MAC, h.MAC) {
		t.Errorf("link %+v, want it up with the hardware address %s", l, h.MAC)
	}
	want := []netip.Prefix{h.Address, h.Address6, netip.PrefixFrom(l.LinkLocal(), 64)}
	slices.SortFunc(l.Addresses, netip.Prefix.Compare)
	slices.SortFunc(want, netip.Prefix.Compare)
	if !slices.Equal(l.Addresses, want) {
		t.Errorf("addresses %v, want %v without the virtual ones", l.Addresses, want)
	}
	if p4, p6 := l.Primary(vip4.Addr()), l.Primary(vip6.Addr()); p4 != h.Address.Addr() || p6 != h.Address6.Addr() {
		t.Errorf("primary addresses %s and %s, want %s and %s", p4, p6, h.Address, h.Address6)
	}
}

func TestOwnedAddresses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		addr  string
		flags int
		want  bool
	}{
		{"permanent", "192.0.2.1/24", unix.IFA_F_PERMANENT, true},
		{"secondary of IPv4", "192.0.2.1/24", unix.IFA_F_SECONDARY, true},
		{"temporary of IPv6", "2001:db8::1/64", unix.IFA_F_TEMPORARY, false},
		{"tentative", "2001:db8::1/64", unix.IFA_F_TENTATIVE, false},
		{"optimistic", "2001:db8::1/64", unix.IFA_F_TENTATIVE | unix.IFA_F_OPTIMISTIC, true},
		{"duplicate", "2001:db8::1/64", unix.IFA_F_DADFAILED | unix.IFA_F_PERMANENT, false},
		{"deprecated", "2001:db8::1/64", unix.IFA_F_DEPRECATED, true},
		{"deprecated of IPv4", "192.0.2.1/24", unix.IFA_F_DEPRECATED, true},
		{"virtual", "192.0.2.1/32", unix.IFA_F_DEPRECATED, false},
		{"virtual of IPv6", "2001:db8::1/128", unix.IFA_F_DEPRECATED, false},
		{"host address", "192.0.2.1/32", unix.IFA_F_PERMANENT, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := plain(netip.MustParsePrefix(tt.addr))
			a.Flags = tt.flags
			if got := owned(*a); got != tt.want {
				t.Errorf("owned is %t, want %t", got, tt.want)
			}
		})
	}
}

func TestFind(t *testing.T) {
	links := []Link{
		{Name: "lo", Addresses: prefixes("127.0.0.1/8", "::1/128")},
		{Name: "eth0", Addresses: prefixes("192.168.238.130/24", "fd00:99::1/64", "fe80::1/64")},
		{Name: "eth1", Addresses: prefixes("10.0.0.1/24")},
		{Name: "br0", Addresses: prefixes("10.0.0.2/24")},
		{Name: "idle"},
		{Name: "eth2", Index: 7, Master: 8},
		{Name: "br1", Index: 8, Addresses: prefixes("172.16.1.1/24")},
	}
	for _, tt := range []struct {
		name, link string
		virtual    []netip.Prefix
		want, err  string
	}{
		{"by subnet", "", prefixes("192.168.238.100/32"), "eth0", ""},
		{"by subnet, two families", "", prefixes("192.168.238.100/24", "fd00:99::100/128"), "eth0", ""},
		{"by name", "eth1", prefixes("10.0.0.100/24"), "eth1", ""},
		{"no such name", "ens160", prefixes("10.0.0.100/24"), "", `"ens160" does not exist; the interfaces are lo, eth0, eth1, br0, idle, eth2, br1`},
		{"no such subnet", "", prefixes("172.16.0.1/24"), "", "no interface has an address in the subnet of 172.16.0.1"},
		{"own address", "", prefixes("192.168.238.130/24"), "", "no interface has an address in the subnet of 192.168.238.130"},
		{"two candidates", "", prefixes("10.0.0.100/24"), "", "eth1 and br0 both"},
		{"subnet of another link", "eth1", prefixes("192.168.238.100/24"), "", "in no subnet of interface eth1, which has 10.0.0.1/24"},
		{"second family missing", "", prefixes("192.168.238.100/24", "2001:db8::1/64"), "", "2001:db8::1 is in no subnet of interface eth0"},
		{"port of a bridge", "eth2", prefixes("172.16.1.100/24"), "br1", ""},
		{"no address", "idle", prefixes("10.0.0.100/24"), "", "which has no address"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Find(links, tt.link, tt.virtual)
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			if got.Name != tt.want {
				t.Errorf("link %q, want %q", got.Name, tt.want)
			}
		})
	}
}

// The rules of Follow, by what the host of eth0, index 2, has become.
func TestFollow(t *testing.T) {
	own, other, vip := "192.168.238.130/24", "192.168.238.150/24", prefixes("192.168.238.100/24")
	last := Link{Name: "eth0", Index: 2, Addresses: prefixes(own)}
	link := func(name string, index, master int, addrs ...string) Link {
		return Link{Name: name, Index: index, Master: master, Addresses: prefixes(addrs...)}
	}
	for _, tt := range []struct {
		name, configured string
		links            []Link
		want             string
		addresses        []netip.Prefix
	}{
		{"nothing", "", []Link{link("eth0", 2, 0, own)}, "eth0", prefixes(own)},
		{"another name", "eth0", []Link{link("ens192", 2, 0, own), link("eth0", 3, 0, other)}, "ens192", prefixes(own)},
		{"an address more", "", []Link{link("eth0", 2, 0, other, own)}, "eth0", prefixes(own, other)},
		{"another prefix", "", []Link{link("eth0", 2, 0, "192.168.238.130/16")}, "eth0", prefixes("192.168.238.130/16")},
		{"the virtual address is none", "", []Link{link("eth0", 2, 0, "192.168.238.100/24", own)}, "eth0", prefixes(own)},
		{"a second link of the subnet", "", []Link{link("eth0", 2, 0, own), link("eth1", 3, 0, other)}, "eth0", prefixes(own)},
		{"moved to a bridge", "eth0", []Link{link("eth0", 2, 3), link("br-ex", 3, 0, own)}, "br-ex", prefixes(own)},
		{"moved to a bridge that is not its master", "eth0", []Link{link("eth0", 2, 9), link("br-ex", 3, 0, own)}, "br-ex", prefixes(own)},
		{"another address on its bridge", "eth0", []Link{link("eth0", 2, 3), link("br-ex", 3, 0, other)}, "br-ex", prefixes(other)},
		{"a port with an address", "", []Link{link("eth0", 2, 3, own), link("br-ex", 3, 0, own)}, "br-ex", prefixes(own)},
		{"a port alone", "", []Link{link("eth0", 2, 3, own), link("br-ex", 3, 0)}, "eth0", prefixes(own)},
		{"gone, made again", "eth0", []Link{link("eth1", 3, 0, other), link("eth0", 4, 0, other)}, "eth0", prefixes(other)},
		{"gone, another of the subnet", "", []Link{link("eth1", 3, 0, other)}, "eth1", prefixes(other)},
		{"gone, two of the subnet", "", []Link{link("eth1", 3, 0, other), link("eth2", 4, 0, "192.168.238.160/24")}, "", nil},
		{"named and gone", "eth0", []Link{link("eth1", 3, 0, other)}, "", nil},
		{"named and without an address", "eth0", []Link{link("eth0", 2, 0), link("eth1", 3, 0, other)}, "eth0", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Follow(tt.links, last, tt.configured, vip)
			if got.Name != tt.want || !slices.Equal(got.Addresses, tt.addresses) {
				t.Errorf("%+v, want %s with %v", got, tt.want, tt.addresses)
			}
		})
	}
}

func TestInterruptedDumpIsRepeated(t *testing.T) {
	dumps := 0
	got, err := list(func() ([]int, error) {
		if dumps++; dumps < 3 {
			return nil, netlink.ErrDumpInterrupted
		}
		return []int{1}, nil
	})
	if err != nil || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	got, err = list(func() ([]int, error) { return []int{2}, netlink.ErrDumpInterrupted })
	if err != nil || len(got) != 1 {
		t.Errorf("under constant change: got %v, %v, want the last answer", got, err)
	}
}
