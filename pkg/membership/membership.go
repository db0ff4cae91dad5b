// SPDX-License-Identifier: Apache-2.0

// Package membership decides who takes part in the control plane, as far as the configuration, the API and the interface of this node
// name them: the nodes, the peers of unicast advertisements and the addresses that they come from, the backends of the
// balancer and the apiservers that are asked for the Lease. It reads nothing itself.
package membership

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/election"
)

// Link is the interface that carries the virtual addresses, with the addresses of this node.
type Link interface {
	// Primaries returns the node's own addresses in the subnet of a virtual address.
	Primaries(virtual netip.Addr) []netip.Addr
	// LinkLocal returns the link-local IPv6 address, or the zero Addr.
	LinkLocal() netip.Addr
	// Owns reports whether an address is one of this node's on the link.
	Owns(netip.Addr) bool
	// Neighbour reports whether an address belongs to another host in a subnet of the link.
	Neighbour(netip.Addr) bool
}

// View is what a node knows of the members at one moment. It is never changed: a new configuration or a discovery makes a
// new one.
type View struct {
	Config *config.HarbingerConfiguration
	Link   Link
	// Discovered are the apiservers that the API names, as Take has chosen them.
	Discovered []netip.AddrPort
	// Healthy are those of Discovered that passed a health check since they are there, and Proved those that proved by it that they
	// belong to the cluster.
	Healthy, Proved []netip.AddrPort
	// Left is what Take has left out of what the API names now.
	Left Left
}

// Nodes returns the addresses of the nodes: the configured peers, or else the hosts of the configured backends, and the
// hosts of the discovered apiservers that have proved that they belong to the cluster and are on the link. Only these take part in
// the election; no other host does.
func (v View) Nodes() []netip.Addr {
	nodes := slices.Clone(v.Config.Election.VRRP.Peers)
	if nodes == nil {
		for _, b := range v.Config.LoadBalancer.Backends {
			nodes = append(nodes, b.Address.Addr())
		}
	}
	for _, host := range v.proved() {
		if !slices.Contains(nodes, host) {
			nodes = append(nodes, host)
		}
	}
	return nodes
}

// Election returns the configuration of the election on this node, of which an incarnation is one process. Jitter is left to
// the caller.
func (v View) Election(node, incarnation string) election.Config {
	e := v.Config.Election
	return election.Config{
		Node: node, Identity: node + "/" + incarnation, Lease: e.Lease.LeaseTimes, Mode: e.Mode,
		Version: e.VRRP.Version, Priority: e.VRRP.Priority, AdvertisementInterval: e.VRRP.AdvertisementInterval,
		Preempt: e.VRRP.Preempt, PreemptDelay: e.VRRP.PreemptDelay, Primary: v.Sources(), Known: v.primaries(), Peers: v.Nodes(),
		Lifetime: election.Lifetime(e.VRRP.AdvertisementInterval), Predecessor: e.Lease.Predecessor,
	}
}

// Reconfigured returns the event that gives the election what may change while it runs.
func (v View) Reconfigured() election.Reconfigured {
	c := v.Config.Election.VRRP
	return election.Reconfigured{Priority: c.Priority, Preempt: c.Preempt, PreemptDelay: c.PreemptDelay, Peers: append([]netip.Addr{}, v.Nodes()...), Primary: v.Sources(), Known: v.primaries(), Predecessor: v.Config.Election.Lease.Predecessor}
}

// Peers returns the unicast peers for a virtual address: the other nodes of its family. None means multicast.
func (v View) Peers(virtual netip.Addr) []netip.Addr {
	if !v.Unicast() {
		return nil
	}
	return v.Senders(virtual)
}

// Senders returns the addresses of the other nodes that the advertisements for a virtual address come from, as far as they are known:
// those of IPv6 multicast come from link-local addresses, which nobody names.
func (v View) Senders(virtual netip.Addr) []netip.Addr {
	if virtual.Is6() && !v.Unicast() {
		return nil
	}
	return slices.DeleteFunc(v.Nodes(), func(p netip.Addr) bool { return p.Is6() != virtual.Is6() || v.Link.Owns(p) })
}

