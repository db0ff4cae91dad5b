// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// becomeBackup enters Backup with a full Active_Down_Interval (RFC 9568, section 6.4.1 and 6.4.3).
func (e *Election) becomeBackup(reason string) {
	e.probe.drop()
	e.giveUp()
	e.conflict = conflict{}
	e.become(Backup, reason)
	e.restartDown(e.now)
}

// giveUp ends the claim of this node. Where its Lease still names it, it is released.
func (e *Election) giveUp() {
	e.claim, e.seize.tries, e.seize.from = claim{}, 0, time.Time{}
	if e.ours() {
		e.arbiter.next = e.now
	}
}

// restartDown sets the Active_Down_Timer. Where equal peers are known, each takes its turn: their timers end together
// otherwise, and two would take the addresses in the same millisecond.
func (e *Election) restartDown(from time.Time) {
	e.downAt = from.Add(vrrp.ActiveDownInterval(e.cfg.Version, e.priority(), e.heard.interval) + e.turn())
}

// skew is how much longer this node waits than one of the highest priority.
func (e *Election) skew() time.Duration {
	return vrrp.SkewTime(e.cfg.Version, e.priority(), e.heard.interval)
}

// turn is the delay of this node among its peers: the highest address first, as in the tie-break of RFC 9568. All turns
// together are short beside the interval.
func (e *Election) turn() time.Duration {
	var rank time.Duration
	others := e.others()
	for _, peer := range others {
		if e.own(peer).Less(peer) {
			rank++
		}
	}
	return rank * min(rankStep, e.cfg.AdvertisementInterval/10/time.Duration(max(1, len(others))))
}

// others are the other nodes, by their addresses of the first family; the other family has the same nodes.
func (e *Election) others() []netip.Addr {
	return slices.DeleteFunc(slices.Clone(e.cfg.Peers), func(peer netip.Addr) bool {
		own := e.own(peer)
		return own != e.cfg.Primary[0] || own == peer
	})
}

// own returns the own address of the family of another.
func (e *Election) own(other netip.Addr) netip.Addr {
	for _, p := range e.cfg.Primary {
		if p.Is6() == other.Is6() {
			return p
		}
	}
	return netip.Addr{}
}

// received is an advertisement in any state.
func (e *Election) received(ev Received) {
	if ev.Source == e.own(ev.Source) {
		e.do(Alarm{Kind: DuplicateAddress, Detail: fmt.Sprintf("advertisement from our own address %s: does another host have it?", ev.Source)})
		return
	}
	e.note(ev)
	switch e.state {
	case Backup, Claiming, Conflict:
		e.receivedBackup(ev)
	case Active:
		e.receivedActive(ev)
	case Seizing:
		e.receivedSeizing(ev)
	case Leaving:
		if ev.Advertisement.Priority != vrrp.PriorityRelease {
			e.succeeded()
		}
	}
}

// note remembers who was heard.
func (e *Election) note(ev Received) {
	h := &e.heard
	h.sign, h.ever = e.now, true
	priority := ev.Advertisement.Priority
	switch claim, known := h.claims[ev.Source]; {
	case priority == vrrp.PriorityRelease && known && e.own(ev.Source) == e.cfg.Primary[0]:
		e.abdication = abdication{from: ev.Source, priority: claim, at: e.now}
	case e.arbitrates() && inClaim(priority):
		h.claims[ev.Source] = priority
	case priority != vrrp.PriorityRelease:
		delete(h.claims, ev.Source)
	}
	if priority == vrrp.PriorityRelease {
		return
	}
	switch {
	case !inDistress(priority):
		h.sick = time.Time{}
	case h.sick.IsZero() && e.now.Sub(h.at) > 2*h.interval: // it took the address in distress, and is borne with no longer
		h.sick = e.now.Add(-distressPatience)
	case h.sick.IsZero():
		h.sick = e.now
	}
	h.holder, h.priority, h.at = ev.Source, priority, e.now
	if e.own(ev.Source) == e.cfg.Primary[0] {
		h.first = e.now
	}
}

