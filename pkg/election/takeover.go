// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"time"
)

// Durations of a seizure.
const (
	seizeAfter   = 8 * time.Second        // G: silence and a free address beside a fresh Lease
	seizeMargin  = 300 * time.Millisecond // of the wait for the old holder's last renewal
	seizeProbes  = 3 * time.Second        // longest wait for an address that is served still
	seizeAgain   = 60 * time.Second       // a seizer does not seize again before
	seizeBack    = 120 * time.Second      // nor does who lost it
	seizeRetries = 3                      // the holder's renewals get in between
	refusedLead  = 50 * time.Millisecond  // a takeover that is tried again and again has its verdict in time
)

// seizure is the way to the addresses of a holder that keeps its Lease fresh, but serves nobody: its API is on another network.
type seizure struct {
	from      time.Time // since when all is silent and the Lease is fresh; zero: not so
	notBefore time.Time
	epoch     int // of the Lease to be seized
	tries     int
	ready     time.Time // Seizing: the old holder has seen its loss
}

// take is a takeover that the wire allows. The Lease has the last word where it can be read; where it cannot, the wire has.
func (e *Election) take(reason string) {
	a := &e.arbiter
	switch {
	case !e.arbitrates():
		e.becomeActive(reason)
	case e.cfg.Mode == Hybrid && e.silent():
		e.becomeActive(fmt.Sprintf("%s, Lease not readable: %s", reason, a.failure))
	case a.question != none || !a.fresh(e.now):
		e.become(Claiming, reason)
		a.waiting, a.next = true, e.now
		e.consult()
	case !e.available():
		e.refuse()
	default:
		e.become(Claiming, reason)
		a.waiting = true
		e.bid(claiming)
	}
}

// claimingRead goes on with a takeover. A claim that was not answered may be carried out later: then this node finds itself
// the holder of an epoch that it does not know.
func (e *Election) claimingRead(asked question, o LeaseOutcome) {
	a, s := &e.arbiter, &e.seize
	switch {
	case !a.waiting: // for the probe
	case asked == claiming && o == Answered && e.now.Sub(e.claim.renewed) <= readAge:
		e.won()
	case asked == seizing && o == Answered && e.now.Sub(e.claim.renewed) <= readAge:
		e.becomeSeizing()
	case asked == seizing && o == Refused:
		e.askLease()
	case asked == reading && o == Answered && s.tries > 0 && s.tries < seizeRetries && a.lease.Epoch == s.epoch:
		e.trySeize()
	case a.invited:
		e.become(Backup, "the Lease was not given over")
	default:
		s.tries, a.waiting = 0, false
		if e.now.Sub(e.probe.asked) > 2*longestProbe {
			e.probe.answer = nil // the address is asked again: the Lease took its time
		}
		e.down()
	}
}

// won takes the addresses with the Lease of this node. From a holder that serves, but does not hear this node, they are taken
// only after it has seen its loss.
func (e *Election) won() {
	if e.arbiter.invited && !e.hearsClaim() {
		e.becomeSeizing()
		return
	}
	e.claim.epoch = e.arbiter.lease.Epoch
	e.becomeActive(e.reason)
}

// refuse ends a takeover: another node keeps its Lease fresh. A silent holder whose address nobody serves is given some time.
func (e *Election) refuse() {
	a, s := &e.arbiter, &e.seize
	if s.from.IsZero() {
		s.from = e.now
	}
	if e.seizable() {
		s.from, s.epoch, s.tries = time.Time{}, a.lease.Epoch, 0
		e.become(Claiming, fmt.Sprintf("seizing the Lease of %s, who serves nobody", a.lease.holderName()))
		e.trySeize()
		return
	}
	e.probe.drop()
	e.become(Backup, fmt.Sprintf("the Lease of %s is fresh", a.lease.holderName()))
	e.downAt = e.now.Add(e.retryAfterRefusal())
}

// retryAfterRefusal is when the Lease can be shown to be stale, or a little later.
func (e *Election) retryAfterRefusal() time.Duration {
	provable := e.arbiter.first.Add(e.cfg.Lease.StaleAfter).Sub(e.now)
	return min(max(provable, retryRefused/10), retryRefused)
}

