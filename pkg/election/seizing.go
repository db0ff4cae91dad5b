// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// becomeSeizing is row 19: this node has the Lease, and waits until the old holder must have read that it lost it.
func (e *Election) becomeSeizing() {
	a, s := &e.arbiter, &e.arbiter.seize
	a.claim.epoch = a.lease.Epoch
	s.tries = 0
	s.notBefore = e.now.Add(seizeAgain)
	s.ready = e.now.Add(e.cfg.Lease.RenewInterval + AnswerTimeout + SeizeMargin)
	e.probe.drop()
	e.become(Seizing, e.reason)
}

// seizingFence, seizingLeased and seizingReceived are row 18: a node that loses the Lease before it has the addresses does
// not take them. Of what is heard, only a newer claim stops a seizure.
func (e *Election) seizingFence() {
	if !e.arbiter.verified(e.now) {
		e.becomeBackup("the seized Lease could not be renewed")
	}
}

func (e *Election) seizingLeased(a answer) {
	if a.outcome == Answered && !e.arbiter.confirms() {
		e.becomeBackup(fmt.Sprintf("lost the Lease to %s", e.arbiter.lease.holderName()))
	}
}

func (e *Election) seizingReceived(ev Received) {
	switch p := ev.Advertisement.Priority; {
	case p == vrrp.PriorityRelease:
		e.arbiter.seize.ready = e.now
	case inClaim(p) && newer(p, e.priority()):
		e.learn(ev.Advertisement.Interval)
		e.heard.accepted = e.now
		e.arbiter.known = false
		e.becomeBackup(fmt.Sprintf("heard %s with the newer claim %d", ev.Source, p))
	}
}

// seizingTick is row 20: it takes the addresses when nobody serves them any more. A host that still serves them is not the old
// holder, which knows its loss by now: it took them meanwhile, without the API, and keeps them.
func (e *Election) seizingTick(time.Duration) {
	p, ready := &e.probe, e.arbiter.seize.ready
	if !e.due(ready) {
		return
	}
	if !p.fresh(e.now) {
		if p.asked.IsZero() || e.due(p.again) || e.now.Sub(p.asked) > verdictAge {
			e.ask(e.probeTimeout())
		}
		return
	}
	a, late := p.answer, e.due(ready.Add(seizeProbes))
	evidence := e.evidence(*a)
	evidence.Lasting, evidence.Lingering = !late, !late
	switch verdict, why := evidence.Judge(); {
	case verdict == Foreign && (late || a.Identity == SaysForeign):
		e.becomeConflict(*a)
	case (verdict == Live || verdict == Served) && late:
		e.arbiter.giveUp(e.now)
		e.served(*a, verdict, why)
	case verdict == Free, late:
		e.becomeActive(e.reason)
	case e.due(p.again):
		e.ask(e.probeTimeout())
	}
}

func (e *Election) seizingProbed(ProbeDone) {
	e.probe.again = e.now.Add(retryLive)
	e.seizingTick(0)
}
