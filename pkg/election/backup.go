// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// becomeBackup enters Backup with a full Active_Down_Interval (RFC 9568, sections 6.4.1 and 6.4.3).
func (e *Election) becomeBackup(reason string) {
	e.probe.drop()
	e.arbiter.giveUp(e.now)
	e.presence.conflict = conflict{}
	e.become(Backup, reason)
	e.restartDown(e.now)
}

// restartDown starts the Active_Down_Timer at a time. Where equal peers are known, each takes its turn: otherwise their
// timers end together, and two take the addresses in the same millisecond. That of the holder is nobody's: it is what falls silent.
func (e *Election) restartDown(from time.Time) {
	e.downAt = from.Add(vrrp.ActiveDownInterval(e.cfg.Version, e.priority(), e.heard.interval) + e.cfg.turnWithout(e.holder()))
}

// shortenDown leaves only the skew time of the Active_Down_Timer.
func (e *Election) shortenDown() { e.downAt = e.now.Add(e.skew() + e.cfg.turn()) }

// skew returns how much longer this node waits than one of the highest priority.
func (e *Election) skew() time.Duration {
	return vrrp.SkewTime(e.cfg.Version, e.priority(), e.heard.interval)
}

// backupReceived is rows 3 to 5 (RFC 9568, section 6.4.2).
func (e *Election) backupReceived(ev Received) {
	switch priority := ev.Advertisement.Priority; {
	case priority == vrrp.PriorityRelease:
		e.released()
	case e.accepts(priority):
		e.accept(ev.Advertisement)
	case inDistress(priority) && e.witness.failed(e.holder()): // row 40: this node knows why, and needs no patience
		e.downAt = first(e.downAt, e.patienceEnds())
	}
}

// released is row 3: the holder leaves, so that only the skew time remains. The probe starts a moment later, for the first of several
// releases: a leaving holder of Harbinger answers it as such, and a keepalived has removed the addresses by then.
func (e *Election) released() {
	e.shortenDown()
	if e.heard.at.IsZero() {
		return
	}
	e.heard.at = time.Time{} // nobody is heard any more: this is no preemption
	e.probe.drop()
	e.probe.again = e.now.Add(min(leaverRemoves, e.skew()/4))
	e.arbiter.next = e.now
}

// accepts reports whether a Backup accepts a holder of a priority (row 4). A node with a healthy backend never accepts one in
// distress, whatever Preempt says: the service would stay where it is dead.
func (e *Election) accepts(priority uint8) bool {
	switch {
	case priority >= e.priority(), e.health.distress:
		return true // nodes in distress do not take from each other
	case inDistress(priority):
		return false
	}
	return !e.cfg.Preempt || e.now.Before(e.preemptAt)
}

// accept is row 4: there is a holder, and what was found out of the silence before is forgotten.
func (e *Election) accept(adv vrrp.Advertisement) {
	e.learn(adv.Interval)
	e.heard.accepted = e.now
	e.heard.hear()
	e.predecessor.settled = true
	e.probe.drop()
	e.arbiter.abdication, e.arbiter.seize.from, e.arbiter.seize.tries, e.reach.absent = abdication{}, time.Time{}, 0, 0
	e.reach.proved, e.reach.broken = time.Time{}, false
	e.restartDown(e.now)
}

// learn follows the interval of the Active router (RFC 9568, section 6.1), within bounds: with a forged one of
// 40 s this node would not notice the death of that router. Version 2 has one interval for all.
func (e *Election) learn(interval time.Duration) {
	if e.cfg.Version == vrrp.Version2 {
		return
	}
	believed := min(max(interval, shortestLearned), longestLearned)
	if believed != interval && e.heard.interval != believed {
		e.do(Alarm{Kind: IntervalClamped, Detail: fmt.Sprintf("advertised interval %s counts as %s", interval, believed)})
	}
	e.heard.interval = believed
}

// backupLeased is rows 6 and 37: what a Backup reads may invite it, or show that the silence on the wire is none of the holder.
func (e *Election) backupLeased(a answer) {
	if e.starting.asks() && a.outcome == Unanswered && !e.arbiter.unreachable(e.now, e.state) {
		e.arbiter.next = e.now
	}
	e.startSoon()
	if a.outcome != Answered {
		return
	}
	e.suspect()
	switch {
	case e.invited():
		e.acceptInvitation()
	case e.cfg.Mode == LeaseOnly && e.arbiter.available(e.now) && !e.health.distress:
		e.down()
	}
}

func (e *Election) acceptInvitation() {
	e.become(Claiming, fmt.Sprintf("preferred to %s", e.arbiter.lease.holderName()))
	e.arbiter.invited = true
	e.do(e.arbiter.bid(e.now, e.state, claiming)...)
}

// invited reports whether this node is to take over from a holder that serves (row 37): the holder names it, or it ranks
// higher and preempts. Nobody beats a claim by priority on the wire: the better node writes the next claim. It takes it from the
// holder of the Lease alone, which it hears and reaches, and not where it is cut off itself.
func (e *Election) invited() bool {
	a, l := &e.arbiter, e.arbiter.lease
	if !a.known || l.Holder == "" || a.sameNode() || e.health.distress || !e.linkUp || e.predecessor.waits() {
		return false
	}
	if l.Preferred != "" {
		return l.Preferred == e.cfg.Node
	}
	if !e.cfg.Preempt || e.now.Before(e.preemptAt) || l.Priority == 0 || e.cfg.Priority <= l.Priority || !e.heard.hearsHolder(e.now, l) {
		return false
	}
	if !e.reach.fresh(e.now) {
		e.askPeers() // the answer decides
		return false
	}
	return !e.isolated() && (len(e.cfg.others()) == 0 || e.reach.reaches(e.now, l.reachable()))
}

