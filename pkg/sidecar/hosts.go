// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/fault"
	"github.com/harbinger-ha/harbinger/pkg/guard"
	"github.com/harbinger-ha/harbinger/pkg/probe"
	"github.com/harbinger-ha/harbinger/pkg/report"
)

const (
	// hostsEvery is how often the other hosts are asked what they say of themselves: far below what a host answers.
	hostsEvery = 5 * time.Second
	// hostTimeout bounds one answer, and hostsAtOnce how many are waited for at a time.
	hostTimeout = time.Second
	hostsAtOnce = 16
)

// hosts remembers what the other hosts said of themselves.
type hosts struct {
	mu    sync.Mutex
	known []report.Peer
}

func (h *hosts) now() []report.Peer {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.known)
}

// keep forgets the hosts that are not among the addresses, and adds those that are new.
func (h *hosts) keep(addresses []netip.Addr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.known
	h.known = make([]report.Peer, 0, len(addresses))
	for _, a := range addresses {
		peer := report.Peer{Address: a}
		if i := slices.IndexFunc(before, func(p report.Peer) bool { return p.Address == a }); i >= 0 {
			peer = before[i]
		}
		h.known = append(h.known, peer)
	}
}

// note takes what a host said, or why it did not: then its last answer stays.
func (h *hosts) note(address netip.Addr, said probe.Identity, failure string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.known, func(p report.Peer) bool { return p.Address == address })
	if i < 0 {
		return
	}
	p := &h.known[i]
	if p.Asked, p.Failure = true, failure; failure == "" {
		p.Said, p.Answered = said, now
	}
}

// askHosts asks the other hosts for what they say of themselves, until ctx ends.
func (s *sidecar) askHosts(ctx context.Context) error {
	ticker := time.NewTicker(hostsEvery)
	defer ticker.Stop()
	for {
		s.askHostsOnce(ctx)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *sidecar) askHostsOnce(ctx context.Context) {
	view := s.members.now()
	others := view.Others(s.own.look())
	addresses := make([]netip.Addr, 0, len(others))
	for _, other := range others {
		addresses = append(addresses, other.Address)
	}
	s.hosts.keep(addresses)
	s.hop.look(s.members.link().Index, view.VirtualAddresses()[0])
	questions := probe.Peers{Cluster: s.cfg.ControlPlane.ClusterName, Port: s.cfg.Status.IdentityPort, Interface: s.members.link().Index}
	var asking guard.Workers
	defer asking.Wait()
	slots := make(chan struct{}, hostsAtOnce)
	for _, other := range others {
		slots <- struct{}{}
		asking.Go(func() {
			defer func() { <-slots }()
			bounded, cancel := context.WithTimeout(ctx, hostTimeout)
			defer cancel()
			said, err := questions.Identity(bounded, probe.Peer(other))
			if ctx.Err() != nil {
				return
			}
			failure := ""
			if err != nil {
				failure = fault.Of(netip.AddrPortFrom(other.Address, questions.Port).String(), err)
			}
			s.hosts.note(other.Address, said, failure, time.Now())
		})
	}
}
