// SPDX-License-Identifier: Apache-2.0

package election

import (
	"net/netip"
	"time"
)

// question is what was asked of the store of the Lease and is not answered yet.
type question uint8

const (
	none      question = iota
	reading            // read what is stored
	claiming           // write this node as the holder, with a new epoch, to take the addresses then
	seizing            // the same, over a fresh Lease whose holder serves nobody
	asserting          // the same, while this node has the addresses
	renewing           // write this node as the holder still
	yielding           // write that nobody is the holder
)

// consult returns the question that is due, unless one is under way: a holder renews its own claim (row 29), and releases the
// Lease where it should not be the holder (row 34); all others read.
func (a *arbiter) consult(now time.Time, s State, distress, alone bool) []Action {
	if !a.cfg.arbitrates() || a.question != none || !due(now, a.next) {
		return nil
	}
	a.next = now.Add(a.every(s))
	switch l := a.lease; {
	case !a.ours():
		return a.ask(now)
	case !a.entitled(now, s, distress) || alone && s == Active && a.cfg.Mode == Hybrid:
		return a.write(yielding, Lease{Version: l.Version, Epoch: l.Epoch, Node: l.Node, Address: l.Address, Known: l.Known})
	case a.claim.epoch == l.Epoch:
		return a.write(renewing, a.signed(l.Epoch))
	}
	return a.ask(now) // a write that was given up was carried out after all: Active claims again, over it
}

// every returns the time between two regular questions: a holder renews; others only look, and the fewer the more they are.
func (a *arbiter) every(s State) time.Duration {
	switch s {
	case Active, Seizing, Leaving, Claiming:
		return a.cfg.Lease.RenewInterval
	default:
		return max(2*a.cfg.Lease.RenewInterval, time.Duration(len(a.cfg.others()))*readsOfCluster)
	}
}

// entitled reports whether this node should be the holder: a Backup should not, and one in distress leaves the Lease to a healthy
// node (F19). After an outage of the API the distress that came with it ends a moment later than the outage.
func (a *arbiter) entitled(now time.Time, s State, distress bool) bool {
	switch s {
	case Active, Seizing, Claiming:
		return !distress || a.since.IsZero() || now.Sub(a.since) < distressAfterOutage
	default:
		return false
	}
}

// verify reads the Lease now: the wire has shown another node that may hold it. The next renewal does not wait for that.
func (a *arbiter) verify(now time.Time) []Action {
	if !a.cfg.arbitrates() || a.question != none || now.Sub(a.read) < verifyEvery {
		return nil
	}
	return a.ask(now)
}

// ask reads what is stored.
func (a *arbiter) ask(now time.Time) []Action {
	a.question, a.read = reading, now
	return []Action{ReadLease{Timeout: AnswerTimeout}}
}

// bid claims what is stored, with an epoch that nobody had. Whoever stored something meanwhile makes it fail.
func (a *arbiter) bid(now time.Time, s State, q question) []Action {
	a.waiting = s == Claiming
	a.next = now.Add(a.every(s))
	return a.write(q, a.signed(a.highest+1))
}

// trySeize claims a Lease that is fresh (row 19).
func (a *arbiter) trySeize(now time.Time) []Action {
	a.seize.tries++
	return a.bid(now, Claiming, seizing)
}

// write stores a Lease, if what is known is stored still.
func (a *arbiter) write(q question, l Lease) []Action {
	a.question = q
	return []Action{WriteLease{Timeout: AnswerTimeout, Lease: l}}
}

// signed returns the Lease as this node writes it while it is the holder of an epoch.
func (a *arbiter) signed(epoch int) Lease {
	known := a.cfg.known(a.cfg.Primary[0])
	if known == a.cfg.Primary[0] {
		known = netip.Addr{}
	}
	return Lease{
		Version: a.lease.Version, Holder: a.cfg.Identity, Epoch: epoch,
		Node: a.cfg.Node, Address: a.cfg.Primary[0], Known: known, Priority: a.cfg.Priority, Preferred: a.claim.preferred,
	}
}

// done ends the question under way, and returns it.
func (a *arbiter) done(now time.Time, ev LeaseDone) question {
	asked := a.question
	a.question = none
	switch ev.Outcome {
	case Answered:
		a.answers(now)
		a.observe(now, asked, ev)
	case Refused:
		a.answers(now)
		a.known, a.next = false, now
	case Unanswered:
		a.since = time.Time{}
		a.failures++
		a.failedAt, a.failure = now, ev.Detail
	}
	return asked
}

func (a *arbiter) answers(now time.Time) {
	if a.since.IsZero() {
		a.since = now
	}
	a.failures, a.answered = 0, now
}

// unreachable reports whether the API cannot be reached: two questions in a row had no answer, and the last one was recent.
func (a *arbiter) unreachable(now time.Time, s State) bool {
	return a.failures >= UnreachableAfter && now.Sub(a.failedAt) <= a.every(s)+AnswerTimeout
}

// decides reports whether the Lease decides now: the holder has renewed it, others have read it.
func (a *arbiter) decides(now time.Time, s State) bool {
	switch {
	case !a.cfg.arbitrates():
		return false
	case s == Active:
		return a.verified(now)
	}
	return !a.answered.IsZero() && a.failures < UnreachableAfter && now.Sub(a.answered) <= a.every(s)+2*AnswerTimeout
}
