// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/guard"
	"github.com/harbinger-ha/harbinger/pkg/membership"
	"github.com/harbinger-ha/harbinger/pkg/probe"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
	"github.com/harbinger-ha/harbinger/pkg/vrrpconn"
)

const (
	// look is the time between two looks at what has arrived, and maxLook how many packets are taken in one.
	look    = 20 * time.Millisecond
	maxLook = 1024
	// sendEvery is the time between two rounds of test packets: to a peer eight packets a second, and as many to all.
	sendEvery = 250 * time.Millisecond
	// announceEvery is after how many rounds all hosts of the segment are addressed, so that nodes find each other where multicast
	// is filtered.
	announceEvery = 4
	// maxIdentities bounds how many routers are asked who they are.
	maxIdentities = 8
)

// everybody are the addresses of all hosts of a segment.
var everybody = map[bool]netip.Addr{false: netip.AddrFrom4([4]byte{255, 255, 255, 255}), true: netip.IPv6LinkLocalAllNodes()}

// A lane sends and receives over one address family.
type lane struct {
	source netip.Addr // unspecified: it only receives
	raw    *vrrpconn.Raw
	// forbids says that this host does not let packets to the group out.
	forbids bool
}

// group is the multicast group of the lane.
func (l *lane) group() netip.Addr {
	if l.source.Is6() {
		return vrrp.GroupIPv6
	}
	return vrrp.GroupIPv4
}

// An event is what a conversation with another host has shown.
type event struct {
	from    netip.Addr
	what    passed
	started time.Time // when the conversation was begun
	message *message
	says    probe.Identity
	longest int // packet that passes both ways
}

// A session is one run of the check. Everything but what is atomic, or passed through a channel, belongs to the goroutine of run.
type session struct {
	options Options
	link    address.Link
	iface   net.Interface
	lanes   []*lane
	ear     *vrrpconn.Ear
	mute    error // why nothing can be sent
	roster  roster
	asked   map[netip.Addr]bool // the peers that a worker asks
	events  chan event
	says    atomic.Pointer[[]byte] // the message of this moment
	workers guard.Workers
	found   segment
	waited  time.Duration
}

// newSession opens what it can.
func newSession(o Options, view membership.View, link address.Link) *session {
	s := &session{options: o, link: link, asked: map[netip.Addr]bool{}, events: make(chan event), found: segment{view: view}}
	var instance [8]byte
	_, _ = rand.Read(instance[:]) // it never fails
	s.roster = roster{instance: binary.BigEndian.Uint64(instance[:]), group: groupOf(o.Config)}
	for _, own := range link.Addresses {
		s.roster.own = append(s.roster.own, own.Addr().WithZone(""))
	}
	iface, err := net.InterfaceByIndex(link.Index)
	if err == nil && !link.Up {
		err = fmt.Errorf("interface %s is down, or has no carrier", link.Name)
	}
	if err != nil {
		s.found.deaf, s.mute = err, err
		return s
	}
	s.iface = *iface
	if s.ear, err = vrrpconn.OpenEar(s.iface); err != nil {
		s.found.deaf = err
	}
	sources := map[bool]netip.Addr{}
	for _, vip := range view.VirtualAddresses() {
		sources[vip.Is6()] = sourceOf(view, vip)
		for _, peer := range append(view.Senders(vip), o.Peers...) {
			if p := s.roster.add(peer); p != nil {
				p.expected = true
			}
		}
	}
	for _, is6 := range []bool{false, true} {
		s.openLane(is6, sources[is6])
	}
	return s
}

// openLane opens a lane. One without a source only joins the group and listens: where it cannot, nobody misses it.
func (s *session) openLane(is6 bool, source netip.Addr) {
	needed := source.IsValid()
	if !needed {
		source = netip.IPv4Unspecified()
		if is6 {
			source = netip.IPv6Unspecified()
		}
	}
	raw, err := vrrpconn.ListenRaw(s.iface, source)
	if err != nil {
		if needed {
			s.mute = err
		}
		return
	}
	s.lanes = append(s.lanes, &lane{source: source, raw: raw})
}

// close closes what is open.
func (s *session) close() {
	for _, l := range s.lanes {
		_ = l.raw.Close() // nothing is lost
	}
	if s.ear != nil {
		_ = s.ear.Close()
	}
}

// run asks until there is nothing more to learn or ctx ends.
func (s *session) run(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	defer s.workers.Wait()
	defer stop()
	answers := make(chan []answer, 1)
	if s.iface.Index == 0 { // the interface is of no use
		for _, vip := range s.found.view.VirtualAddresses() {
			s.found.answers = append(s.found.answers, answer{vip: vip, err: s.mute})
		}
		return
	}
	nodes := append(s.found.view.Nodes(), s.options.Peers...)
	s.workers.Go(func() { answers <- askAddresses(ctx, s.found.view, s.link, nodes) })
	if s.options.Exchange {
		s.listen(ctx)
	}
	s.exchange(ctx)
	select {
	case s.found.answers = <-answers:
	case <-ctx.Done():
	}
	s.found.identities = s.identify(ctx)
}

