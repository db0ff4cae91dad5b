// SPDX-License-Identifier: Apache-2.0

package election

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// script reads events from random bytes.
type script struct {
	rest  []byte
	asked time.Time // of the question for the Lease
}

func (s *script) next() byte {
	if len(s.rest) == 0 {
		return 0
	}
	b := s.rest[0]
	s.rest = s.rest[1:]
	return b
}

func (s *script) peer() netip.Addr {
	return []netip.Addr{lower, own, upper, netip.MustParseAddr("2001:db8::1"), {}}[s.next()%5]
}

func (s *script) event() Event {
	switch s.next() % 18 {
	case 0:
		return Startup{}
	case 1:
		return LinkChanged{Up: s.next()%2 == 0}
	case 2:
		return HealthChanged{Healthy: s.next()%2 == 0}
	case 3, 4:
		d := ProbeDone{Identity: Finding(s.next() % 10), Client: Finding(s.next() % 5)}
		if s.next()%2 == 0 {
			d.Neighbour, d.Owner, d.Peer = Answers, "02:00:00:00:09:09", s.peer()
		}
		return d
	case 5:
		return AddressClaimed{Address: vip, Peer: s.peer()}
	case 6:
		return AddressLost{}
	case 7:
		return AddressLate{}
	case 8:
		if s.next()%8 == 0 {
			return Shutdown{}
		}
	case 12, 13, 14:
		l := Lease{Version: []string{"", "1", "2", "3"}[s.next()%4], Holder: []string{"", "me/1", "me/0", "other/1"}[s.next()%4], Epoch: int(s.next() % 4)}
		return LeaseDone{Outcome: LeaseOutcome(s.next() % 3), Lease: l, Sent: s.asked}
	case 16, 17:
		l := PredecessorLease{Version: []string{"", "1", "2", "3"}[s.next()%4], Holder: []string{"", "node2", "me", "harbinger/me", "harbinger/other"}[s.next()%5]}
		return PredecessorDone{Outcome: LeaseOutcome(s.next() % 3), Lease: l, Sent: s.asked}
	case 15:
		return Handover{To: []string{"", "other"}[s.next()%2]}
	case 9, 10:
		every := time.Duration(s.next()) * 160 * time.Millisecond // up to 4095 cs
		return Received{Source: s.peer(), Advertisement: vrrp.Advertisement{Version: vrrp.Version3, Priority: s.next(), Interval: every}}
	}
	return Tick{}
}

// after lets time pass: nothing, a little, up to the deadline, or longer than any timer.
func (s *script) after(now, deadline time.Time) time.Time {
	switch b := s.next(); b % 4 {
	case 1:
		return now.Add(time.Duration(b) * time.Millisecond)
	case 2:
		if deadline.After(now) {
			return deadline
		}
	case 3:
		return now.Add(time.Duration(b) * 40 * time.Millisecond)
	}
	return now
}

// observer follows the actions, as the caller of Step does, and holds what is true of every history.
type observer struct {
	t      *testing.T
	e      *Election
	held   bool
	asked  int // probes under way
	open   int // questions for the Lease
	vip    int // questions for the Lease of kube-vip
	ended  bool
	events []string
}

func (o *observer) step(now time.Time, ev Event) {
	if _, ok := ev.(ProbeDone); ok {
		if o.asked == 0 {
			return // nobody asked: no such event comes
		}
		o.asked--
	}
	if _, ok := ev.(LeaseDone); ok {
		if o.open == 0 {
			return
		}
		o.open--
	}
	if _, ok := ev.(PredecessorDone); ok {
		if o.vip == 0 {
			return
		}
		o.vip--
	}
	o.events = append(o.events, ev.String())
	before := o.e.State()
	for _, a := range o.e.Step(now, ev) {
		o.follow(a)
	}
	s := o.e.State()
	if serving := s == Active || s == Leaving; o.held != serving {
		o.t.Fatalf("%s to %s, addresses held: %t; %q", before, s, o.held, o.events)
	}
	if o.asked > 1 || o.open > 1 || o.vip > 1 {
		o.t.Fatalf("%d probes and %d, %d questions under way; %q", o.asked, o.open, o.vip, o.events)
	}
	if o.held && o.e.predecessor.waits() {
		o.t.Fatalf("holds the addresses beside kube-vip; %q", o.events)
	}
	if s == Claiming && o.asked == 0 && o.open == 0 && o.e.Deadline().IsZero() {
		o.t.Fatalf("Claiming without a question or a deadline; %q", o.events)
	}
}