// suspect raises an alarm when the holder renews its Lease and is not heard.
func (e *Election) suspect() {
	h, silence := &e.heard, e.now.Sub(e.heard.accepted)
	if h.split || h.accepted.IsZero() || silence < 2*h.interval || !e.arbiter.renewed.Equal(e.now) {
		return
	}
	h.split, h.filtered = true, Unheard{Advertisements: true, Node: e.arbiter.lease.holderName()}
	e.do(Alarm{Kind: Filtered, Detail: fmt.Sprintf("%s: no advertisement for %s, but its Lease is renewed", h.filtered, silence.Round(time.Millisecond))})
}

// suspectAt returns when the Lease is to be read because the holder is not heard.
func (e *Election) suspectAt() time.Time {
	if e.cfg.Mode != Hybrid || e.arbiter.question != none {
		return time.Time{}
	}
	return e.heard.suspectAt(e.arbiter.read)
}

// doubtAt returns when the peers are to be asked because the holder is not heard: at the times of those reads, also where the API
// does not answer them.
func (e *Election) doubtAt() time.Time {
	if e.cfg.Mode != Hybrid || e.reach.outstanding {
		return time.Time{}
	}
	return e.heard.suspectAt(e.reach.asked)
}

// backupTick is rows 7 to 9. The silence counts with the rank of now, longer by a change of the skew time: a node that has just
// lost its backends is not the first to take over.
func (e *Election) backupTick(longer time.Duration) {
	if e.health.ever {
		e.downAt = e.downAt.Add(longer)
	}
	switch {
	case e.cfg.Mode == LeaseOnly: // what is read of the Lease decides
		return
	case e.due(e.downAt):
		e.down()
		return
	case e.due(e.suspectAt()):
		e.arbiter.next = e.now
	}
	if e.due(e.doubtAt()) {
		e.askPeers()
	}
	if e.due(e.preflightAt()) || e.due(e.probe.again) {
		timeout := e.probeTimeout()
		if e.heard.leaver.from.IsValid() && e.probe.asked.IsZero() {
			timeout = min(timeout, e.downAt.Sub(e.now)) // of a short skew time
		}
		e.ask(timeout)
		if !e.readInSilence() || e.isolated() { // who is not of a majority can only wait for a release, which a read shows
			e.arbiter.next = e.now
		}
	}
}

// preflightAt returns when a probe must start to be answered when the Active_Down_Timer ends (row 7).
func (e *Election) preflightAt() time.Time {
	if !e.probe.asked.IsZero() || !e.probe.again.IsZero() || e.heard.preemptable(e.now) || e.predecessor.waits() {
		return time.Time{}
	}
	lead := e.probeTimeout()
	if !e.arbiter.seize.from.IsZero() {
		lead += refusedLead
	}
	return e.downAt.Add(-lead)
}

// backupProbed asks again (row 7): a Zombie may die before the timer ends, and what kept this node from asking may end.
func (e *Election) backupProbed(ev ProbeDone) {
	if e.predecessor.waits() {
		return
	}
	if e.starting.asks() {
		e.startSoon()
		return
	}
	if verdict, _ := e.evidence(ev).Judge(); verdict == Zombie || verdict == Unasked {
		e.probe.again = e.reprobeZombie()
	}
}

// down is the end of the Active_Down_Timer. A holder that is heard was ignored on purpose and is preempted (row 8); silence
// must be confirmed by the probe (row 9).
func (e *Election) down() {
	switch preempts := e.heard.preemptable(e.now); {
	case e.predecessor.waits():
		e.standBy()
	case preempts && e.health.distress:
		e.heard.accepted = e.heard.at // by this node, which was not in distress then
		e.become(Backup, "in distress")
		e.restartDown(e.heard.at)
	case preempts && e.now.Before(e.patienceEnds()):
		e.become(Backup, "holder in distress")
		e.restartDown(e.heard.at) // patience ends with its silence
		if ends := e.patienceEnds(); ends.Before(e.downAt) {
			e.downAt = ends
		}
	case preempts && e.worse():
		e.become(Backup, "holder not reached by clients, and neither would this node be, as far as it knows")
		e.downAt = e.now.Add(retryLive)
	case preempts:
		e.take(fmt.Sprintf("preempted %s of priority %d", e.heard.holder, e.heard.priority))
	case e.probe.fresh(e.now):
		e.judge()
	default:
		e.become(Claiming, "no advertisement heard")
		e.ask(e.probeTimeout())
	}
}

// patienceEnds returns until when a holder in distress is accepted, the longer the lower the rank: for a while, and until this
// node, whose backends may just have failed as well, knows whether it is better off (row 8).
func (e *Election) patienceEnds() time.Time {
	from := e.heard.sick
	if from.IsZero() {
		return time.Time{}
	}
	if e.health.sound.After(from) {
		from = e.health.sound
	}
	patience := e.heard.patience()
	if e.witness.failed(e.holder()) {
		patience = 0 // this node knows why
	}
	until := from.Add(patience + e.skew() + e.cfg.turn())
	if due := e.health.turns(); !e.health.healthy && due.After(until) {
		return due
	}
	return until
}

// bears reports whether a holder in distress that is not heard, but says that it lives, is accepted still (row 16). Where frames are
// lost, its silence is an accident, and its distress may be one.
func (e *Election) bears() bool {
	if h := &e.heard; h.sick.IsZero() && h.lossy() {
		h.sick = e.now
	}
	return e.now.Before(e.patienceEnds())
}