// Unicast reports whether the configuration names peers: advertisements then go to them instead of the multicast group.
func (v View) Unicast() bool { return v.Config.Election.VRRP.Peers != nil }

// NamesThisNode reports whether configured peers, if there are any, include an address of this node. A list without one is
// most likely meant for other nodes.
func (v View) NamesThisNode() bool {
	return !v.Unicast() || slices.ContainsFunc(v.Config.Election.VRRP.Peers, v.Link.Owns)
}

// Primary returns the node's own address in the subnet of a virtual address, or the zero Addr. Of several it is the one that
// the nodes are named by.
func (v View) Primary(virtual netip.Addr) netip.Addr {
	own := v.Link.Primaries(virtual)
	for _, node := range v.Nodes() {
		if slices.Contains(own, node) {
			return node
		}
	}
	if len(own) == 0 {
		return netip.Addr{}
	}
	return own[0]
}

// Source returns the address that the advertisements for a virtual address come from: the configured one, else the node's
// own address in its subnet, for IPv6 multicast the link-local address (RFC 9568, section 5.1.2.1), and for unicast the one that
// the peers are configured with: they refuse any other.
func (v View) Source(virtual netip.Addr) netip.Addr {
	configured := v.Config.Election.VRRP.SourceAddress
	switch {
	case configured.IsValid() && configured.Is6() == virtual.Is6():
		return configured
	case virtual.Is6() && len(v.Peers(virtual)) == 0:
		return v.Link.LinkLocal()
	}
	own := v.Primary(virtual)
	for _, peer := range v.Config.Election.VRRP.Peers {
		if peer.Is6() == virtual.Is6() && v.Link.Owns(peer) && !slices.Contains(v.Config.Election.VRRP.Peers, own) {
			return peer
		}
	}
	return own
}

// Missing returns which address the interface must have for this node to take part, or an empty text.
func (v View) Missing() string {
	for _, virtual := range v.VirtualAddresses() {
		source := v.Source(virtual)
		switch {
		case !v.Primary(virtual).IsValid():
			return fmt.Sprintf("an address in the subnet of %s", virtual)
		case v.Config.Election.Mode == election.LeaseOnly:
		case !source.IsValid():
			return "an IPv6 link-local address that is not tentative: advertisements to the multicast group come from it " +
				"(let the kernel or the network manager make one, or name the nodes in election.vrrp.peers)"
		case !v.Link.Owns(source):
			return fmt.Sprintf("%s (election.vrrp.sourceAddress)", source)
		}
	}
	return ""
}

// Sources returns the source address for each virtual address, in their order.
func (v View) Sources() []netip.Addr {
	var sources []netip.Addr
	for _, virtual := range v.VirtualAddresses() {
		sources = append(sources, v.Source(virtual))
	}
	return sources
}

// primaries returns the node's own address for each virtual address, in their order.
func (v View) primaries() []netip.Addr {
	var primaries []netip.Addr
	for _, virtual := range v.VirtualAddresses() {
		primaries = append(primaries, v.Primary(virtual))
	}
	return primaries
}

// VirtualAddresses returns the virtual addresses without their prefix lengths.
func (v View) VirtualAddresses() []netip.Addr {
	addresses := make([]netip.Addr, len(v.Config.VirtualAddresses))
	for i, p := range v.Config.VirtualAddresses {
		addresses[i] = p.Addr()
	}
	return addresses
}

// A Neighbour is another node on the link, and the address of this node that asks it for its hardware address.
type Neighbour struct{ Address, Source netip.Addr }

// Neighbours returns the nodes on the link. Those in Backup are never heard, so that only these addresses make them known.
func (v View) Neighbours() []Neighbour {
	var found []Neighbour
	for _, virtual := range v.VirtualAddresses() {
		for _, node := range v.Nodes() {
			if v.Link.Neighbour(node) && node.Is6() == virtual.Is6() {
				found = append(found, Neighbour{Address: node, Source: v.Primary(virtual)})
			}
		}
	}
	return found
}