func (o *observer) follow(a Action) {
	switch a := a.(type) {
	case Acquire:
		o.held = true
	case Release:
		o.held = false
	case Refresh, Announce:
		if !o.held {
			o.t.Fatalf("%s without the addresses; %q", a, o.events)
		}
	case Advertise:
		if a.Priority != vrrp.PriorityRelease && !o.held {
			o.t.Fatalf("%s without the addresses; %q", a, o.events)
		}
	case Probe:
		o.asked++
		if o.held || a.Timeout <= 0 {
			o.t.Fatalf("%s, addresses held: %t; %q", a, o.held, o.events)
		}
	case ReadLease, WriteLease:
		o.open++
	case ReadPredecessor, TakePredecessor:
		o.vip++
	case Finished:
		o.ended = true
	}
}

// rest ticks at the present until nothing is due any more.
func (o *observer) rest(now time.Time) {
	for range 16 {
		if due := o.e.Deadline(); due.IsZero() || due.After(now) {
			return
		}
		o.step(now, Tick{})
	}
	o.t.Fatalf("%s is busy: the deadline stays in the past; %q", o.e.State(), o.events)
}

func play(t *testing.T, data []byte) {
	s := &script{rest: data}
	cfg := Config{
		Version: vrrp.Version3 - vrrp.Version(s.next()%2), Priority: max(1, min(254, s.next())), AdvertisementInterval: time.Second,
		Preempt: s.next()%2 == 0, Primary: []netip.Addr{own}, Lifetime: 2 * time.Second,
	}
	if s.next()%2 == 0 {
		cfg.Peers = []netip.Addr{lower, own, upper}
	}
	if s.next()%2 == 0 {
		cfg.Mode, cfg.Node, cfg.Identity = Hybrid, "me", "me/1"
		cfg.Lease = LeaseTimes{RenewInterval: time.Second, StaleAfter: 2 * time.Second, Duration: 5 * time.Second}
		if s.next()%2 == 0 {
			cfg.Predecessor = "kube-system/plndr-cp-lock"
		}
	}
	o := &observer{t: t, e: New(cfg)}
	now := epoch
	o.step(now, Startup{})
	for len(s.rest) > 0 {
		s.asked = now
		now = s.after(now, o.e.Deadline())
		o.step(now, s.event())
		o.rest(now)
	}
	// Whatever happened, silence ends in Active or, where somebody stopped it or took its link, in Initialize.
	if o.ended {
		return
	}
	o.step(now, LinkChanged{Up: true})
	for range 20000 {
		if o.asked > 0 {
			o.step(now, found(Free))
		}
		if o.open > 0 {
			o.step(now, LeaseDone{Outcome: Unanswered, Sent: now})
		}
		if o.vip > 0 {
			o.step(now, PredecessorDone{Lease: PredecessorLease{Version: "9", Holder: "harbinger/other"}, Sent: now})
		}
		if o.rest(now); o.e.State() == Active || o.ended {
			return
		}
		if due := o.e.Deadline(); !due.IsZero() {
			now = due
		}
	}
	t.Fatalf("%s for ever; %q", o.e.State(), o.events)
}

// No history of events panics, holds the addresses outside of Active and Leaving or beside kube-vip, asks twice at once, or spins.
func FuzzStep(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 64 {
		data := make([]byte, 16+rng.IntN(400))
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		f.Add(data)
	}
	f.Fuzz(play)
}

func TestStepRandomly(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		data := make([]byte, 16+rng.IntN(1000))
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		play(t, data)
	}
}
