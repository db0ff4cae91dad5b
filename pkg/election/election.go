// SPDX-License-Identifier: Apache-2.0

package election

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// Election is the election on one node: the state, and what the sub-machines know.
type Election struct {
	cfg Config
	now time.Time
	out []Action

	state     State
	since     time.Time
	reason    string
	started   bool
	linkUp    bool
	preemptAt time.Time // no preemption before
	downAt    time.Time // Backup: Active_Down_Timer (RFC 9568, section 6.4.2)

	health     health
	heard      heard
	probe      prober
	presence   presence
	arbiter    arbiter
	leave      leave
	starting   starting
	reach      reach
	resolution resolution
	witness    witness
	challenge  challenge

	predecessor predecessor
}

// New returns an election in state Initialize.
func New(cfg Config) *Election {
	if cfg.Jitter == nil {
		cfg.Jitter = func() float64 { return 0 }
	}
	cfg.Mode = cmp.Or(cfg.Mode, VRRP)
	if cfg.Mode == LeaseOnly {
		cfg.Lease.StaleAfter = cfg.Lease.Duration // nothing but its age shows that the holder is dead
	}
	e := &Election{cfg: cfg, heard: heard{interval: cfg.AdvertisementInterval}}
	e.arbiter.cfg, e.predecessor.cfg = &e.cfg, &e.cfg
	return e
}

// State returns the state.
func (e *Election) State() State { return e.state }

// Step takes one event at a time that never runs backwards, and returns what is to be done. Every event is defined in every
// state; what is not mentioned does nothing.
func (e *Election) Step(now time.Time, ev Event) []Action {
	e.now, e.out = now, nil
	if fence := table[e.state].fence; fence != nil {
		fence(e)
	}
	state := &table[e.state]
	switch ev := ev.(type) {
	case Startup:
		e.startup()
	case LinkChanged:
		e.linkChanged(ev.Up)
	case HealthChanged:
		e.health.changed(now, ev.Healthy)
	case Reconfigured:
		e.reconfigured(ev)
	case Tick:
		e.tick()
	case Received:
		e.received(ev)
	case ProbeDone:
		e.probeDone(ev)
	case LeaseDone:
		e.leaseDone(ev)
	case PredecessorDone:
		e.predecessorDone(ev)
	case PeersDone:
		e.peersDone(ev)
	case HolderChecked:
		e.holderChecked(ev)
	case Rehearsed:
		e.rehearsed(ev)
	case AdvertisementUnsent:
		e.presence.couldNotSend(now, e.cfg.AdvertisementInterval)
	case AddressClaimed:
		e.heard.announced = announced{ev.Owner, now}
		call(e, state.claimed, ev)
	case AddressAsked:
		e.addressAsked()
	case AddressLost:
		call(e, state.lost, ev)
	case AddressLate:
		call(e, state.late, ev)
	case Shutdown:
		call(e, state.shutdown, ev)
	case Handover:
		call(e, state.handover, ev)
	}
	return e.out
}

func (e *Election) do(actions ...Action) { e.out = append(e.out, actions...) }

// become is the only writer of the state.
func (e *Election) become(s State, reason string) {
	if e.state != s {
		e.do(Transition{From: e.state, To: s, Reason: reason})
		e.leavesClaiming(s)
		e.starting = starting{}
		e.since = e.now
		e.arbiter.waiting, e.arbiter.invited = false, false
	}
	e.state, e.reason = s, reason
}

// due reports whether a deadline is set and has come.
func due(now, deadline time.Time) bool { return !deadline.IsZero() && !now.Before(deadline) }

func (e *Election) due(deadline time.Time) bool { return due(e.now, deadline) }

