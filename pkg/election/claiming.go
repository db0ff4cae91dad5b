// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// probeTimeout bounds a probe. The takeover waits for it: it is short enough to begin when the fence of a holder that died must be
// closed, which is two intervals after its last renewal, half an interval after its last advertisement (F29).
func (e *Election) probeTimeout() time.Duration {
	interval := e.heard.interval
	return min(LongestProbe, interval/2+min(answerSlack, interval/5))
}

// ask starts a probe, unless one is under way.
func (e *Election) ask(timeout time.Duration) { e.askOften(timeout, fewestAsks) }

func (e *Election) askOften(timeout time.Duration, asks int) {
	e.beginAsking()
	if e.probe.ask(e.now, asks) {
		e.do(Probe{Timeout: timeout, Asks: asks})
		if e.cfg.arbitrates() {
			e.askPeers()
		}
	}
}

// claimingTick is row 17 of a takeover that the Lease does not answer in time, and askAgain.
func (e *Election) claimingTick(longer time.Duration) {
	if e.arbiter.waiting && e.due(e.probe.silence.due) {
		e.hurry()
		return
	}
	e.askAgain(longer)
}

// reprobeZombie returns when a Zombie is asked again.
func (e *Election) reprobeZombie() time.Time {
	return e.now.Add(min(reprobeZombie, e.heard.interval/2))
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

// evidence returns what is known of the holder that is not heard.
func (e *Election) evidence(a ProbeDone) Evidence {
	v, h := a.Evidence(), &e.heard
	v.Announced, v.Released = h.announces(e.now, a.Owner), h.released(e.now, &e.cfg, a.Peer)
	v.Lasting = e.now.Before(h.expired(&e.cfg))
	v.Lingering = v.Lasting || !h.served.IsZero() && e.now.Before(e.cfg.expires(h.served.Add(retryLive+LongestProbe)))
	return v
}

// judge decides on fresh evidence, after the end of the Active_Down_Timer: rows 11 to 13 and 16.
func (e *Election) judge() {
	a := *e.probe.answer
	evidence := e.evidence(a)
	verdict, why := evidence.Judge()
	if (verdict == Live || verdict == Served || verdict == Abandoned) && e.challenge.lately(e.now, e.heard.interval) {
		e.proved()
		return
	}
	switch verdict {
	case Live:
		e.served(a, verdict, why)
	case Served:
		if e.predecessor.leaving() {
			e.leftBehind(a, why)
			return
		}
		e.served(a, verdict, why)
	case LiveDistress:
		if e.health.distress || e.bears() {
			e.served(a, verdict, why)
			return
		}
		e.take("no advertisement heard, holder in distress")
	case Foreign:
		if e.predecessor.leaving() {
			e.leftBehind(a, why)
			return
		}
		e.becomeConflict(a)
	case Zombie:
		e.await(why)
	case Unasked:
		why = "the virtual address could not be asked: " + a.Detail
		if evidence.Lingering { // who served a moment ago may do so still
			e.await(why)
			return
		}
		e.takeUnlessAnnounced(a, why)
	case Free:
		if !e.asksOn(a) {
			e.takeUnlessAnnounced(a, "virtual address free")
		}
	case Abandoned:
		e.takeUnlessAnnounced(a, why)
	}
}

// takeUnlessAnnounced takes the addresses, unless another node has announced them since they were asked for: nodes that do not
// hear each other's advertisements take their turns by that.
func (e *Election) takeUnlessAnnounced(a ProbeDone, why string) {
	if n := e.heard.announced; n.at.After(e.probe.silence.from) && n.owner != a.Owner {
		e.become(Claiming, "no advertisement heard, but "+n.owner+" announced the virtual address")
		e.probe.drop()
		e.ask(e.probeTimeout())
		return
	}
	e.take("no advertisement heard, " + why)
}

// proved is row 11 of a holder whose advertisements arrive, but do not count, as the Lease is not its own: it serves.
func (e *Election) proved() {
	e.heard.hear()
	e.probe.drop()
	e.arbiter.seize.from = time.Time{}
	e.become(Backup, fmt.Sprintf("%s advertises and serves the virtual address, without the Lease", e.challenge.from))
	e.restartDown(e.now)
}

// await is row 12: it waits until the kernel of a dead or frozen holder has dropped the addresses.
func (e *Election) await(why string) {
	e.become(Claiming, "no advertisement heard, "+why)
	e.probe.again = e.reprobeZombie()
}

// served is row 11: the holder lives, only its advertisements do not arrive. Taking the addresses would make two holders. What a
// process says of itself is a sign of life; that a kernel reacts is none, as it may outlive the process.
func (e *Election) served(a ProbeDone, verdict Verdict, why string) {
	h := &e.heard
	if e.cfg.Mode != LeaseOnly {
		found := Unheard{Advertisements: true, Identity: verdict == Served && a.Identity != CouldNotAsk, Owner: a.Owner, Peer: a.Peer}
		if !h.split || h.filtered != found {
			e.do(Alarm{Kind: Filtered, Detail: found.String() + ": " + why + " (" + a.Detail + ")", Owner: a.Owner})
		}
		h.split, h.filtered = true, found
	}
	if verdict == Served {
		h.served = e.now
	} else {
		h.sign = e.probe.came // it waited for the end of the timer
	}
	e.arbiter.seize.from = time.Time{}
	e.probe.drop()
	e.become(Backup, "virtual address is served by another node")
	e.downAt = e.now.Add(retryLive)
	if until := h.announced.until(); verdict == Served && e.now.Before(until) { // it may be all that shows a holder
		e.downAt = first(e.downAt, until.Add(e.cfg.turn()))
	}
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
		e.patient()
		a.waiting, a.next = true, e.now
		e.consult()
	case !a.available(e.now):
		e.takeFresh(reason)
	case e.reach.nobody(e.now) && !a.sameNode() && e.now.Before(a.first.Add(lonelyWait)): // others may claim it, who are not cut off
		e.probe.drop()
		e.become(Backup, "nobody is reached: the Lease is left to others for a while")
		e.downAt = a.first.Add(lonelyWait)
	default:
		e.become(Claiming, reason)
		e.patient()
		e.do(a.bid(e.now, e.state, claiming)...)
	}
}

// refuse is row 15: another node keeps its Lease fresh. A silent holder whose address nobody serves is given some time.
func (e *Election) refuse() {
	a, s := &e.arbiter, &e.arbiter.seize
	if s.from.IsZero() {
		s.from = e.now
	}
	if e.free() && a.maySeize(e.now, e.cutOff()) && !e.isolated() && !e.vetoed() && !e.heard.preemptable(e.now) && !e.health.distress {
		s.from, s.epoch, s.tries = time.Time{}, a.lease.Epoch, 0
		e.become(Claiming, fmt.Sprintf("seizing the Lease of %s, which serves nobody", a.lease.holderName()))
		e.do(a.trySeize(e.now)...)
		return
	}
	e.probe.drop()
	e.become(Backup, fmt.Sprintf("the Lease of %s is fresh", a.lease.holderName()))
	e.downAt = e.now.Add(a.retryAfterRefusal(e.now))
}

// free reports whether the channels were asked, and nobody has the addresses.
func (e *Election) free() bool {
	if e.probe.answer == nil {
		return false
	}
	verdict, _ := e.evidence(*e.probe.answer).Judge()
	return verdict == Free
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
