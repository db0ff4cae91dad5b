// SPDX-License-Identifier: Apache-2.0

package address

import (
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
)

// What Admit adds is for TCP from one interface alone, and is gone afterwards, also what an earlier process has left.
func TestAdmit(t *testing.T) {
	h := newHost(t)
	both := []netip.Addr{vip4.Addr(), vip6.Addr()}
	left := func() (rules, routes int) {
		t.Helper()
		must(t, h.Do(func() error {
			for _, family := range families {
				all, err := netlink.RuleList(family)
				if err != nil {
					return err
				}
				for _, rule := range all {
					if rule.Table != admitTable {
						continue
					}
					if rules++; rule.IifName == "" || rule.IPProto == 0 || rule.Dst == nil {
						t.Errorf("a rule for everything: %s", rule)
					}
				}
				found, err := netlink.RouteListFiltered(family, &netlink.Route{Table: admitTable}, netlink.RT_FILTER_TABLE)
				if err != nil {
					return err
				}
				routes += len(found)
			}
			return nil
		}))
		return rules, routes
	}
	for range 2 { // the second time without an end of the first
		must(t, h.Do(func() error {
			_, err := Admit("eth0", both)
			return err
		}))
		if rules, routes := left(); rules != 2 || routes != 2 {
			t.Errorf("%d rules and %d routes", rules, routes)
		}
	}
	must(t, h.Do(func() error {
		end, err := Admit("eth0", both)
		if err != nil {
			return err
		}
		return end()
	}))
	if rules, routes := left(); rules != 0 || routes != 0 {
		t.Errorf("%d rules and %d routes are left", rules, routes)
	}
	must(t, h.Do(Dismiss))
	if err := h.Do(func() error { _, err := Admit("much-too-long-a-name", both); return err }); err == nil {
		t.Error("an interface that cannot be is taken")
	}
	if rules, routes := left(); rules != 0 || routes != 0 {
		t.Errorf("after an error %d rules and %d routes are left", rules, routes)
	}
}
