// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// probeTimeout bounds a probe. It is no longer than the interval, as the takeover waits for it.
func (e *Election) probeTimeout() time.Duration { return min(LongestProbe, e.heard.interval) }

// ask starts a probe, unless one is under way.
func (e *Election) ask(timeout time.Duration) {
	if e.probe.ask(e.now) {
		e.do(Probe{Timeout: timeout})
	}
}

// askAgain probes again where an answer has said so: rows 12, 13 and 39.
func (e *Election) askAgain(time.Duration) {
	if e.due(e.probe.again) {
		e.ask(e.probeTimeout())
	}
}

// claimingReceived is row 10. A node that the holder has invited goes on although it hears the holder, unless it hears a newer
// claim.
func (e *Election) claimingReceived(ev Received) {
	priority := ev.Advertisement.Priority
	if priority == vrrp.PriorityRelease || !e.accepts(priority) {
		return
	}
	e.accept(ev.Advertisement)
	if !e.arbiter.invited || newer(priority, claimPriority(e.arbiter.lease.Epoch)) {
		e.become(Backup, fmt.Sprintf("heard %s with priority %d", ev.Source, priority))
	}
}

// claimingProbed decides, unless the Lease decides now.
func (e *Election) claimingProbed(ProbeDone) {
	if !e.arbiter.waiting {
		e.judge()
	}
}

// judge decides on a fresh verdict, after the end of the Active_Down_Timer: rows 11 to 13 and 16.
func (e *Election) judge() {
	switch a := *e.probe.answer; a.Verdict {
	case Free:
		e.take("no advertisement heard, virtual address free")
	case LiveDistress:
		if e.health.distress {
			e.served(a)
		} else {
			e.take("no advertisement heard, holder in distress")
		}
	case Live:
		e.served(a)
	case Zombie, Unasked:
		e.judgeZombie(a)
	case Foreign:
		e.becomeConflict(a)
	}
}

// served is row 11: the holder lives, only its advertisements do not arrive. Taking the addresses would make two holders.
func (e *Election) served(a ProbeDone) {
	if !e.heard.split && e.cfg.Mode != LeaseOnly {
		e.do(Alarm{Kind: SplitSuspected, Detail: "no advertisement heard, but the virtual address is served: is protocol 112 filtered? " + a.Detail, Owner: a.Owner})
	}
	e.heard.split, e.heard.sign = e.cfg.Mode != LeaseOnly, e.now
	e.arbiter.seize.from = time.Time{}
	e.probe.drop()
	e.become(Backup, "virtual address is served by another node")
	e.downAt = e.now.Add(retryLive)
}

// judgeZombie is rows 12 and 13: it waits until the kernel of a dead or frozen holder has dropped the addresses. What answers
// longer is a peer whose addresses do not expire, as keepalived's, and is overruled as VRRP would; or a foreign host, and is
// not.
//
// A node that could not ask waits as long, as there may be a dead holder. Then it decides by what it did hear, as VRRP does
// (RFC 9568, section 6.4.2): silence of the advertisements, and no foreign host that answers for the address.
func (e *Election) judgeZombie(a ProbeDone) {
	waiting, taking := "a dead or frozen holder still has the addresses", "dead holder still has the addresses"
	if a.Verdict == Unasked {
		waiting = "the virtual address could not be asked: " + a.Detail
		taking = waiting
	}
	switch {
	case e.now.Before(e.heard.expired(&e.cfg)):
		e.become(Claiming, "no advertisement heard, "+waiting)
		e.probe.again = e.now.Add(reprobeZombie)
	case a.foreignHost():
		e.becomeConflict(a)
	default:
		e.take("no advertisement heard, " + taking)
	}
}

// foreignHost reports whether a host that is no peer answers for the virtual address without serving it. A connection that is
// refused or left unanswered shows one, whether its hardware address is known or not; where nobody could be asked, only the
// hardware address does.
func (d ProbeDone) foreignHost() bool {
	return !d.KnownOwner && (d.Verdict == Zombie || d.Verdict == Unasked && d.Owner != "")
}

// take is a takeover that the wire allows: rows 14 to 16. The Lease has the last word where it can be read; where it cannot,
// the wire has.
func (e *Election) take(reason string) {
	a := &e.arbiter
	switch {
	case !e.cfg.arbitrates():
		e.becomeActive(reason)
	case e.cfg.Mode == Hybrid && a.unreachable(e.now, e.state):
		e.becomeActive(fmt.Sprintf("%s, Lease not readable: %s", reason, a.failure))
	case a.question != none || !a.fresh(e.now):
		e.become(Claiming, reason)
		a.waiting, a.next = true, e.now
		e.consult()
	case !a.available(e.now):
		e.refuse()
	default:
		e.become(Claiming, reason)
		e.do(a.bid(e.now, e.state, claiming)...)
	}
}

// refuse is row 15: another node keeps its Lease fresh. A silent holder whose address nobody serves is given some time.
func (e *Election) refuse() {
	a, s := &e.arbiter, &e.arbiter.seize
	if s.from.IsZero() {
		s.from = e.now
	}
	free := e.probe.answer != nil && e.probe.answer.Verdict == Free
	if free && a.maySeize(e.now) && !e.heard.preemptable(e.now) && !e.health.distress {
		s.from, s.epoch, s.tries = time.Time{}, a.lease.Epoch, 0
		e.become(Claiming, fmt.Sprintf("seizing the Lease of %s, which serves nobody", a.lease.holderName()))
		e.do(a.trySeize(e.now)...)
		return
	}
	e.probe.drop()
	e.become(Backup, fmt.Sprintf("the Lease of %s is fresh", a.lease.holderName()))
	e.downAt = e.now.Add(a.retryAfterRefusal(e.now))
}

// claimingLeased is rows 14 to 17 and 19. A claim that was not answered may be carried out later: then this node finds itself
// the holder of an epoch that it does not know (F14).
func (e *Election) claimingLeased(to answer) {
	a, s, asked, o := &e.arbiter, &e.arbiter.seize, to.asked, to.outcome
	switch {
	case !a.waiting: // for the probe
	case asked == claiming && a.won(e.now, o):
		e.won()
	case asked == seizing && a.won(e.now, o):
		e.becomeSeizing()
	case asked == seizing && o == Refused:
		e.do(a.ask(e.now)...)
	case asked == reading && o == Answered && s.tries > 0 && s.tries < seizeRetries && a.lease.Epoch == s.epoch:
		e.do(a.trySeize(e.now)...)
	case a.invited:
		e.become(Backup, "the Lease was not given over")
	default:
		s.tries, a.waiting = 0, false
		if e.now.Sub(e.probe.asked) > 2*LongestProbe {
			e.probe.answer = nil // the address is asked again: the Lease took its time
		}
		e.down()
	}
}

// won is row 17. From a holder that serves, but does not hear this node, the addresses are taken only after it has seen its
// loss.
func (e *Election) won() {
	if e.arbiter.invited && !e.heard.hearsClaim(e.now) {
		e.becomeSeizing()
		return
	}
	e.arbiter.claim.epoch = e.arbiter.lease.Epoch
	e.becomeActive(e.reason)
}
