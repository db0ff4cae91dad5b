// SPDX-License-Identifier: Apache-2.0

package election

import (
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// startup is row 1.
func (e *Election) startup() {
	if e.started {
		return
	}
	e.started, e.linkUp = true, true
	e.arbiter.next, e.predecessor.next = e.now, e.now
	e.health.changed(e.now, false)
	e.listen("started")
}

// listen enters Backup without knowing of any other node (RFC 9568, section 6.4.1): row 1. Where no node was ever heard and
// none is configured, chance separates the timers of nodes that boot at once.
func (e *Election) listen(reason string) {
	alone := !e.heard.ever && len(e.cfg.Peers) == 0
	e.witness.unanswered = false
	e.heard = heard{interval: e.cfg.AdvertisementInterval, sign: e.now, ever: e.heard.ever}
	e.reach.proved, e.reach.broken = time.Time{}, false
	e.preemptAt = e.now.Add(e.cfg.PreemptDelay)
	e.do(e.releases()) // what a crash may have left
	e.becomeBackup(reason)
	if alone {
		e.downAt = e.downAt.Add(time.Duration(e.cfg.Jitter() * float64(ColdStartJitter)))
	}
	e.askAtStart()
}

// linkChanged is rows 1 and 2: without a link nobody can be served, and nobody hears whether that changes.
func (e *Election) linkChanged(up bool) {
	if !e.started || e.linkUp == up {
		return
	}
	e.linkUp = up
	switch {
	case up:
		e.listen("link up")
	case e.state == Leaving && !e.leave.stays:
		e.finish("link down")
	default:
		if e.state == Active {
			e.do(Advertise{Priority: vrrp.PriorityRelease}) // where only the own address was lost, it is heard
		}
		e.do(e.releases())
		e.becomeInitialize("link down")
	}
}

// becomeInitialize enters the state of a link that is down and of a finished election (RFC 9568, section 6.4.1).
func (e *Election) becomeInitialize(reason string) {
	e.probe.drop()
	e.arbiter.giveUp(e.now)
	e.become(Initialize, reason)
}

// stopped is row 38.
func (e *Election) stopped(Shutdown) { e.finish("stopped") }

// finish ends the election: rows 36 and 38.
func (e *Election) finish(reason string) {
	e.do(e.releases())
	e.becomeInitialize(reason)
	e.started = false
	e.do(Finished{})
}