func (e *Election) seizable() bool {
	s := &e.seize
	return e.cfg.Mode == Hybrid && !e.preempting() && !e.health.distress &&
		e.now.Sub(s.from) > seizeAfter && !e.now.Before(s.notBefore) && e.probe.answer != nil && e.probe.answer.Verdict == Free
}

func (e *Election) trySeize() {
	e.seize.tries++
	e.arbiter.waiting = true
	e.bid(seizing)
}

// becomeSeizing has the Lease and waits until the old holder must have seen that it lost it.
func (e *Election) becomeSeizing() {
	e.claim.epoch = e.arbiter.lease.Epoch
	e.seize.tries = 0
	e.seize.notBefore = e.now.Add(seizeAgain)
	e.seize.ready = e.now.Add(e.cfg.Lease.RenewInterval + answerTimeout + seizeMargin)
	e.probe.drop()
	e.become(Seizing, e.reason)
}

// seizingRead: who lost the Lease before it had the addresses does not take them.
func (e *Election) seizingRead(o LeaseOutcome) {
	if o == Answered && !e.confirms() {
		e.becomeBackup(fmt.Sprintf("lost the Lease to %s", e.arbiter.lease.holderName()))
	}
}

// tickSeizing takes the addresses when nobody serves them any more. Who serves them still is no old holder, which knows its
// loss by now: it took them meanwhile, without the API, and keeps them.
func (e *Election) tickSeizing() {
	if !e.due(e.seize.ready) {
		return
	}
	if !e.probe.fresh(e.now) {
		if e.probe.asked.IsZero() || e.due(e.probe.again) || e.now.Sub(e.probe.asked) > verdictAge {
			e.ask(e.probeTimeout())
		}
		return
	}
	switch a, late := e.probe.answer, e.due(e.seize.ready.Add(seizeProbes)); {
	case a.Verdict == Foreign, a.foreignHost() && late:
		e.becomeConflict(*a)
	case a.Verdict == Live && late:
		e.giveUp()
		e.served(*a)
	case a.Verdict == Free, late:
		e.becomeActive(e.reason)
	case e.due(e.probe.again):
		e.ask(e.probeTimeout())
	}
}

// receivedSeizing: only a newer claim stops a seizure.
func (e *Election) receivedSeizing(ev Received) {
	switch p := ev.Advertisement.Priority; {
	case p == 0:
		e.seize.ready = e.now
	case inClaim(p) && newer(p, e.priority()):
		e.learn(ev.Advertisement.Interval)
		e.heard.accepted = e.now
		e.arbiter.known = false
		e.becomeBackup(fmt.Sprintf("heard %s with the newer claim %d", ev.Source, p))
	}
}

// activeRead: what a holder reads.
func (e *Election) activeRead(asked question, o LeaseOutcome) {
	if o != Answered {
		return
	}
	a, l := &e.arbiter, e.arbiter.lease
	foreign := l.Holder != "" && !e.sameNode(l.Holder) && l.Holder != e.cfg.Identity
	switch {
	case asked == asserting && e.ours():
		e.claim.epoch = l.Epoch
		e.advertise()
	case e.claim.epoch > 0 && foreign && l.Epoch > e.claim.epoch:
		e.seize.notBefore = e.now.Add(seizeBack)
		e.do(Release{})
		e.becomeBackup(fmt.Sprintf("%s has taken the Lease, epoch %d", l.holderName(), l.Epoch))
	case e.health.distress:
		if e.claim.epoch > 0 && !e.ours() {
			e.claim = claim{}
			e.advertise()
		}
	case e.confirms():
	case e.claim.epoch > 0, e.available():
		e.bid(asserting)
	case foreign && e.now.Sub(a.lively) < 2*e.cfg.Lease.RenewInterval:
		e.seize.from = e.now
		e.do(Release{})
		e.becomeBackup(fmt.Sprintf("%s renews the Lease, epoch %d", l.holderName(), l.Epoch))
		e.downAt = e.now.Add(retryRefused)
	}
}

// seizingDue is when a seizure goes on.
func (e *Election) seizingDue() time.Time {
	switch s, p := &e.seize, &e.probe; {
	case e.now.Before(s.ready):
		return s.ready
	case p.outstanding && !p.again.IsZero():
		return time.Time{}
	default:
		return p.again
	}
}
