// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// leave is a planned stop under way. Rows 36 and 37 use it.
type leave struct {
	until     time.Time // the addresses go then
	releaseAt time.Time // of the next release of priority 0
	releases  int       // sent
	succeeded bool      // a successor was heard
	stays     bool      // after a handover: this node is a Backup then
	epoch     int       // of the Lease before
}

// leavingTick is the timers of row 36, and of row 37 where this node stays.
func (e *Election) leavingTick(time.Duration) {
	switch l := &e.leave; {
	case e.due(l.until) && l.succeeded:
		e.left("successor took over")
		return
	case e.due(l.until) && l.stays:
		e.becomeActive("no successor was heard")
		return
	case e.due(l.until):
		e.left("no successor was heard")
		return
	case e.due(l.releaseAt):
		e.do(Advertise{Priority: vrrp.PriorityRelease})
		l.releases++
		l.releaseAt = time.Time{}
		if l.releases < releasesOfLeaving { // one may be lost
			l.releaseAt = e.now.Add(secondRelease)
		}
	}
	if e.due(e.presence.refreshAt) {
		e.do(Refresh{})
		e.presence.refreshAt = e.now.Add(e.cfg.refreshEvery())
	}
}

// leavingFence ends the stop of a process that did not run for so long that the kernel has dropped the addresses.
func (e *Election) leavingFence() {
	if unkept := e.now.Sub(e.presence.refreshAt); unkept > e.cfg.Lifetime {
		e.left(fmt.Sprintf("did not run for %s", unkept.Round(time.Millisecond)))
	}
}

// leavingReceived, leavingClaimed and leavingLeased see the successor of row 36: it advertises, announces, or is in the Lease. One that
// is on the wire answers who asks for the addresses, and this node does not any more (F36).
func (e *Election) leavingReceived(ev Received) {
	if ev.Advertisement.Priority != vrrp.PriorityRelease {
		e.do(e.resolution.refuse()...)
		e.succeeded(linger)
	}
}

func (e *Election) leavingClaimed(ev AddressClaimed) {
	if ev.Peer.IsValid() {
		e.do(e.resolution.refuse()...)
		e.succeeded(linger)
	}
}

func (e *Election) leavingLeased(to answer) {
	a := &e.arbiter
	if to.outcome == Answered && to.asked == reading && a.lease.Holder != "" && !a.sameNode() && a.lease.Epoch > e.leave.epoch {
		e.succeeded(lingerByLease)
	}
}

// leavingLost is row 35.
func (e *Election) leavingLost(AddressLost) { e.do(Acquire{}) }

// leavingLate is row 22.
func (e *Election) leavingLate(AddressLate) { e.left("virtual addresses could not be kept") }

// succeeded begins the end: the first sign of a successor counts, and one on the wire before one in the Lease, whose writer may
// still have to add the addresses.
func (e *Election) succeeded(after time.Duration) {
	if at := e.now.Add(after); !e.leave.succeeded || at.Before(e.leave.until) {
		e.leave.succeeded, e.leave.until = true, at
	}
}

// left ends a planned stop (row 36), or the handover of a node that stays (row 37).
func (e *Election) left(reason string) {
	if !e.leave.stays {
		e.finish(reason)
		return
	}
	e.do(Release{})
	e.becomeBackup("handed over: " + reason)
	e.preemptAt = e.now.Add(max(e.cfg.PreemptDelay, handoverHold))
}