// receivedBackup implements RFC 9568, section 6.4.2, for advertisements.
func (e *Election) receivedBackup(ev Received) {
	adv := ev.Advertisement
	switch {
	case adv.Priority == vrrp.PriorityRelease:
		if e.state == Backup {
			e.released()
		}
	case e.defersTo(adv.Priority):
		e.learn(adv.Interval)
		e.heard.accepted, e.heard.split = e.now, false
		e.probe.drop()
		e.abdication, e.seize.from, e.seize.tries = abdication{}, time.Time{}, 0
		if e.state != Backup && !(e.arbiter.invited && !newer(adv.Priority, claimPriority(e.arbiter.lease.Epoch))) {
			e.become(Backup, fmt.Sprintf("heard %s with priority %d", ev.Source, adv.Priority))
		}
		e.restartDown(e.now)
	}
}

// released: the holder leaves, so that only the skew time remains. The probe starts at once, for the first of several
// releases: a leaving holder says so.
func (e *Election) released() {
	skew := e.skew()
	e.downAt = e.now.Add(skew + e.turn())
	if e.heard.at.IsZero() {
		return
	}
	e.heard.at = time.Time{} // nobody is heard any more: this is no preemption
	e.probe.drop()
	e.ask(min(e.probeTimeout(), skew))
	e.arbiter.next = e.now
}

// defersTo reports whether a Backup gives way to a priority. A node with a healthy backend never defers to one in distress,
// whatever Preempt says: the service would stay where it is dead.
func (e *Election) defersTo(priority uint8) bool {
	own := e.priority()
	switch {
	case priority >= own, e.health.distress:
		return true // nodes in distress do not take from each other
	case inDistress(priority):
		return false
	}
	return !e.cfg.Preempt || e.now.Before(e.preemptAt)
}

// learn follows the interval of the Active router (RFC 9568, section 6.1), within bounds: a forged one of 40 s would make
// this node deaf to its death. Version 2 has one interval for all.
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

// tickBackup meets the deadlines of Backup: the probe shortly before the Active_Down_Timer, and the timer.
func (e *Election) tickBackup() {
	if e.cfg.Mode == LeaseOnly {
		return // what is read of the Lease decides
	}
	if e.due(e.downAt) {
		e.down()
		return
	}
	if e.due(e.suspectAt()) {
		e.arbiter.next = e.now
	}
	if e.due(e.preflightAt()) || e.due(e.probe.again) {
		e.ask(e.probeTimeout())
		e.arbiter.next = e.now
	}
}

// preflightAt is when a probe must start to be answered when the Active_Down_Timer ends.
func (e *Election) preflightAt() time.Time {
	if !e.probe.asked.IsZero() || e.preempting() {
		return time.Time{}
	}
	lead := e.probeTimeout()
	if !e.seize.from.IsZero() {
		lead += refusedLead
	}
	return e.downAt.Add(-lead)
}

// bearsUntil is how long a holder in distress is borne with, the longer the lower the rank: for a while, and until this
// node, whose backends may just have failed as well, knows whether it is better off.
func (e *Election) bearsUntil() time.Time {
	from := e.heard.sick
	if from.IsZero() {
		return time.Time{}
	}
	if e.health.sound.After(from) {
		from = e.health.sound
	}
	until := from.Add(distressPatience + e.skew() + e.turn())
	if due := e.health.due(); !e.health.healthy && due.After(until) {
		return due
	}
	return until
}

// preempting reports whether a holder is heard that this node does not give way to.
func (e *Election) preempting() bool {
	return e.heard.at.After(e.heard.accepted) && e.now.Sub(e.heard.at) < 3*e.heard.interval
}

// down is the end of the Active_Down_Timer. A holder that is heard was ignored on purpose and is preempted; silence must be
// confirmed by the probe.
func (e *Election) down() {
	switch {
	case e.preempting() && e.health.distress:
		e.heard.accepted = e.heard.at // by this node, which was not in distress then
		e.become(Backup, "in distress")
		e.restartDown(e.heard.at)
	case e.preempting() && e.now.Before(e.bearsUntil()):
		e.become(Backup, "holder in distress")
		e.downAt = e.bearsUntil()
	case e.preempting():
		e.take(fmt.Sprintf("preempted %s of priority %d", e.heard.holder, e.heard.priority))
	case e.probe.fresh(e.now):
		e.judge()
	default:
		e.become(Claiming, "no advertisement heard")
		e.ask(e.probeTimeout())
	}
}
