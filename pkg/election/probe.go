// SPDX-License-Identifier: Apache-2.0

package election

import (
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// probe is the question who serves the virtual addresses. One is under way at most; an answer that belongs to an earlier
// silence is thrown away.
type probe struct {
	outstanding bool
	obsolete    bool      // the outstanding one
	asked       time.Time // the question of this silence, zero: not yet
	again       time.Time // ask again then
	answer      *ProbeDone
	free        int // in Conflict: verdicts Free in a row
}

// drop forgets what was found out: somebody was heard.
func (p *probe) drop() {
	*p = probe{outstanding: p.outstanding, obsolete: p.outstanding}
}

// probeTimeout bounds a probe. It is short beside the interval, as the takeover waits for it.
func (e *Election) probeTimeout() time.Duration { return min(longestProbe, e.heard.interval) }

// ask starts a probe, unless one is under way: the answer to it counts, or leads to the next.
func (e *Election) ask(timeout time.Duration) {
	p := &e.probe
	p.again = time.Time{}
	if p.outstanding && !p.obsolete {
		return
	}
	p.asked = e.now
	if !p.outstanding {
		p.outstanding = true
		e.do(Probe{Timeout: timeout})
	}
}

// probeDone takes an answer. One that took so long that the process cannot have run meanwhile says nothing of now.
func (e *Election) probeDone(ev ProbeDone) {
	p := &e.probe
	useless := p.obsolete || e.now.Sub(p.asked) > verdictAge
	p.outstanding, p.obsolete = false, false
	switch e.state {
	case Backup, Claiming, Conflict, Seizing:
	default:
		return
	}
	if useless {
		if !p.asked.IsZero() {
			e.ask(e.probeTimeout())
		}
		return
	}
	p.answer = &ev
	switch {
	case e.state == Conflict:
		e.judgeConflict(ev)
	case e.state == Claiming && e.arbiter.waiting:
	case e.state == Claiming:
		e.judge()
	case e.state == Seizing:
		p.again = e.now.Add(retryLive)
		e.tickSeizing()
	case ev.Verdict == Zombie, ev.Verdict == Unasked:
		p.again = e.now.Add(reprobeZombie) // a Zombie may die before the timer ends, and what kept this node from asking may end
	}
}

// fresh reports whether there is a verdict that tells of now.
func (p *probe) fresh(now time.Time) bool {
	return p.answer != nil && now.Sub(p.asked) <= verdictAge
}

// judge decides on a fresh verdict, after the end of the Active_Down_Timer.
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

// served: the holder lives, only its advertisements do not arrive. Taking the addresses would make two holders.
func (e *Election) served(a ProbeDone) {
	if !e.heard.split && e.cfg.Mode != LeaseOnly {
		e.do(Alarm{Kind: SplitSuspected, Detail: "no advertisement heard, but the virtual address is served: is protocol 112 filtered? " + a.Detail, Owner: a.Owner})
	}
	e.heard.split, e.heard.sign = e.cfg.Mode != LeaseOnly, e.now
	e.seize.from = time.Time{}
	e.probe.drop()
	e.become(Backup, "virtual address is served by another node")
	e.downAt = e.now.Add(retryLive)
}

// judgeZombie waits until the kernel of a dead or frozen holder has dropped the addresses. What answers longer is a peer
// whose addresses do not expire, as keepalived's, and is overruled as VRRP would; or a foreign host, and is not.
//
// A node that could not ask waits as long, as there may be a dead holder. Then it decides by what it did hear, as VRRP does
// (RFC 9568, section 6.4.2): silence of the advertisements, and no foreign host that answers for the address.
func (e *Election) judgeZombie(a ProbeDone) {
	found := "a dead or frozen holder still has the addresses"
	if a.Verdict == Unasked {
		found = "the virtual address could not be asked: " + a.Detail
	}
	switch {
	case e.now.Before(e.expired()):
		e.become(Claiming, "no advertisement heard, "+found)
		e.probe.again = e.now.Add(reprobeZombie)
	case a.foreignHost():
		e.becomeConflict(a)
	default:
		e.take("no advertisement heard, " + found)
	}
}

// foreignHost reports whether a host that is no peer answers for the virtual address without serving it. A connection that is
// refused or left unanswered shows one, whether its hardware address is known or not; where nobody could be asked, that does.
func (e ProbeDone) foreignHost() bool {
	return !e.KnownOwner && (e.Verdict == Zombie || e.Verdict == Unasked && e.Owner != "")
}

// who describes the host that was found at the virtual address.
func (e ProbeDone) who() string {
	if e.Owner == "" {
		return e.Detail
	}
	return e.Owner + ": " + e.Detail
}

// expired is when the kernel of a holder that died unseen has dropped the addresses at the latest. Its last refresh was the
// last one before the advertisement that did not come.
func (e *Election) expired() time.Time {
	lastRefresh := e.heard.sign.Add(e.heard.interval - e.refreshEvery())
	return lastRefresh.Add(e.cfg.Lifetime + kernelSlack)
}

// becomeConflict: the addresses are never taken from a host that is not of this virtual router.
func (e *Election) becomeConflict(a ProbeDone) {
	e.giveUp()
	e.foreignHolder(a)
	e.probe.free = 0
	e.probe.again = e.now.Add(reprobeForeign)
}

// foreignHolder says in alarm, state and status whom the newest answer found.
func (e *Election) foreignHolder(a ProbeDone) {
	e.do(Alarm{Kind: ForeignHolder, Detail: "a host that is no peer holds the virtual address: " + a.who(), Owner: a.Owner})
	e.become(Conflict, "foreign holder: "+a.who())
	e.conflict.with, e.conflict.owner = a.who(), a.Owner
}

// judgeConflict looks for the end of a conflict: two verdicts Free in a row, or a host of this cluster. After the first,
// only the skew time remains, as after a release: the silence has been long enough.
func (e *Election) judgeConflict(a ProbeDone) {
	p := &e.probe
	switch {
	case a.Verdict == Free && p.free > 0:
		e.becomeBackup("foreign holder has gone")
		e.downAt = e.now.Add(vrrp.SkewTime(e.cfg.Version, e.priority(), e.heard.interval) + e.turn())
		return
	case a.Verdict == Free:
		p.free++
	case a.Verdict == Live, a.Verdict == LiveDistress, a.Verdict == Zombie && a.KnownOwner:
		e.becomeBackup("a peer holds the virtual address")
		return
	case a.Verdict == Unasked:
		p.free = 0
	default:
		p.free = 0
		e.foreignHolder(a)
	}
	p.again = e.now.Add(reprobeForeign)
}
