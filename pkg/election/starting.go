// SPDX-License-Identifier: Apache-2.0

package election

import (
	"time"
)

// starting is what a node does in place of the first Active_Down_Interval (F35): it asks who serves the virtual addresses, whom it
// reaches, and what the Lease says. Where all of that shows that nobody holds them, the end of the Active_Down_Timer is near.
// Whatever else is found leaves that timer as RFC 9568, section 6.4.1, has it.
type starting struct {
	from time.Time // when this node began to listen; zero: it does not ask, or not any more
	soon bool      // nobody holds the addresses: the timer ends early
}

// askAtStart begins that, with the timer of the RFC. Where kube-vip may lead, its Lease alone says when that is over; in mode
// LeaseOnly the Lease decides without a timer.
func (e *Election) askAtStart() {
	e.starting = starting{}
	if e.cfg.Mode == LeaseOnly || e.cfg.Predecessor != "" {
		return
	}
	e.starting.from, e.arbiter.next = e.now, e.now
	e.beginAsking()
	if e.probe.ask(e.now, startAsks) {
		e.do(Probe{Timeout: e.probeTimeout(), Asks: startAsks})
	}
	e.askPeers()
}

// asks reports whether something is asked still.
func (s *starting) asks() bool { return !s.from.IsZero() && !s.soon }

// startSoon ends the Active_Down_Timer early, once all questions are answered.
func (e *Election) startSoon() {
	switch vacant, known := e.vacant(); {
	case !e.starting.asks() || !known:
	case vacant:
		e.starting.soon = true
		e.downAt = first(e.downAt, e.now.Add(e.startWait()))
	default:
		e.starting = starting{}
		e.probe.drop() // the question before the end of the timer is another one
	}
}

// vacant reports whether nobody holds the addresses, and whether that is known yet. Silence shows something only on a link that
// forwards frames both ways (a port may block them for 30 s after its carrier came), and that does not lose them: a
// peer or the gateway has proved it. None of these peers hears a holder, and the Lease, where it can be read, is nobody's.
func (e *Election) vacant() (vacant, known bool) {
	a, p, r := &e.arbiter, e.probe.answer, &e.reach
	switch {
	case !e.heard.sign.Equal(e.starting.from) || !e.heard.announced.at.IsZero():
		return false, true
	case p == nil || r.outstanding:
		return false, false
	}
	verdict, _ := e.evidence(*p).Judge()
	reached := !r.at.Before(e.starting.from) && (len(r.last.Reached) > 0 || r.last.Gateway == Answers)
	switch {
	case verdict != Free || p.Neighbour != Nobody || p.loses(startLoss) || !reached || len(r.last.Heard) > 0:
		return false, true
	case !e.cfg.arbitrates() || a.unreachable(e.now, e.state):
		return true, true
	case a.question != none || !a.fresh(e.now):
		return false, false
	}
	return a.available(e.now), true
}

// loses reports whether more than one answer of so many did not come, of the hosts that answer at all.
func (d ProbeDone) loses(of int) bool { return of*(d.Asked-d.Heard) > d.Asked }

// startWait is the rest of the timer, which puts the nodes that start together in their order, as the skew time does.
func (e *Election) startWait() time.Duration {
	spread := min(e.cfg.AdvertisementInterval, ColdStartJitter)
	wait := time.Duration(256-int(e.priority())) * spread / 256
	if len(e.cfg.Peers) == 0 {
		wait += time.Duration(e.cfg.Jitter() * float64(spread))
	}
	return wait + e.cfg.turn()
}

// startHeard is a sign of another node: the timer is the full one again.
func (e *Election) startHeard() {
	if e.starting.soon && e.state == Backup {
		e.restartDown(e.starting.from)
	}
	if !e.starting.from.IsZero() {
		e.starting = starting{}
		e.probe.drop()
	}
}

func (e *Election) backupClaimed(AddressClaimed) { e.startHeard() }
