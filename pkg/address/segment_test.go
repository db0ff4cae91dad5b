// SPDX-License-Identifier: Apache-2.0

package address

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

func TestSegment(t *testing.T) {
	link := func(name, kind string, index, master int, addresses ...string) Link {
		return Link{Name: name, Kind: kind, Index: index, Master: master, Ethernet: true, Addresses: prefixes(addresses...)}
	}
	lo := Link{Name: "lo", Kind: "device", Index: 1}
	var many []Link
	for i := range 300 {
		many = append(many, link(fmt.Sprintf("eth%d", i), "device", i+1, 0))
	}
	for name, tt := range map[string]struct {
		links []Link
		index int
		want  string // the first names
		n     int
	}{
		"two cards":           {[]Link{lo, link("eth0", "device", 2, 0, "192.0.2.1/24"), link("eth1", "device", 3, 0)}, 3, "eth1 eth0", 2},
		"a bond and its port": {[]Link{lo, link("eth0", "device", 2, 3), link("bond0", "bond", 3, 0, "192.0.2.1/24")}, 3, "bond0", 1},
		"a card that has become a port while the addresses are still there": {
			[]Link{lo, link("eth0", "veth", 2, 3, "192.0.2.1/24"), link("br0", "bridge", 3, 0)}, 2, "br0", 1},
		"a bridge of cards, and one of containers": {
			[]Link{link("eth0", "device", 2, 0, "192.0.2.1/24"), link("eth1", "device", 3, 4), link("br1", "bridge", 4, 0), link("veth1", "veth", 5, 6), link("cni0", "bridge", 6, 0, "10.0.0.1/24")}, 2, "eth0 br1", 2},
		"containers by a route each": {
			[]Link{link("eth0", "veth", 2, 0), link("cali1", "veth", 3, 0, "fe80::1/64"), link("vethp", "veth", 4, 0, "10.0.0.1/32"), link("eth1", "veth", 5, 0, "198.51.100.1/24")}, 2, "eth0 eth1", 2},
		"what leads to no neighbour": {[]Link{link("eth0", "device", 2, 0), link("kube-ipvs0", "dummy", 3, 0), link("vxlan.calico", "vxlan", 4, 0), link("ifb0", "ifb", 5, 0)}, 2, "eth0", 1},
		"a VLAN and a bond":          {[]Link{link("bond0", "bond", 2, 0), link("bond0.7", "vlan", 3, 0, "192.0.2.1/24"), link("mac0", "macvlan", 4, 0)}, 3, "bond0.7 bond0 mac0", 3},
		"very many":                  {many, 200, "eth199 eth0 eth1", mostOfSegment},
		"none any more":              {[]Link{lo}, 7, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			got := Segment(tt.links, tt.index)
			if len(got) != tt.n || !strings.HasPrefix(strings.Join(got, " "), tt.want) {
				t.Errorf("%q, want %d from %q on", got, tt.n, tt.want)
			}
		})
	}
}

// What depends on the links of the host hears of each one that comes, goes, gets a subnet, or has another name or another master.
func TestWatchNamesTheSegment(t *testing.T) {
	h := newHost(t)
	var mu sync.Mutex
	var last []string
	events := watch(t, h, newAddresses(t, h, Config{Addresses: []netip.Prefix{vip4}, Segment: func(links []string) {
		mu.Lock()
		defer mu.Unlock()
		last = links
	}}))
	expect(t, events, Event{Kind: LinkUp})
	change := func(f func() error, want ...string) {
		t.Helper()
		must(t, h.Do(f))
		labtest.Until(t, 5*time.Second, fmt.Sprintf("the links are %q", want), func() bool {
			mu.Lock()
			defer mu.Unlock()
			return slices.Equal(last, want)
		})
	}
	change(func() error { return nil }, lab.Interface)
	second := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "second"}, PeerName: "far"}
	change(func() error {
		return netlink.LinkAdd(second)
	}, lab.Interface)
	subnet := plain(netip.MustParsePrefix("198.51.100.1/24"))
	change(func() error { return netlink.AddrAdd(second, subnet) }, lab.Interface, "second")
	change(func() error { return netlink.AddrDel(second, subnet) }, lab.Interface)
	change(func() error { return netlink.AddrAdd(second, subnet) }, lab.Interface, "second")
	rename := func(to string) func() error {
		return func() error { return netlink.LinkSetName(second, to) }
	}
	change(rename("third"), lab.Interface, "third")
	change(rename("second"), lab.Interface, "second")
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br7", HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 7, 7}}}
	change(func() error {
		if err := netlink.LinkAdd(bridge); err != nil {
			return err
		}
		return netlink.LinkSetMaster(second, bridge)
	}, lab.Interface, "br7")
	change(func() error { return netlink.LinkDel(second) }, lab.Interface)
	change(func() error { return netlink.LinkDel(bridge) }, lab.Interface)
}
