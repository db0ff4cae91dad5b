// SPDX-License-Identifier: Apache-2.0

package address

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Routing is how a host routes what it sends: the rules in the order in which the kernel asks them and, where one of them goes by
// the source, the routes of all tables.
type Routing struct {
	Rules  []Rule
	Routes []Route
}

// BySource reports whether the way of a packet may depend on the address that it comes from.
func (r Routing) BySource() bool {
	return slices.ContainsFunc(r.Rules, func(rule Rule) bool { return rule.From.IsValid() })
}

// A Rule of the routing policy names the table in which a packet's route is looked up.
type Rule struct {
	Priority int
	From, To netip.Prefix // the zero Prefix: any
	Not      bool         // for the packets that it does not describe
	// Special says that it describes packets by more than their addresses: a mark, an interface, a port, a user.
	Special bool
	Table   int // 0: it names none
	// Suppress leaves routes of this prefix length or less out. -1: none.
	Suppress int
	Is6      bool
}

// A Route of a table.
type Route struct {
	Table   int
	To      netip.Prefix // with length 0: the default route
	Link    string       // empty: packets are dropped
	Gateway netip.Addr   // invalid: To is on the link
	Metric  int
}

// GetRouting asks the kernel for its routing.
func GetRouting() (Routing, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return Routing{}, fmt.Errorf("open netlink: %w", err)
	}
	defer h.Close()
	var r Routing
	for _, family := range families {
		rules, err := list(func() ([]netlink.Rule, error) { return h.RuleList(family) })
		if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) {
			continue // a kernel without IPv6, or without rules
		}
		if err != nil {
			return Routing{}, fmt.Errorf("list routing rules: %w", err)
		}
		for _, rule := range rules {
			r.Rules = append(r.Rules, newRule(rule, family))
		}
	}
	if !r.BySource() {
		return r, nil // a router may have a million routes
	}
	r.Routes, err = listRoutes(h)
	return r, err
}

var families = []int{netlink.FAMILY_V4, netlink.FAMILY_V6}

// listRoutes lists the routes by which packets leave the host, or are dropped.
func listRoutes(h *netlink.Handle) ([]Route, error) {
	links, err := list(h.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	names := map[int]string{}
	for _, l := range links {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	var out []Route
	for _, family := range families {
		found, err := list(func() ([]netlink.Route, error) {
			return h.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
		})
		if err != nil {
			return nil, fmt.Errorf("list routes: %w", err)
		}
		for _, route := range found {
			switch route.Type {
			case unix.RTN_LOCAL, unix.RTN_BROADCAST, unix.RTN_ANYCAST, unix.RTN_MULTICAST:
			default:
				out = append(out, newRoute(route, family, names))
			}
		}
	}
	return out, nil
}

// Gateway returns the next hop of the default route by an interface for the family of an address: that of the main table, and of the
// lowest metric. The zero Addr: there is none.
func Gateway(index int, family netip.Addr) (netip.Addr, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("open netlink: %w", err)
	}
	defer h.Close()
	number := netlink.FAMILY_V4
	if family.Is6() {
		number = netlink.FAMILY_V6
	}
	var defaults []netlink.Route // a router may have a million others
	_, err = list(func() ([]netlink.Route, error) {
		defaults = nil
		return nil, h.RouteListFilteredIter(number, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE, func(r netlink.Route) bool {
			if to := subnet(r.Dst); r.Type == unix.RTN_UNICAST && to.Bits() <= 0 {
				defaults = append(defaults, r)
			}
			return true
		})
	})
	if err != nil {
		return netip.Addr{}, fmt.Errorf("list routes: %w", err)
	}
	return firstHop(defaults, index), nil
}

// firstHop returns the next hop of the first of some default routes that leaves by an interface and has one.
func firstHop(defaults []netlink.Route, index int) netip.Addr {
	slices.SortStableFunc(defaults, func(a, b netlink.Route) int {
		inMain := func(r netlink.Route) int { return min(1, max(r.Table-unix.RT_TABLE_MAIN, unix.RT_TABLE_MAIN-r.Table)) }
		return cmp.Or(cmp.Compare(inMain(a), inMain(b)), cmp.Compare(a.Priority, b.Priority))
	})
	for _, r := range defaults {
		hops := []*netlink.NexthopInfo{{LinkIndex: r.LinkIndex, Gw: r.Gw}}
		if len(r.MultiPath) > 0 {
			hops = r.MultiPath
		}
		for _, hop := range hops {
			if gateway, ok := netip.AddrFromSlice(hop.Gw); ok && hop.LinkIndex == index {
				return gateway.Unmap()
			}
		}
	}
	return netip.Addr{}
}

func newRule(r netlink.Rule, family int) Rule {
	return Rule{
		Priority: max(r.Priority, 0), From: subnet(r.Src), To: subnet(r.Dst), Not: r.Invert, Table: max(r.Table, 0),
		Suppress: r.SuppressPrefixlen, Is6: family == netlink.FAMILY_V6,
		Special: r.Mark != 0 || r.Tos != 0 || r.TunID != 0 || r.IifName != "" || r.OifName != "" || r.Dport != nil || r.Sport != nil ||
			r.IPProto != 0 || r.UIDRange != nil,
	}
}

func newRoute(r netlink.Route, family int, names map[int]string) Route {
	index, gateway := r.LinkIndex, r.Gw
	if len(r.MultiPath) > 0 {
		index, gateway = r.MultiPath[0].LinkIndex, r.MultiPath[0].Gw
	}
	route := Route{Table: r.Table, To: subnet(r.Dst), Metric: r.Priority}
	if r.Type == unix.RTN_UNICAST {
		route.Link = names[index]
	}
	if addr, ok := netip.AddrFromSlice(gateway); ok {
		route.Gateway = addr.Unmap()
	}
	if !route.To.IsValid() {
		route.To = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if family == netlink.FAMILY_V6 {
			route.To = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
	}
	return route
}

// subnet is what the kernel describes packets by; the zero Prefix where it does not.
func subnet(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	addr, ok := netip.AddrFromSlice(n.IP)
	if !ok {
		return netip.Prefix{}
	}
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(addr.Unmap(), bits)
}