// Deadline returns when a Tick is due; the zero time means never. A Tick that comes early or late does no harm.
func (e *Election) Deadline() time.Time {
	deadlines := append(make([]time.Time, 0, 12), e.health.due())
	if e.started {
		deadlines = append(deadlines, e.predecessor.due(e.state))
	}
	if e.cfg.arbitrates() && e.started && e.arbiter.question == none {
		deadlines = append(deadlines, e.arbiter.next)
	}
	switch e.state {
	case Backup:
		if e.cfg.Mode != LeaseOnly {
			deadlines = append(deadlines, e.downAt, e.preflightAt(), e.probe.again, e.suspectAt(), e.doubtAt())
		}
		deadlines = append(deadlines, e.inquiryAt())
	case Claiming:
		deadlines = append(deadlines, e.probe.again, when(e.arbiter.waiting, e.probe.silence.due), e.inquiryAt())
	case Conflict:
		deadlines = append(deadlines, e.probe.again)
	case Seizing:
		deadlines = append(deadlines, e.probe.due(e.now, e.arbiter.seize.ready))
	case Active:
		p := &e.presence
		deadlines = append(deadlines, p.advertiseAt, p.refreshAt, when(!e.resolution.refused, p.train.next), e.resolution.answerAt, e.arbiter.expiry(), e.inquiryAt())
	case Leaving:
		deadlines = append(deadlines, e.presence.refreshAt, e.leave.until, e.leave.releaseAt)
	case Initialize:
	}
	return first(deadlines...)
}

// tick meets the deadlines that are due.
func (e *Election) tick() {
	skew := e.skew()
	e.health.tick(e.now)
	call(e, table[e.state].tick, e.skew()-skew)
	e.inquire()
	e.consult()
	e.askPredecessor()
}

// consult asks for the Lease what is due.
func (e *Election) consult() {
	if e.started {
		e.do(e.arbiter.consult(e.now, e.state, e.health.lasts(e.now, e.cfg.Lease.RenewInterval), e.reach.alone())...)
	}
}

// received notes an advertisement.
func (e *Election) received(ev Received) {
	if ev.Source == e.cfg.own(ev.Source) {
		e.do(Alarm{Kind: DuplicateAddress, Detail: fmt.Sprintf("advertisement from our own address %s: does another host have it?", ev.Source)})
		return
	}
	if !e.counts(ev) {
		return
	}
	priority, first := ev.Advertisement.Priority, e.cfg.firstFamily(ev.Source)
	if claim := e.heard.claims.claim(ev.Source); claim > 0 && priority == vrrp.PriorityRelease && first {
		e.arbiter.abdication = abdication{from: ev.Source, priority: claim, at: e.now}
	}
	e.heard.note(e.now, ev.Source, priority, first, e.cfg.arbitrates(), slices.Contains(e.cfg.Peers, ev.Source))
	e.reach.ever = e.reach.ever || slices.Contains(e.cfg.Peers, ev.Source)
	e.startHeard()
	call(e, table[e.state].received, ev)
}

// probeDone takes the answer of a probe. One that says nothing of now is followed by another question.
func (e *Election) probeDone(ev ProbeDone) {
	p, counts, probed := &e.probe, e.probe.done(e.now), table[e.state].probed
	switch {
	case probed == nil:
	case counts:
		p.answer, p.came, e.heard.unasked = &ev, e.now, ev.CouldNotAsk()
		p.silence.note(e.now, p.asks, ev)
		probed(e, ev)
	case !p.asked.IsZero():
		e.ask(e.probeTimeout())
	}
}

// leaseDone takes the answer to a question for the Lease.
func (e *Election) leaseDone(ev LeaseDone) {
	asked := e.arbiter.done(e.now, ev)
	if ev.Outcome == Answered {
		e.leaped()
		e.judgeChallenge()
	}
	if e.started {
		call(e, table[e.state].leased, answer{asked, ev.Outcome})
		if e.state == Active && !e.challenge.since.IsZero() {
			e.readAfter() // what was just answered was asked before the challenge
		}
		if ev.Outcome == Answered && e.state == Backup && e.arbiter.ours() {
			e.arbiter.next = e.now // a claim that was given up meanwhile is released at once
		}
		e.consult()
	}
}

// reconfigured changes what may change while the election runs.
func (e *Election) reconfigured(ev Reconfigured) {
	e.cfg.Priority, e.cfg.Preempt, e.cfg.PreemptDelay = ev.Priority, ev.Preempt, ev.PreemptDelay
	if ev.Predecessor == "" {
		e.forgetPredecessor()
	}
	if ev.Peers != nil {
		e.cfg.Peers = ev.Peers
	}
	if ev.Known != nil {
		e.cfg.Known = ev.Known
	}
	if ev.Primary != nil && !slices.Equal(ev.Primary, e.cfg.Primary) {
		e.cfg.Primary = ev.Primary
		e.presence.advertiseAt = e.now // a holder is to be known by its new address at once
	}
}
