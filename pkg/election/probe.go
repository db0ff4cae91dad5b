// SPDX-License-Identifier: Apache-2.0

package election

import "time"

// probe is the question who serves the virtual addresses. One is under way at most; an answer that belongs to an earlier
// silence is thrown away.
type probe struct {
	outstanding bool
	obsolete    bool      // the outstanding one
	asked       bool      // in this silence
	again       time.Time // ask again then
	answer      *ProbeDone
	answered    time.Time
	zombie      time.Time // since when a kernel answers, but no holder
	free        int       // in Conflict: verdicts Free in a row
}

// drop forgets what was found out: somebody was heard.
func (p *probe) drop() {
	*p = probe{outstanding: p.outstanding, obsolete: p.outstanding}
}

// probeTimeout bounds a probe. It is short beside the interval, as the takeover waits for it.
func (e *Election) probeTimeout() time.Duration { return min(longestProbe, e.heard.interval) }

// ask starts a probe, unless one is under way: its answer leads to the next.
func (e *Election) ask(timeout time.Duration) {
	e.probe.asked, e.probe.again = true, time.Time{}
	if !e.probe.outstanding {
		e.probe.outstanding = true
		e.do(Probe{Timeout: timeout})
	}
}

// probeDone takes an answer.
func (e *Election) probeDone(ev ProbeDone) {
	obsolete := e.probe.obsolete
	e.probe.outstanding, e.probe.obsolete = false, false
	switch e.state {
	case Backup, Claiming, Conflict:
	default:
		return
	}
	if obsolete {
		if e.probe.asked {
			e.ask(e.probeTimeout())
		}
		return
	}
	e.probe.answer, e.probe.answered = &ev, e.now
	if ev.Verdict != Zombie {
		e.probe.zombie = time.Time{}
	} else if e.probe.zombie.IsZero() {
		e.probe.zombie = e.now
	}
	switch {
	case e.state == Conflict:
		e.judgeConflict(ev)
	case e.state == Claiming:
		e.judge()
	case ev.Verdict == Zombie:
		e.probe.again = e.now.Add(reprobeZombie) // it may die before the timer ends
	}
}

// fresh reports whether there is a verdict that tells of now.
func (p *probe) fresh(now time.Time) bool {
	return p.answer != nil && now.Sub(p.answered) <= verdictAge
}

// judge decides on a fresh verdict, after the end of the Active_Down_Timer.
func (e *Election) judge() {
	switch a := *e.probe.answer; a.Verdict {
	case Free:
		e.becomeActive("no advertisement heard, virtual address free")
	case LiveDistress:
		if e.health.distress {
			e.served(a)
		} else {
			e.becomeActive("no advertisement heard, holder in distress")
		}
	case Live:
		e.served(a)
	case Zombie:
		e.judgeZombie(a)
	case Foreign:
		e.becomeConflict(a.Detail)
	}
}

// served: the holder lives, only its advertisements do not arrive. Taking the addresses would make two holders.
func (e *Election) served(a ProbeDone) {
	if !e.heard.split {
		e.do(Alarm{SplitSuspected, "no advertisement heard, but the virtual address is served: is protocol 112 filtered? " + a.Detail})
	}
	e.heard.split = true
	e.probe.drop()
	e.become(Backup, "virtual address is served by another node")
	e.downAt = e.now.Add(retryLive)
}

// judgeZombie waits until the kernel of a dead or frozen holder has dropped the addresses. What answers longer is a peer
// whose addresses do not expire, as keepalived's, and is overruled as VRRP would; or a foreign host, and is not.
func (e *Election) judgeZombie(a ProbeDone) {
	expired := e.probe.zombie.Add(e.cfg.Lifetime + kernelSlack)
	if a.KnownOwner && !e.heard.accepted.IsZero() {
		// its last refresh came at most half an interval after its last advertisement
		expired = e.heard.accepted.Add(e.cfg.Lifetime + kernelSlack + e.heard.interval/2)
	}
	switch {
	case e.now.Before(expired):
		e.become(Claiming, "no advertisement heard, a dead or frozen holder still has the addresses")
		e.probe.again = e.now.Add(reprobeZombie)
	case a.KnownOwner:
		e.becomeActive("no advertisement heard, dead holder still has the addresses")
	default:
		e.becomeConflict(a.Detail)
	}
}

// becomeConflict: the addresses are never taken from a host that is not of this virtual router.
func (e *Election) becomeConflict(detail string) {
	e.do(Alarm{ForeignHolder, "a host that is no peer holds the virtual address: " + detail})
	e.become(Conflict, "foreign holder: "+detail)
	e.probe.free = 0
	e.probe.again = e.now.Add(reprobeForeign)
}

// judgeConflict looks for the end of a conflict: two verdicts Free in a row, or a host of this cluster.
func (e *Election) judgeConflict(a ProbeDone) {
	switch {
	case a.Verdict == Free:
		e.probe.free++
	case a.Verdict == Live, a.Verdict == LiveDistress, a.Verdict == Zombie && a.KnownOwner:
		e.probe.free = 2
	default:
		e.probe.free = 0
		e.do(Alarm{ForeignHolder, "a host that is no peer holds the virtual address: " + a.Detail})
	}
	if e.probe.free >= 2 {
		e.becomeBackup("foreign holder has gone")
		return
	}
	e.probe.again = e.now.Add(reprobeForeign)
}
