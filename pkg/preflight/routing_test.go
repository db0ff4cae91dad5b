// SPDX-License-Identifier: Apache-2.0

package preflight_test

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/preflight"
)

func prefix(s string) netip.Prefix {
	if s == "" {
		return netip.Prefix{}
	}
	return netip.MustParsePrefix(s)
}

// from is a rule for the packets of a source.
func from(priority int, source string, table int) address.Rule {
	return address.Rule{Priority: priority, From: prefix(source), Table: table, Suppress: -1, Is6: strings.Contains(source, ":")}
}

func via(table int, to, link, gateway string) address.Route {
	r := address.Route{Table: table, To: prefix(to), Link: link}
	if gateway != "" {
		r.Gateway = netip.MustParseAddr(gateway)
	}
	return r
}

// The node has 192.168.238.130 and fd00::130 on ens160, and leaves by a gateway of ens192 unless a rule says otherwise.
func TestWarningsOfRoutingRules(t *testing.T) {
	const own, gateway = "192.168.238.130/32", "192.168.238.1"
	main, main6 := from(32766, "", 254), address.Rule{Priority: 32766, Table: 254, Suppress: -1, Is6: true}
	marked := from(100, own, 100)
	marked.Special = true
	not := from(100, own, 100)
	not.Not = true
	suppressing := from(100, own, 100)
	suppressing.Suppress = 0
	elsewhere := from(100, own, 100)
	elsewhere.To = prefix("172.31.0.0/16")
	base := []address.Route{
		via(254, "192.168.238.0/24", "ens160", ""), via(254, "10.0.0.0/24", "ens192", ""), via(254, "0.0.0.0/0", "ens192", "10.0.0.254"),
		via(254, "::/0", "ens192", "fd01::1"), via(100, "192.168.238.0/24", "ens160", ""),
	}
	for _, tt := range []struct {
		name   string
		rules  []address.Rule
		routes []address.Route
		want   string // in the warning; empty: none
	}{
		{"none", nil, nil, ""},
		{"own address by a gateway of its interface", []address.Rule{from(100, own, 100)}, []address.Route{via(100, "0.0.0.0/0", "ens160", gateway)},
			"to 0.0.0.0/0 by ens192 to 10.0.0.254, but those from 192.168.238.130, the node's own address, by ens160 to 192.168.238.1: clients there would not reach the " +
				"virtual address (ip rule shows them): ip rule add from 192.168.238.100 lookup 100 priority 100"},
		{"the whole subnet", []address.Rule{from(100, "192.168.238.0/24", 100)}, []address.Route{via(100, "0.0.0.0/0", "ens160", gateway)}, ""},
		{"both addresses", []address.Rule{from(100, own, 100), from(101, "192.168.238.100/32", 100)}, []address.Route{via(100, "0.0.0.0/0", "ens160", gateway)}, ""},
		{"the same way", []address.Rule{from(100, own, 100)}, []address.Route{via(100, "0.0.0.0/0", "ens192", "10.0.0.254")}, ""},
		{"one network only", []address.Rule{from(100, own, 100)}, []address.Route{via(100, "172.31.9.0/24", "ens160", gateway)}, "to 172.31.9.0/24 by ens192"},
		{"the virtual address alone", []address.Rule{from(100, "192.168.238.96/28", 100)}, []address.Route{via(100, "0.0.0.0/0", "ens160", gateway)},
			": ip rule add from 192.168.238.100 lookup 254 priority 99"},
		{"a table without a route", []address.Rule{from(100, own, 101)}, nil, ""},
		{"only an on-link route", []address.Rule{from(100, own, 100)}, nil, ""},
		{"for marked packets", []address.Rule{marked}, []address.Route{via(100, "0.0.0.0/0", "ens160", gateway)}, ""},
		{"for all others", []address.Rule{not}, []address.Route{via(100, "0.0.0.0/0", "ens160", gateway)}, "by ens160 to 192.168.238.1, but those from 192.168.238.130, the node's own address, by ens192"},
		{"without the default route", []address.Rule{suppressing}, []address.Route{via(100, "0.0.0.0/0", "ens160", gateway)}, ""},
		{"to other networks", []address.Rule{elsewhere}, []address.Route{via(100, "0.0.0.0/0", "ens160", gateway), via(254, "172.31.9.0/24", "ens192", "10.0.0.254")}, "to 172.31.9.0/24"},
		{"nowhere", []address.Rule{from(100, "192.168.238.96/28", 100)}, []address.Route{via(100, "0.0.0.0/0", "", "10.0.0.9")}, "0.0.0.0/0 nowhere"},
		{"another address of the host", []address.Rule{from(100, "10.0.0.130/32", 100)}, []address.Route{via(100, "0.0.0.0/0", "ens160", gateway)}, ""},
		{"IPv6", []address.Rule{from(100, "fd00::130/128", 100)}, []address.Route{via(100, "::/0", "ens160", "fd00::1")},
			": ip -6 rule add from fd00::100 lookup 100 priority 100"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := decode(t, "virtualAddresses: [192.168.238.100/24, 'fd00::100/64']")
			facts := preflight.Facts{Links: links, Routing: address.Routing{Rules: append(tt.rules, main, main6), Routes: append(tt.routes, base...)}}
			switch got := warnings(cfg, facts); {
			case tt.want == "" && len(got) > 0:
				t.Errorf("warnings %v, want none", got)
			case tt.want != "" && (len(got) != 1 || !strings.Contains(got[0].String(), tt.want) || !strings.HasPrefix(got[0].Field, "virtualAddresses[")):
				t.Errorf("warnings %v, want one with %q", got, tt.want)
			}
			if faults := failures(cfg, facts); len(faults) > 0 {
				t.Errorf("a warning is no fault: %v", faults)
			}
		})
	}
}

