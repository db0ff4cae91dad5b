// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/announce"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/probe"
)

// healthChanged asks watchHealth to look. A signal that is pending already says the same.
func (s *Sidecar) healthChanged() {
	select {
	case s.health <- struct{}{}:
	default:
	}
}

// watchHealth tells the election whether a backend is healthy, and steers connections to the balancer only while it has
// one: otherwise they reach the local apiserver, or are refused by the kernel. A listening socket that stopped listening for
// a moment has lost its steering, so that it is enabled again at every change of a backend.
func (s *Sidecar) watchHealth(ctx context.Context) error {
	known, last := false, false
	for {
		healthy := s.supervisor.Status().Healthy()
		s.steer(healthy)
		if !known || healthy != last {
			known, last = true, healthy
			s.log.Info("Backend health changed", "healthy", healthy)
			s.loop.Notify(ctx, election.HealthChanged{Healthy: healthy})
		}
		select {
		case <-s.health:
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *Sidecar) steer(on bool) {
	if s.steering == nil {
		return
	}
	change := s.steering.Disable
	if on {
		change = s.steering.Enable
	}
	if err := change(); err != nil {
		s.metrics.Failed("steer")
		s.log.Error(err, "Steering failed", "kind", string(s.steering.Mode()), "enable", on)
	}
}

// watchAddresses turns what happens to the link and the virtual addresses into events.
func (s *Sidecar) watchAddresses(ctx context.Context) error {
	events := make(chan address.Event)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(events)
		return s.addresses.Watch(ctx, events)
	})
	g.Go(func() error {
		for ev := range events {
			s.loop.Notify(ctx, translate(ev))
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return fmt.Errorf("watch %s: %w", s.link.Name, err)
	}
	return nil
}

func translate(ev address.Event) election.Event {
	switch ev.Kind {
	case address.LinkUp:
		return election.LinkChanged{Up: true}
	case address.AddressRemoved:
		return election.AddressLost{}
	default: // down, or without the node's own address
		return election.LinkChanged{Up: false}
	}
}

// learnEvery is how often a configured peer is asked for as long as it has not answered.
const learnEvery = 5 * time.Second

// watchRetry is how soon the watch for foreign claims is opened again after the link failed under it.
const watchRetry = time.Second

// watchClaims reports every other host that claims a virtual address. A link that goes down ends the socket's reads, but
// not the watch.
func (s *Sidecar) watchClaims(ctx context.Context) error {
	claims := make(chan announce.Claim)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(claims)
		for {
			err := s.announcer.Watch(ctx, s.members.now().VirtualAddresses(), claims)
			if ctx.Err() != nil {
				return nil
			}
			s.metrics.Failed("watch")
			s.log.V(1).Info("Watch for foreign claims failed", "reason", fmt.Sprint(err))
			select {
			case <-ctx.Done():
			case <-time.After(watchRetry):
			}
		}
	})
	g.Go(func() error {
		for c := range claims {
			if !c.Peer.IsValid() { // a foreign host, or a peer whose hardware address is not known yet: then the next claim tells
				s.learnPeers()
			}
			s.loop.Notify(ctx, election.AddressClaimed{Address: c.Address, Owner: c.MAC.String(), Peer: c.Peer})
		}
		return nil
	})
	g.Go(func() error {
		for {
			s.learnPeers()
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(learnEvery):
			}
		}
	})
	return g.Wait()
}

func (s *Sidecar) prober() probe.VIPs {
	vips := probe.VIPs{}
	for _, vip := range s.members.now().VirtualAddresses() {
		vips[vip] = probe.VIPProbe{
			Cluster: s.cfg.ControlPlane.ClusterName, Node: s.node, Port: s.cfg.Status.IdentityPort, Interface: s.link.Name,
			Source: s.link.Primary(vip), Resolver: s.announcer,
			KnownPeer: func(mac net.HardwareAddr) bool { _, ok := s.announcer.PeerOf(mac); return ok },
		}
	}
	return vips
}

// learn makes a node known as a peer. Its hardware address arrives later, at the watch for claims.
func (s *Sidecar) learn(peer, primary netip.Addr) {
	if err := s.announcer.Learn(peer, primary); err != nil {
		s.metrics.Failed("learn")
		s.log.V(1).Info("Question for a peer failed", "peer", peer, "reason", err.Error())
	}
}

// learnPeers makes the other nodes known that the configuration names: those in Backup are never heard, and a claim of one
// must not be taken for a foreign host's.
func (s *Sidecar) learnPeers() {
	for _, n := range s.members.now().Neighbours() {
		s.learn(n.Address, n.Source)
	}
}
