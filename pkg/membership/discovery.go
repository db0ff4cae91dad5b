// SPDX-License-Identifier: Apache-2.0

package membership

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/balance"
)

// Whoever may write the EndpointSlice of the apiservers can name any address in it, and any number of them. What it names is
// therefore only a proposal: it is bounded and filtered before the balancer takes it, and is no peer of the election until it
// has proved that it belongs to the cluster.

// Discovers returns the view with newly discovered apiservers, as Take has chosen them. What those that are there still have
// proved stays proved.
func (v View) Discovers(found []netip.AddrPort) View {
	gone := func(a netip.AddrPort) bool { return !slices.Contains(found, a) }
	v.Discovered = found
	v.Healthy = slices.DeleteFunc(slices.Clone(v.Healthy), gone)
	v.Proved = slices.DeleteFunc(slices.Clone(v.Proved), gone)
	return v
}

// Checked returns the view with what the health checks have found, and whether that is new. Healthy are the backends that passed
// a check, and proved those of them whose certificate was their own: signed by the CA of the cluster, for their address.
func (v View) Checked(healthy, proved []netip.AddrPort) (View, bool) {
	before := len(v.Healthy) + len(v.Proved)
	v.Healthy, v.Proved = v.withNew(v.Healthy, healthy), v.withNew(v.Proved, proved)
	return v, len(v.Healthy)+len(v.Proved) > before
}

// withNew adds the discovered apiservers among others to a list.
func (v View) withNew(list, others []netip.AddrPort) []netip.AddrPort {
	list = slices.Clone(list)
	for _, a := range others {
		if slices.Contains(v.Discovered, a) && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list
}

// proved are the hosts of the discovered apiservers that are peers: they have proved that they belong to the cluster, and are this
// node or on its link, as an address elsewhere may lead to anybody.
func (v View) proved() []netip.Addr {
	var hosts []netip.Addr
	for _, a := range v.Proved {
		if host := a.Addr(); v.Link.Owns(host) || v.Link.Neighbour(host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// Excluded is an address that is not used as a backend, and why.
type Excluded struct {
	Address netip.AddrPort
	Reason  string
}

// String says it in words.
func (e Excluded) String() string { return e.Address.String() + " " + e.Reason }

// Left is what Take leaves out of the apiservers that the API names.
type Left struct {
	Named    int // by the API
	Surplus  int // of those, that are more than a balancer takes
	Excluded int // of those, that cannot be apiservers
	Examples []Excluded
}

// maxExamples bounds how many of the excluded are named.
const maxExamples = 8

// Count returns how many are left out.
func (l Left) Count() int { return l.Surplus + l.Excluded }

// String says it in words.
func (l Left) String() string {
	var parts []string
	if l.Surplus > 0 {
		parts = append(parts, fmt.Sprintf("%d of the %d apiservers that the API names are not used, as there are at most %d backends", l.Surplus, l.Named, balance.MaxBackends))
	}
	if l.Excluded > 0 {
		var examples []string
		for _, e := range l.Examples {
			examples = append(examples, e.String())
		}
		if more := l.Excluded - len(examples); more > 0 {
			examples = append(examples, fmt.Sprintf("and %d more", more))
		}
		parts = append(parts, fmt.Sprintf("%d of the %d cannot be apiservers: %s", l.Excluded, l.Named, strings.Join(examples, ", ")))
	}
	return strings.Join(parts, "; ")
}

// Take chooses among the apiservers that the API names, in the order of their addresses: those that are configured as well; while
// there is room, those that were healthy before, that of this node, and the others. It returns them in the order of their
// addresses. own are the addresses of this node on any interface.
func (v View) Take(found []netip.AddrPort, own []netip.Addr) ([]netip.AddrPort, Left) {
	left := Left{Named: len(found)}
	var usable []netip.AddrPort
	for _, a := range found {
		a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		if reason := v.unusable(a, own); reason == "" {
			usable = append(usable, a)
			continue
		} else if left.Excluded++; len(left.Examples) < maxExamples {
			left.Examples = append(left.Examples, Excluded{a, reason})
		}
	}
	slices.SortFunc(usable, netip.AddrPort.Compare)
	usable = slices.Compact(usable)
	configured := func(a netip.AddrPort) bool {
		return slices.ContainsFunc(v.Config.LoadBalancer.Backends, func(b balance.Backend) bool { return b.Address == a })
	}
	healthy := func(a netip.AddrPort) bool { return slices.Contains(v.Healthy, a) || slices.Contains(v.Proved, a) }
	here := func(a netip.AddrPort) bool { return slices.Contains(own, a.Addr()) }
	rest := func(netip.AddrPort) bool { return true }
	var taken []netip.AddrPort
	taken, usable = moved(taken, usable, len(usable), configured)
	room := balance.MaxBackends - len(v.Config.LoadBalancer.Backends) + len(taken)
	for _, preferred := range []func(netip.AddrPort) bool{healthy, here, rest} {
		taken, usable = moved(taken, usable, room-len(taken), preferred)
	}
	left.Surplus = len(usable)
	slices.SortFunc(taken, netip.AddrPort.Compare)
	return taken, left
}

// moved moves up to n that match from one list to another.
func moved(to, from []netip.AddrPort, n int, match func(netip.AddrPort) bool) (_, rest []netip.AddrPort) {
	for _, a := range from {
		if n > 0 && match(a) {
			to, n = append(to, a), n-1
		} else {
			rest = append(rest, a)
		}
	}
	return to, rest
}

// unusable says why an address that the API names cannot be an apiserver's, or nothing.
func (v View) unusable(a netip.AddrPort, own []netip.Addr) string {
	switch addr := a.Addr().Unmap(); {
	case !addr.IsValid(), a.Port() == 0:
		return "is no address and port"
	case addr.IsUnspecified():
		return "is the unspecified address"
	case addr.IsLoopback():
		return "is a loopback address: it is another host on each node"
	case addr.IsMulticast(), addr == broadcast:
		return "is the address of a group"
	case addr.IsLinkLocalUnicast() && addr.Zone() == "":
		return "is a link-local address without a zone"
	}
	if reason := v.itself(a, own); reason != "" {
		return reason
	}
	if v.Config.ListensOn(a.Port()) {
		return "has a port of Harbinger, which is the same on all nodes"
	}
	return ""
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// itself says why a connection to a backend would come back to a balancer, or nothing: by a virtual address, or by a port of
// Harbinger's own on any address of this node.
func (v View) itself(backend netip.AddrPort, own []netip.Addr) string {
	addr := backend.Addr().Unmap()
	switch {
	case slices.Contains(v.VirtualAddresses(), addr):
		return "is a virtual address: it leads back to the balancer"
	case v.Config.ListensOn(backend.Port()) && (addr.IsLoopback() || addr.IsUnspecified() || slices.Contains(own, addr)):
		return "is Harbinger itself on this node"
	}
	return ""
}