// ipNet is a prefix in the form of netlink.
func ipNet(s string) *net.IPNet {
	p := netip.MustParsePrefix(s)
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// addRule adds a rule from the words of a command such as "ip rule add from 192.168.238.100 lookup 100 priority 100".
func addRule(command string) error {
	words := strings.Fields(command)
	rule := netlink.NewRule()
	for i := slices.Index(words, "from"); i+1 < len(words); i += 2 {
		n, _ := strconv.Atoi(words[i+1]) // but for the address
		switch words[i] {
		case "from":
			addr := netip.MustParseAddr(words[i+1])
			rule.Src, rule.Family = ipNet(netip.PrefixFrom(addr, addr.BitLen()).String()), netlink.FAMILY_V4
			if addr.Is6() {
				rule.Family = netlink.FAMILY_V6
			}
		case "lookup":
			rule.Table = n
		case "priority":
			rule.Priority = n
		}
	}
	return netlink.RuleAdd(rule)
}

// policy gives a host a second interface with the default routes, and a table of routes by its first one.
func policy() error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = "other"
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attributes, PeerName: "dead"}); err != nil {
		return err
	}
	index := map[string]int{}
	for _, name := range []string{"other", "dead"} {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		index[name] = link.Attrs().Index
		if err := netlink.LinkSetUp(link); err != nil {
			return err
		}
	}
	other := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Index: index["other"]}}
	for _, own := range []string{"10.55.0.1/24", "fd55::1/64"} {
		if err := netlink.AddrAdd(other, &netlink.Addr{IPNet: ipNet(own), Flags: unix.IFA_F_NODAD}); err != nil {
			return err
		}
	}
	for _, route := range []netlink.Route{
		{LinkIndex: index["other"], Gw: net.ParseIP("10.55.0.254")},
		{LinkIndex: index["other"], Gw: net.ParseIP("fd55::fe")},
		{Table: 100, Dst: ipNet("172.31.9.0/24"), Gw: net.ParseIP("192.168.238.1")},
		{Table: 100, Dst: ipNet("fd99::/64"), Gw: net.ParseIP("fd00::1")},
	} {
		if err := netlink.RouteAdd(&route); err != nil {
			return fmt.Errorf("%v: %w", route, err)
		}
	}
	return nil
}

// The kernel's own rules and routes are read and judged; giving the virtual address the rules of the warning ends it.
func TestGatherRouting(t *testing.T) {
	host := newHost(t)
	cfg := decode(t, "virtualAddresses: [192.168.238.100/24, 'fd00::100/64']")
	do := func(f func() error) {
		t.Helper()
		labtest.Must(t, host.Do(f))
	}
	do(policy)
	if got := warnings(cfg, gather(t, host, cfg)); len(got) > 0 {
		t.Errorf("a host without rules: %v", got)
	}
	for _, own := range []netip.Prefix{host.Address, host.Address6} {
		do(func() error { return addRule(fmt.Sprintf("ip rule add from %s lookup 100 priority 1000", own.Addr())) })
	}
	found := warnings(cfg, gather(t, host, cfg))
	if len(found) != 2 || !strings.Contains(found[0].Found, "to 172.31.9.0/24 by other to 10.55.0.254") ||
		!strings.Contains(found[1].Found, "to fd99::/64 by other to fd55::fe") {
		t.Fatalf("warnings: %v", found)
	}
	for _, w := range found {
		paste(t, host, w.Remedy)
	}
	if got := warnings(cfg, gather(t, host, cfg)); len(got) > 0 {
		t.Errorf("after the remedy: %v", got)
	}
}
