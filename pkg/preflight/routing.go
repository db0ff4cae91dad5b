// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"fmt"
	"net/netip"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
)

// CheckRouting warns where rules of the routing policy send the answers from a virtual address another way than those from the
// node's own address: clients that reach the node would not reach the virtual address.
func CheckRouting(cfg *config.HarbingerConfiguration, facts Facts) []Result {
	link, err := link(cfg, facts)
	if err != nil {
		return nil // a fault of its own
	}
	var results []Result
	for i, vip := range cfg.VirtualAddresses {
		if found, command := divergence(facts.Routing, vip.Addr(), link.Primary(vip.Addr())); found != "" {
			results = append(results, fault(Warn, field.NewPath("virtualAddresses").Index(i), vip.String(), found, command))
		}
	}
	return orFine(results, "the answers from the virtual addresses go the way of those from the node's own")
}

// divergence describes the first destination to which the answers from two addresses of a host leave by different ways, and
// returns the command that ends it.
func divergence(r address.Routing, vip, own netip.Addr) (found, command string) {
	if !r.BySource() {
		return "", ""
	}
	for _, route := range r.Routes {
		to := route.To.Addr()
		if !route.Gateway.IsValid() || to.Is4() != vip.Is4() {
			continue
		}
		if route.To.Bits() == 0 {
			to = documentation(vip)
		}
		byVIP, byOwn := way(r, vip, to), way(r, own, to)
		if byOwn.link == "" || byVIP.hop == byOwn.hop {
			continue
		}
		return fmt.Sprintf("routing rules send the answers from it to %s %v, but those from %s, the node's own address, %v: clients there would not "+
			"reach the virtual address (ip rule shows them)", route.To, byVIP, own, byOwn), remedy(byVIP, byOwn, vip)
	}
	return "", ""
}

// remedy returns the command that gives a virtual address the way of the node's own address.
func remedy(byVIP, byOwn path, vip netip.Addr) string {
	command, priority := "ip rule", byOwn.rule.Priority
	if vip.Is6() {
		command = "ip -6 rule"
	}
	if byVIP.link != "" && byVIP.rule.Priority < priority { // a rule before that of the own address is for the virtual one
		priority = byVIP.rule.Priority - 1
	}
	return fmt.Sprintf("%s add from %s lookup %d priority %d", command, vip, byOwn.rule.Table, priority)
}

// documentation is an address that no network of a host has (RFC 5737, RFC 3849): packets to it take the default route.
func documentation(family netip.Addr) netip.Addr {
	if family.Is4() {
		return netip.AddrFrom4([4]byte{192, 0, 2, 1})
	}
	return netip.MustParseAddr("2001:db8::1")
}

// hop is where a packet leaves a host.
type hop struct {
	link    string // empty: it is dropped
	gateway netip.Addr
}

// path is how a packet leaves a host, and by which rule.
type path struct {
	hop
	rule address.Rule
}

func (p path) String() string {
	switch {
	case p.link == "":
		return "nowhere"
	case !p.gateway.IsValid():
		return "by " + p.link
	}
	return fmt.Sprintf("by %s to %s", p.link, p.gateway)
}

// way follows the rules for a packet of this host as the kernel does: the first one whose table has a route decides.
func way(r address.Routing, from, to netip.Addr) path {
	for _, rule := range r.Rules {
		if rule.Is6 != from.Is6() || rule.Table == 0 || !describes(rule, from, to) {
			continue
		}
		if route, ok := lookup(r.Routes, rule, to); ok {
			return path{hop{route.Link, route.Gateway}, rule}
		}
	}
	return path{}
}

// describes reports whether a rule is for a packet of which nothing but the addresses is special.
func describes(rule address.Rule, from, to netip.Addr) bool {
	matches := !rule.Special && (!rule.From.IsValid() || rule.From.Contains(from)) && (!rule.To.IsValid() || rule.To.Contains(to))
	return matches != rule.Not
}

// lookup returns the route of the longest prefix in the table of a rule, and of those the one of the lowest metric.
func lookup(routes []address.Route, rule address.Rule, to netip.Addr) (best address.Route, found bool) {
	for _, route := range routes {
		if route.Table != rule.Table || !route.To.Contains(to) || route.To.Bits() <= rule.Suppress {
			continue
		}
		better := route.To.Bits() > best.To.Bits() || route.To.Bits() == best.To.Bits() && route.Metric < best.Metric
		if !found || better {
			best, found = route, true
		}
	}
	return best, found
}
