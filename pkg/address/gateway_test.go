// SPDX-License-Identifier: Apache-2.0

package address

import (
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestGateway(t *testing.T) {
	h := newHost(t)
	v4, v6 := netip.IPv4Unspecified(), netip.IPv6Unspecified()
	gateway := func(index int, family netip.Addr) (found netip.Addr) {
		t.Helper()
		must(t, h.Do(func() (err error) {
			found, err = Gateway(index, family)
			return err
		}))
		return found
	}
	index := findLink(t, h).Index
	if got := []netip.Addr{gateway(index, v4), gateway(index, v6)}; got[0].IsValid() || got[1].IsValid() {
		t.Errorf("without a default route: %v", got)
	}
	route := func(via string, metric, table int) {
		t.Helper()
		must(t, h.Do(func() error {
			return netlink.RouteAdd(&netlink.Route{LinkIndex: index, Gw: net.ParseIP(via), Priority: metric, Table: table, Flags: int(netlink.FLAG_ONLINK)})
		}))
	}
	for _, step := range []struct {
		via           string
		metric, table int
		want4, want6  string
	}{
		{"192.168.238.3", 10, 100, "192.168.238.3", ""}, // a table of another number, where the main one has none
		{"192.168.238.2", 200, unix.RT_TABLE_MAIN, "192.168.238.2", ""},
		{"192.168.238.1", 100, unix.RT_TABLE_MAIN, "192.168.238.1", ""},
		{"fe80::1", 100, unix.RT_TABLE_MAIN, "192.168.238.1", "fe80::1"},
	} {
		route(step.via, step.metric, step.table)
		for family, want := range map[netip.Addr]string{v4: step.want4, v6: step.want6} {
			if got := gateway(index, family); got.IsValid() != (want != "") || got.IsValid() && got.String() != want {
				t.Errorf("after the route by %s: %s, want %s", step.via, got, want)
			}
		}
	}
	if got := gateway(index+1000, v4); got.IsValid() {
		t.Errorf("another interface has the gateway %s", got)
	}
}

// Of several next hops the one counts that is on the interface.
func TestFirstHop(t *testing.T) {
	several := netlink.Route{Table: unix.RT_TABLE_MAIN, MultiPath: []*netlink.NexthopInfo{
		{LinkIndex: 2, Gw: net.IPv4(192, 0, 2, 1)}, {LinkIndex: 3}, {LinkIndex: 3, Gw: net.IPv4(198, 51, 100, 1)},
	}}
	for index, want := range map[int]netip.Addr{2: netip.MustParseAddr("192.0.2.1"), 3: netip.MustParseAddr("198.51.100.1"), 4: {}} {
		if got := firstHop([]netlink.Route{several}, index); got != want {
			t.Errorf("interface %d: %s, want %s", index, got, want)
		}
	}
}
