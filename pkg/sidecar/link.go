// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/announce"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/guard"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/membership"
)

// bindFor is how long what is bound to the link may fail to be opened anew, before the process ends to be started again.
const bindFor = 10 * time.Second

// binding is what sockets, announcements and questions are bound to.
type binding struct {
	link      announce.Link
	sockets   int          // index of the interface of the advertisement sockets
	sources   []netip.Addr // of the advertisements
	primaries []netip.Addr // of the questions, and of the identity
}

func boundTo(view membership.View) binding {
	link := view.Link.(address.Link)
	b := binding{link: announce.Link{Name: link.Name, Index: link.Index, MAC: link.MAC}, sockets: link.Index, sources: view.Sources()}
	for _, vip := range view.VirtualAddresses() {
		b.primaries = append(b.primaries, view.Primary(vip))
	}
	return b
}

// watchLink turns what happens to the link and the virtual addresses into events, and follows the link.
func (s *sidecar) watchLink(ctx context.Context) error {
	events := make(chan address.Event)
	g, ctx := guard.WithContext(ctx)
	g.Go(func() error {
		defer close(events)
		return s.addresses.Watch(ctx, events)
	})
	g.Go(func() error { return s.followLink(ctx, events) })
	if err := g.Wait(); err != nil {
		return fmt.Errorf("watch %s: %w", s.members.link().Name, err)
	}
	return nil
}

// followLink takes the events. What cannot be opened on a new link is tried again: until then the link carries nothing.
func (s *sidecar) followLink(ctx context.Context, events <-chan address.Event) error {
	retry := time.NewTicker(linkRetry)
	defer retry.Stop()
	var failing time.Time // since when what is bound to the link cannot be opened; zero: it can
	for {
		var due <-chan time.Time
		if !failing.IsZero() {
			due = retry.C
		}
		select {
		case <-due:
		case ev, ok := <-events:
			if !ok {
				return nil
			}
			if ev.Kind != address.LinkUp {
				if ev.Kind == address.LinkDown || ev.Kind == address.PrimaryLost {
					failing = time.Time{}
				}
				s.linkEvent(ctx, ev)
				continue
			}
			s.relinked(ev.Link)
		}
		err := s.linkUp(ctx, failing.IsZero())
		switch {
		case err == nil:
			failing = time.Time{}
		case failing.IsZero():
			failing = time.Now()
		case time.Since(failing) > bindFor:
			s.fail(err) // a new process may do better
		}
	}
}

// linkUp binds everything to the link and gives it to the election. Where that fails, which is logged the first time, the link
// is as good as down.
func (s *sidecar) linkUp(ctx context.Context, first bool) error {
	err := s.apply(ctx)
	if err != nil {
		s.metrics.Failed("link")
	}
	if err != nil && first {
		s.Log.Error(err, logging.MsgLinkNotFollowed, logging.KeyInterface, s.members.link().Name)
	}
	s.loop.Notify(ctx, election.LinkChanged{Up: err == nil})
	return err
}

// linkEvent takes the other events.
func (s *sidecar) linkEvent(ctx context.Context, ev address.Event) {
	switch ev.Kind {
	case address.AddressRemoved:
		s.loop.Notify(ctx, election.AddressLost{})
	case address.StrayFound:
		s.stray(ev.Stray)
	default: // down, or without the node's own address
		s.loop.Notify(ctx, election.LinkChanged{Up: false})
	}
}

// relinked takes a new state of the link into the view of the members.
func (s *sidecar) relinked(link address.Link) {
	before := s.members.link()
	s.members.change(func(v *membership.View) { v.Link = link })
	if after := s.members.now(); before.Name != link.Name || before.Index != link.Index || !slices.Equal(before.MAC, link.MAC) ||
		!slices.Equal(before.Addresses, link.Addresses) {
		s.Log.Info(logging.MsgLinkChanged, logging.KeyInterface, link.Name, logging.KeyHardwareAddress, link.MAC.String(),
			logging.KeyAddresses, boundTo(after).primaries)
	}
}

// stray reports a virtual address that something else has added to this host.
func (s *sidecar) stray(found address.Stray) {
	s.metrics.Failed("stray")
	message := found.String()
	if found.Err != nil {
		message += ": " + found.Err.Error()
	}
	logging.Warn(s.Log, logging.MsgStrayAddress, logging.KeyInterface, found.Interface, logging.KeyReason, message)
	if s.api != nil {
		s.api.Event("StrayAddress", "a virtual address that Harbinger has not added was on this host: "+message, true)
	}
}

// apply gives the newest view of the members to all that works with it. What is bound to the link is opened anew where the link
// or the own address is another, and the election goes on with it: a holder announces, and advertises from its new address.
func (s *sidecar) apply(ctx context.Context) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	view := s.members.now()
	defer s.applyBalancer(view) // what the wire waits for comes first
	before, next := s.bound, boundTo(view)
	moved := before.link.Index != next.link.Index || !slices.Equal(before.link.MAC, next.link.MAC)
	if moved || before.link.Name != next.link.Name {
		if err := s.neighbours.announcer.SetLink(next.link); err != nil {
			return err
		}
		s.bound.link = next.link
	}
	if err := s.bindPorts(ctx, view, next); err != nil {
		return err
	}
	s.bound = next
	if moved {
		s.loop.Notify(ctx, election.AddressLost{}) // a holder adds and announces the addresses again
		s.neighbours.announceOwn(next.primaries)
	}
	s.identities.open(ctx, s, next.primaries)
	return nil
}

// bindPorts gives the election its configuration, and new sockets where the old ones are on another interface or send from
// another address; the others get their peers.
func (s *sidecar) bindPorts(ctx context.Context, view membership.View, next binding) error {
	if s.bound.sockets != next.sockets || !slices.Equal(s.bound.sources, next.sources) {
		ports, err := s.openPorts()
		if err != nil {
			return err
		}
		s.loop.Rebind(ctx, ports, view.Reconfigured(), election.AddressLost{})
		return nil
	}
	for _, socket := range s.sockets {
		if err := s.follow(socket, view); err != nil {
			s.metrics.Failed("peers")
			s.Log.Error(err, logging.MsgPeersNotChanged)
		}
	}
	s.loop.Notify(ctx, view.Reconfigured())
	return nil
}

// identities serves what this node says of itself on own addresses that it did not have at the start. Those that it had stay
// open: they cost nothing, and may come back.
type identities struct {
	served map[netip.Addr]bool
	opened chan *endpoint
}

func newIdentities(primaries []netip.Addr) identities {
	i := identities{served: map[netip.Addr]bool{}, opened: make(chan *endpoint)}
	for _, a := range primaries {
		i.served[a] = true
	}
	return i
}

// open opens the identity where it is not open yet.
func (i identities) open(ctx context.Context, s *sidecar, primaries []netip.Addr) {
	for _, a := range primaries {
		if i.served[a] {
			continue
		}
		e := s.identity(a)
		_ = s.ports.try(e.ownPort, e.open) // it is tried again when it is served
		select {
		case i.opened <- e:
			i.served[a] = true
		case <-ctx.Done():
			if e.ln != nil {
				_ = e.ln.Close() // nobody has it
			}
		}
	}
}

// serve serves what open opens until ctx ends.
func (i identities) serve(ctx context.Context, s *sidecar) error {
	g, ctx := guard.WithContext(ctx)
	g.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case e := <-i.opened:
				g.Go(func() error {
					return s.keep(ctx, part{e.key(), func(ctx context.Context) error { return s.serveEndpoint(ctx, e) }})
				})
			}
		}
	})
	return g.Wait()
}
