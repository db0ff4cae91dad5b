// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/announce"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/membership"
	"github.com/harbinger-ha/harbinger/pkg/probe"
	"github.com/harbinger-ha/harbinger/pkg/report"
)

// routeEvery is how old the default route and the own addresses that are known may be. They are looked up twice as often, beside the questions: they are short,
// and a router may have a million routes.
const routeEvery = 2 * hostsEvery

// hop is the next hop of the default route by the interface of the virtual addresses.
type hop struct {
	known probe.Gateway

	mu      sync.Mutex
	index   int // of the interface
	address netip.Addr
	looked  time.Time
}

// now returns the next hop, or the zero Addr where there is none, or the kernel does not say.
func (h *hop) now(index int, family netip.Addr) netip.Addr {
	h.mu.Lock()
	found, fresh := h.address, h.index == index && time.Since(h.looked) < routeEvery
	h.mu.Unlock()
	if !fresh {
		found = h.look(index, family)
	}
	return found
}

// look looks the next hop up.
func (h *hop) look(index int, family netip.Addr) netip.Addr {
	looked := time.Now()
	found, err := address.Gateway(index, family)
	if err != nil {
		found = netip.Addr{}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.index, h.address, h.looked = index, found, looked
	return found
}

// own are the addresses of this node on any interface, as they were at most routeEvery ago: the kernel lists all interfaces for them. Those
// on the interface of the virtual addresses are followed at once, by the view of the members.
type own struct {
	mu        sync.Mutex
	addresses []netip.Addr
	looked    time.Time
}

// now returns them.
func (o *own) now() []netip.Addr {
	o.mu.Lock()
	found, fresh := o.addresses, time.Since(o.looked) < routeEvery
	o.mu.Unlock()
	if !fresh {
		found = o.look()
	}
	return found
}

// look looks them up. Where the kernel does not answer, they are what they were.
func (o *own) look() []netip.Addr {
	looked, found := time.Now(), ownAddresses()
	o.mu.Lock()
	defer o.mu.Unlock()
	if found != nil {
		o.addresses, o.looked = found, looked
	}
	return o.addresses
}

// asked remembers whom the last question went to.
type asked struct {
	mu   sync.Mutex
	last report.Asked
}

func (a *asked) note(to report.Asked) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = to
}

func (a *asked) now() report.Asked {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}

// gateway returns the next hop of the default route, in the family of the first virtual address; the zero Addr: there is none.
func (s prober) gateway(view membership.View) netip.Addr {
	return s.hop.now(s.members.link().Index, view.VirtualAddresses()[0])
}

// AskPeers implements control.Prober.
func (s prober) AskPeers(ctx context.Context) election.PeersDone {
	view, link := s.members.now(), s.members.link()
	first := view.VirtualAddresses()[0]
	gateway := probe.Peer{Address: s.gateway(view), Source: view.Primary(first)}
	questions := probe.Peers{
		Cluster: s.cfg.ControlPlane.ClusterName, Node: s.Node, Port: s.cfg.Status.IdentityPort, Interface: link.Index, Own: view.Own(),
		Gateway: gateway, Known: &s.hop.known, Neighbour: s.neighbours.announcer.Confirm,
	}
	to := report.Asked{Gateway: gateway.Address}
	for _, other := range view.Others(s.own.now()) {
		questions.Peers = append(questions.Peers, probe.Peer(other))
		to.Peers = append(to.Peers, other.Address)
	}
	done := questions.Ask(ctx)
	s.asked.note(to)
	return done
}

// CheckHolder implements control.Prober.
func (s prober) CheckHolder(ctx context.Context) election.HolderChecked { return s.vips(0).Check(ctx) }

// Rehearse implements control.Prober.
func (s prober) Rehearse(ctx context.Context) election.Rehearsed {
	view, link := s.members.now(), s.members.link()
	if s.balancing.ports.blocked() != "" {
		return election.Rehearsed{Client: election.Reset}
	}
	rehearsal := probe.Rehearsal{
		VIPs: view.VirtualAddresses(), Port: s.cfg.Status.IdentityPort, Interface: link.Index, Sequence: rand.Uint32(),
		Admit: func() (func() error, error) { return address.Admit(link.Name, view.VirtualAddresses()) }, Hear: s.neighbours.announcer.HearSYN,
	}
	for _, other := range view.Others(ownAddresses()) {
		rehearsal.Peers = append(rehearsal.Peers, probe.Peer(other))
	}
	return rehearsal.Ask(ctx)
}

// requests are what the peers ask this node for.
type requests struct {
	*sidecar
	mu   sync.Mutex
	last time.Time // when one was carried out
}

const (
	// requestEvery is how often one is carried out at most.
	requestEvery = 50 * time.Millisecond
	// synCopies and synEvery outdo the loss of packets.
	synCopies = 5
	synEvery  = 20 * time.Millisecond
	// synPort is the port that the packets come from. No answer to them is expected.
	synPort = 65510
)

// Known implements probe.Requests: a peer is known by its hardware address, too.
func (r *requests) Known(peer netip.Addr) bool {
	return r.neighbours.announcer.HardwareAddress(peer) != nil
}

// Rehearse implements probe.Requests. The packets go to the peer that asks, and to nobody else.
func (r *requests) Rehearse(peer netip.Addr, sequence uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	to := r.neighbours.announcer.HardwareAddress(peer)
	if to == nil || time.Since(r.last) < requestEvery {
		return
	}
	r.last = time.Now()
	view := r.members.now()
	for range synCopies {
		for _, vip := range view.VirtualAddresses() {
			syn := announce.SYN{
				Source: netip.AddrPortFrom(view.Primary(vip), synPort), Target: netip.AddrPortFrom(vip, view.Config.ControlPlane.Port), Sequence: sequence,
			}
			if syn.Source.Addr().IsValid() && r.neighbours.announcer.SendSYN(syn, to) != nil {
				r.metrics.Failed("rehearse")
				return
			}
		}
		time.Sleep(synEvery)
	}
}
