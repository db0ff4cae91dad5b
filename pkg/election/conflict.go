// SPDX-License-Identifier: Apache-2.0

package election

import "fmt"

// becomeConflict is row 13: the addresses are never taken from a host that is not of this virtual router.
func (e *Election) becomeConflict(a ProbeDone) {
	e.arbiter.giveUp(e.now)
	e.foreignHolder(a)
	e.probe.free = 0
	e.probe.again = e.now.Add(reprobeForeign)
}

// foreignHolder says in alarm, state and status whom the newest answer found.
func (e *Election) foreignHolder(a ProbeDone) {
	who := a.Detail
	if a.Owner != "" {
		who = a.Owner + ": " + a.Detail
	}
	e.do(Alarm{Kind: ForeignHolder, Detail: "a host that is no peer holds the virtual address (or a node that is not known yet, and is not heard): " + who, Owner: a.Owner})
	e.become(Conflict, "foreign holder: "+who)
	e.presence.conflict.with, e.presence.conflict.owner = who, a.Owner
}

// conflictProbed and conflictReceived are row 39: a conflict ends with two verdicts Free in a row, or with a host
// of this cluster. After the verdicts only the skew time remains, as after a release: the silence has been long enough.
func (e *Election) conflictProbed(a ProbeDone) {
	p := &e.probe
	switch verdict, _ := e.evidence(a).Judge(); {
	case verdict == Free, verdict == Unasked && a.Neighbour == Nobody:
		if p.free > 0 {
			e.becomeBackup("foreign holder has gone")
			e.shortenDown()
			return
		}
		p.free++
	case e.predecessor.leaving() && (verdict == Served || verdict == Foreign): // a host keeps what kube-vip left there
		p.free = 0
		e.leftBehind(a, "")
	case verdict == Live, verdict == LiveDistress, verdict == Served, verdict == Abandoned:
		e.becomeBackup("a peer holds the virtual address")
		return
	case verdict == Zombie, verdict == Unasked:
		p.free = 0
	default: // Foreign
		p.free = 0
		e.foreignHolder(a)
	}
	p.again = e.now.Add(reprobeForeign)
}

func (e *Election) conflictReceived(ev Received) {
	if priority := ev.Advertisement.Priority; priority > 0 && e.accepts(priority) {
		e.accept(ev.Advertisement)
		e.become(Backup, fmt.Sprintf("heard %s with priority %d", ev.Source, priority))
	}
}
