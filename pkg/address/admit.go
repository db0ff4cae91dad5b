// SPDX-License-Identifier: Apache-2.0

package address

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// admitTable is the routing table of Admit, and the priority of its rules: far from those that hosts use.
const admitTable = 10444

// Admit has the kernel deliver to this host what comes in by an interface for addresses that it does not have, but TCP alone: ARP
// and neighbour discovery are not answered, and nobody sends anything here unless it is sent to this hardware address on purpose.
// What is delivered passes the input filter of the host as it would if the host had the addresses. The function that is returned
// ends that, which whoever calls Admit must do soon; Dismiss does it for a process that could not.
func Admit(iface string, addresses []netip.Addr) (end func() error, err error) {
	for _, a := range addresses {
		if err := admit(iface, a); err != nil {
			return nil, errors.Join(err, Dismiss())
		}
	}
	return Dismiss, nil
}

func admit(iface string, a netip.Addr) error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer h.Close()
	lo, err := h.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	to := &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}
	if err := h.RouteReplace(&netlink.Route{LinkIndex: lo.Attrs().Index, Dst: to, Table: admitTable, Type: unix.RTN_LOCAL, Scope: unix.RT_SCOPE_HOST}); err != nil {
		return fmt.Errorf("add a route for %s: %w", a, err)
	}
	rule := netlink.NewRule()
	rule.Family, rule.Priority, rule.Table, rule.Dst, rule.IifName, rule.IPProto = familyOf(a), admitTable, admitTable, to, iface, unix.IPPROTO_TCP
	if err := h.RuleAdd(rule); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add a routing rule for %s: %w", a, err)
	}
	return nil
}

func familyOf(a netip.Addr) int {
	if a.Is6() {
		return netlink.FAMILY_V6
	}
	return netlink.FAMILY_V4
}

// Dismiss removes what an Admit of this or an earlier process has left.
func Dismiss() error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer h.Close()
	admitted, err := admissions(h)
	failed := []error{err}
	for _, a := range admitted {
		failed = append(failed, a.Remove())
	}
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("remove routing rules and routes of table %d: %w", admitTable, err)
	}
	return nil
}

// gone is the error of a removal, but for what is not there any more.
func gone(err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}
