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
	"github.com/harbinger-ha/harbinger/pkg/probe"
	"github.com/harbinger-ha/harbinger/pkg/report"
)

// routeEvery is how often the default route is looked up.
const routeEvery = 10 * time.Second

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
	defer h.mu.Unlock()
	if h.index == index && time.Since(h.looked) < routeEvery {
		return h.address
	}
	found, err := address.Gateway(index, family)
	if err != nil {
		found = netip.Addr{}
	}
	h.index, h.address, h.looked = index, found, time.Now()
	return found
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

// AskPeers implements control.Prober.
func (s prober) AskPeers(ctx context.Context) election.PeersDone {
	view, link := s.members.now(), s.members.link()
	first := view.VirtualAddresses()[0]
	gateway := probe.Peer{Address: s.hop.now(link.Index, first), Source: view.Primary(first)}
	questions := probe.Peers{
		Cluster: s.cfg.ControlPlane.ClusterName, Node: s.Node, Port: s.cfg.Status.IdentityPort, Interface: link.Index, Own: view.Own(),
		Gateway: gateway, Known: &s.hop.known, Neighbour: s.neighbours.announcer.Confirm,
	}
	to := report.Asked{Gateway: gateway.Address}
	for _, other := range view.Others(ownAddresses()) {
		questions.Peers = append(questions.Peers, probe.Peer(other))
		to.Peers = append(to.Peers, other.Address)
	}
	done := questions.Ask(ctx)
	s.asked.note(to)
	return done
}

// CheckHolder implements control.Prober.
func (s prober) CheckHolder(ctx context.Context) election.HolderChecked { return s.vips().Check(ctx) }

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
