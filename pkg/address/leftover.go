// SPDX-License-Identifier: Apache-2.0

package address

import (
	"errors"
	"fmt"
	"math"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A Leftover is what a process that was killed has left in the kernel, or what one that runs has there now: nothing in it says
// which. It is in the network namespace of the thread that has found it.
type Leftover struct {
	What   string // as people look for it
	Remove func() error
}

// Leftovers returns the virtual addresses that look as Acquire adds them, of whatever configuration, and what Admit adds. An
// entry that another program has added for the same address is none.
func Leftovers() (all []Leftover, err error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	defer h.Close()
	entries, err := addresses(h)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		link, err := h.LinkByIndex(e.LinkIndex)
		if err != nil || !acquired(e, link.Attrs().Name) {
			continue // the link has just gone, and its addresses with it
		}
		all = append(all, Leftover{
			What: fmt.Sprintf("virtual address %s on %s", prefixOf(e).Addr(), link.Attrs().Name),
			Remove: func() error {
				if err := netlink.AddrDel(nil, &e); !errors.Is(err, unix.EADDRNOTAVAIL) { // it may expire meanwhile
					return err
				}
				return nil
			},
		})
	}
	admitted, err := admissions(h)
	return append(all, admitted...), err
}

// acquired reports whether an entry is one that Acquire adds. What it is recognised by is what entry sets.
func acquired(e netlink.Addr, link string) bool {
	const all = unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_DEPRECATED
	p := prefixOf(e)
	if !p.IsSingleIP() || e.Flags&all != all || e.ValidLft == math.MaxUint32 {
		return false
	}
	if p.Addr().Is6() {
		return e.Flags&unix.IFA_F_NODAD != 0
	}
	return e.Label == vipLabel(link) || vipLabel(link) == ""
}

// vipLabel is the label of a virtual IPv4 address on a link; none where the name of the link leaves no room.
func vipLabel(link string) string {
	if label := link + ":vip"; len(label) <= maxLabel {
		return label
	}
	return ""
}

// admissions returns what Admit of this or an earlier process has added.
func admissions(h *netlink.Handle) (all []Leftover, err error) {
	var failed []error
	for _, family := range families {
		rules, err := list(func() ([]netlink.Rule, error) { return h.RuleList(family) })
		if err != nil {
			continue // a kernel without IPv6, or without rules
		}
		for _, rule := range rules {
			if rule.Table == admitTable && rule.Priority == admitTable && rule.IPProto == unix.IPPROTO_TCP {
				rule.Family = family
				all = append(all, Leftover{
					What:   fmt.Sprintf("routing rule of a rehearsal for %s", rule.Dst),
					Remove: func() error { return gone(netlink.RuleDel(&rule)) },
				})
			}
		}
		routes, err := list(func() ([]netlink.Route, error) {
			return h.RouteListFiltered(family, &netlink.Route{Table: admitTable}, netlink.RT_FILTER_TABLE)
		})
		failed = append(failed, err)
		for _, route := range routes {
			all = append(all, Leftover{
				What:   fmt.Sprintf("route of a rehearsal for %s", route.Dst),
				Remove: func() error { return gone(netlink.RouteDel(&route)) },
			})
		}
	}
	return all, errors.Join(failed...)
}
