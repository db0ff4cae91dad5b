// SPDX-License-Identifier: Apache-2.0

package election

import "time"

// arbitrates reports whether a Lease has a say at all.
func (e *Election) arbitrates() bool { return e.cfg.Mode != VRRP }

// consult asks for the Lease what is due, unless a question is under way: a holder renews its own claim (row 29), and releases
// the Lease where it should not be the holder (row 34); all others read.
func (e *Election) consult() {
	a := &e.arbiter
	if !e.arbitrates() || !e.started || a.question != none || !e.due(a.next) {
		return
	}
	a.next = e.now.Add(e.consultEvery())
	switch l := a.lease; {
	case !a.ours():
		e.do(a.ask(e.now))
	case !e.entitled():
		e.do(a.write(yielding, Lease{Version: l.Version, Epoch: l.Epoch, Node: l.Node, Address: l.Address}))
	case a.claim.epoch == l.Epoch:
		e.do(a.write(renewing, a.signed(l.Epoch)))
	default:
		e.do(a.ask(e.now)) // a write that was given up was carried out after all: Active claims again, over it
	}
}

// consultEvery returns the time between two regular questions: a holder renews; others only look, and the fewer the more they are.
func (e *Election) consultEvery() time.Duration {
	switch e.state {
	case Active, Seizing, Leaving, Claiming:
		return e.cfg.Lease.RenewInterval
	}
	return max(2*e.cfg.Lease.RenewInterval, time.Duration(len(e.cfg.others()))*readsOfCluster)
}

// entitled reports whether this node should be the holder: a Backup should not, and one in distress leaves the Lease to a healthy
// node (F19). After an outage of the API the distress that came with it ends a moment later than the outage.
func (e *Election) entitled() bool {
	switch e.state {
	case Active, Seizing, Claiming:
		since := e.arbiter.since
		return !e.health.distress || since.IsZero() || e.now.Sub(since) < distressAfterOutage
	}
	return false
}

// bid claims the Lease.
func (e *Election) bid(q question) {
	e.arbiter.next = e.now.Add(e.consultEvery())
	e.do(e.arbiter.bid(q))
}

// verify reads the Lease now: the wire has shown another node that may hold it. The next renewal does not wait for that.
func (e *Election) verify() {
	a := &e.arbiter
	if e.arbitrates() && a.question == none && e.now.Sub(a.read) >= verifyEvery {
		e.do(a.ask(e.now))
	}
}

// unreachable reports whether the API cannot be reached: two questions in a row had no answer, and the last one was recent.
func (e *Election) unreachable() bool {
	a := &e.arbiter
	return a.failures >= Unreachable && e.now.Sub(a.failedAt) <= e.consultEvery()+AnswerTimeout
}

// arbitrated reports whether the Lease decides now: the holder has renewed it, others have read it.
func (e *Election) arbitrated() bool {
	a := &e.arbiter
	switch {
	case !e.arbitrates():
		return false
	case e.state == Active:
		return a.verified(e.now)
	}
	return !a.answered.IsZero() && a.failures < Unreachable && e.now.Sub(a.answered) <= e.consultEvery()+2*AnswerTimeout
}
