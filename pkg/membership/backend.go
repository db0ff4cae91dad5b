// SPDX-License-Identifier: Apache-2.0

package membership

import (
	"net/netip"
	"slices"

	"github.com/harbinger-ha/harbinger/pkg/balance"
)

// LocalAPIServer returns where the apiserver of this node listens.
func (v View) LocalAPIServer() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), v.Config.ControlPlane.APIServerPort)
}

// Backends returns the backends of the balancer: the configured ones, then the discovered apiservers that are not among
// them. Without configured ones the local apiserver is added until it is discovered: it may have joined no cluster yet, but
// is the first that there is. Those through which the balancer would reach itself are left out. own are the addresses of this
// node on any interface.
func (v View) Backends(own []netip.Addr) []balance.Backend {
	var backends []balance.Backend
	for _, b := range v.named() {
		if len(backends) < balance.MaxBackends && v.itself(b.Address, own) == "" {
			backends = append(backends, b)
		}
	}
	here := func(d netip.AddrPort) bool { return slices.Contains(own, d.Addr()) }
	if (len(v.Config.LoadBalancer.Backends) == 0 || len(backends) == 0) && !slices.ContainsFunc(v.Discovered, here) {
		backends = append(backends[:min(len(backends), balance.MaxBackends-1)], apiServer(v.LocalAPIServer()))
	}
	return backends
}

// apiServer is an apiserver of which nothing is configured.
func apiServer(address netip.AddrPort) balance.Backend {
	return balance.Backend{Address: address, Weight: balance.DefaultWeight, ProxyProtocol: balance.ProxyProtocolNone}
}

// Preferred returns which of some backends go before the others: where preferLocal is set, those that are on this node. own are its
// addresses on any interface.
func (v View) Preferred(backends []balance.Backend, own []netip.Addr) (local []netip.AddrPort) {
	for _, b := range backends {
		if a := b.Address.Addr().Unmap(); v.Config.LoadBalancer.PreferLocal && (a.IsLoopback() || slices.Contains(own, a)) {
			local = append(local, b.Address)
		}
	}
	return local
}

// LeftOut returns the backends that the configuration or the API names and Backends leaves out, as they lead back here.
func (v View) LeftOut(own []netip.Addr) []Excluded {
	var out []Excluded
	for _, b := range v.named() {
		if reason := v.itself(b.Address, own); reason != "" {
			out = append(out, Excluded{b.Address, reason})
		}
	}
	return out
}

// named are the configured backends and then the discovered ones that are not among them.
func (v View) named() []balance.Backend {
	backends := slices.Clone(v.Config.LoadBalancer.Backends)
	for _, d := range v.Discovered {
		if !slices.ContainsFunc(backends, func(b balance.Backend) bool { return b.Address == d }) {
			backends = append(backends, apiServer(d))
		}
	}
	return backends
}

// An APIServer is a backend of the balancer, and whether its checks find it healthy.
type APIServer struct {
	Address netip.AddrPort
	Healthy bool
}

// APIServers returns whom to ask for the Lease, in this order: the apiserver of this node, the healthy ones of the other
// nodes, then the rest. The virtual addresses are never among them. own are the addresses of this node on any interface.
func (v View) APIServers(backends []APIServer, own []netip.Addr) []netip.AddrPort {
	order := []netip.AddrPort{v.LocalAPIServer()}
	var unhealthy []netip.AddrPort
	for _, b := range backends {
		switch {
		case b.Address == order[0], slices.Contains(own, b.Address.Addr()):
		case b.Healthy:
			order = append(order, b.Address)
		default:
			unhealthy = append(unhealthy, b.Address)
		}
	}
	return append(order, unhealthy...)
}

// Frontends returns the addresses that the balancer listens on: its own port on every address, as a client on the node may
// use it without the virtual address; or, if an apiserver uses the same port, the steering port of the virtual addresses.
func (v View) Frontends() []netip.AddrPort {
	var frontends []netip.AddrPort
	for _, virtual := range v.VirtualAddresses() {
		wildcard := netip.IPv4Unspecified()
		if virtual.Is6() {
			wildcard = netip.IPv6Unspecified()
		}
		if v.Config.ControlPlane.Shared() {
			frontends = append(frontends, netip.AddrPortFrom(virtual, v.Config.LoadBalancer.Steering.Port))
		} else {
			frontends = append(frontends, netip.AddrPortFrom(wildcard, v.Config.ControlPlane.Port))
		}
	}
	return frontends
}