// exchange listens, and sends where that is asked for, until there is nothing more to learn.
func (s *session) exchange(ctx context.Context) {
	start := time.Now()
	deadline := s.options.deadline(start)
	looks, rounds := time.NewTicker(look), time.NewTicker(sendEvery)
	defer looks.Stop()
	defer rounds.Stop()
	for round := 0; ; {
		select {
		case <-ctx.Done():
			return
		case e := <-s.events:
			s.take(e)
			continue
		case <-rounds.C:
			s.send(ctx, round)
			round++
		case <-looks.C:
		}
		now := time.Now()
		s.receive(now)
		s.waited = now.Sub(start)
		s.found.listened = min(s.waited, s.options.Listen).Round(time.Second)
		if s.waited >= s.options.Listen && s.finished(now, deadline) {
			return
		}
	}
}

// finished reports whether the peers need no more time.
func (s *session) finished(now, deadline time.Time) bool {
	switch {
	case !s.options.Exchange || s.roster.done(now) || now.After(deadline.Add(settledAfter)):
		return true
	case now.Before(deadline):
		return false
	}
	for _, p := range s.roster.peers {
		if !p.met.IsZero() && !p.settled(now) {
			return false
		}
	}
	return true
}

// receive takes what has arrived: at the interface, and behind the filters of the host.
func (s *session) receive(now time.Time) {
	for range maxLook {
		if s.ear == nil {
			break
		}
		m, ok, err := s.ear.Next()
		if err != nil || !ok {
			s.found.deaf = errors.Join(s.found.deaf, err)
			break
		}
		if !s.hear(m, false, now) && !s.link.Owns(m.Source) {
			s.found.routers.hear(m)
			s.roster.advertisement(m.Source, false)
		}
	}
	for _, l := range s.lanes {
		for range maxLook {
			m, ok, err := l.raw.Receive()
			if err != nil || !ok {
				break // what a socket reports of earlier packets is said by what does not arrive
			}
			if _, router := read(m); !s.hear(m, true, now) && router {
				s.roster.advertisement(m.Source, true)
			}
		}
	}
}

// hear takes a packet that is a message of the check, and reports whether it is.
func (s *session) hear(m vrrpconn.Message, delivered bool, now time.Time) bool {
	said, err := parse(m.Payload)
	if err != nil {
		return false
	}
	if s.options.Exchange && s.knows(m.Source) {
		s.roster.hear(m.Source, said, s.passed(m.Destination, said.full, delivered), now)
	}
	return true
}

// knows reports whether a host may be a peer: one that is expected, or on the link.
func (s *session) knows(from netip.Addr) bool {
	for _, p := range s.roster.peers {
		if p.address == from.Unmap().WithZone("") {
			return true
		}
	}
	return s.link.Neighbour(from.Unmap().WithZone(""))
}

// passed returns what the arrival of a message shows.
func (s *session) passed(destination netip.Addr, full, delivered bool) passed {
	switch {
	case destination == vrrp.GroupIPv4 || destination == vrrp.GroupIPv6:
		return either(delivered, groupArrived, groupDelivered)
	case !s.link.Owns(destination):
		return 0 // it was sent to everybody
	case full:
		return either(delivered, fullArrived, fullDelivered)
	}
	return either(delivered, unicastArrived, unicastDelivered)
}

// either returns what has arrived, or has arrived and was delivered.
func either(delivered bool, arrival, delivery passed) passed {
	if delivered {
		return arrival | delivery
	}
	return arrival
}

// take takes what a conversation has shown.
func (s *session) take(e event) {
	if !s.knows(e.from) {
		return
	}
	if e.message != nil {
		s.roster.hear(e.from, *e.message, e.what, time.Now())
		return
	}
	p := s.roster.add(e.from)
	if p == nil {
		return
	}
	if e.what == identityAsked && (p.met.IsZero() || e.started.Before(p.met)) {
		return // it may not have listened yet
	}
	p.here, p.longest = p.here|e.what, max(p.longest, e.longest)
	if e.says.Incarnation != "" {
		p.says = e.says
	}
}

// send sends a round of test packets.
func (s *session) send(ctx context.Context, round int) {
	if !s.options.Exchange {
		return
	}
	m := s.roster.message(s.options.Name)
	short := m.appendTo(nil, 0)
	s.says.Store(&short)
	for _, l := range s.lanes {
		if !l.source.IsUnspecified() {
			l.send(m, short, s.roster.peers, s.iface.MTU, round)
		}
	}
	for _, p := range s.roster.peers {
		s.ask(ctx, p.address)
	}
}

// send sends a round to the group and the peers of a lane.
func (l *lane) send(m message, short []byte, peers []*peer, mtu, round int) {
	l.forbids = forbidden(l.raw.Send(l.group(), short))
	if round%announceEvery == 0 {
		_ = l.raw.Send(everybody[l.source.Is6()], short) // it may not arrive
	}
	header := 20
	if l.source.Is6() {
		header = 40
	}
	m.full = true
	full := m.appendTo(nil, mtu-header)
	for _, p := range peers {
		if p.address.Is6() != l.source.Is6() {
			continue
		}
		p.forbids = forbidden(l.raw.Send(p.address, short)) || l.forbids
		_ = l.raw.Send(p.address, full) // the peer says whether it arrives
	}
}

// forbidden reports whether a filter of this host has kept a packet from leaving.
func forbidden(err error) bool { return errors.Is(err, syscall.EPERM) }
