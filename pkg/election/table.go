// SPDX-License-Identifier: Apache-2.0

package election

import "time"

// table has the function of each state for each class of events: the transition table of README.md. The events of rows 1 and
// 2 are the same for every state. Where there is no function, the event does nothing.
var table = [...]struct {
	fence    func(*Election)                // before every event: what a process believes that did not run for long is old
	tick     func(*Election, time.Duration) // by how much longer the skew time has become
	received func(*Election, Received)
	probed   func(*Election, ProbeDone)
	leased   func(*Election, answer)
	claimed  func(*Election, AddressClaimed)
	lost     func(*Election, AddressLost)
	late     func(*Election, AddressLate)
	reached  func(*Election, PeersDone)
	shutdown func(*Election, Shutdown)
	handover func(*Election, Handover)
}{
	Initialize: {shutdown: (*Election).stopped},
	Backup: {
		tick: (*Election).backupTick, received: (*Election).backupReceived, probed: (*Election).backupProbed, leased: (*Election).backupLeased,
		reached: (*Election).backupReached, claimed: (*Election).backupClaimed, shutdown: (*Election).stopped,
	},
	Claiming: {
		tick: (*Election).claimingTick, received: (*Election).claimingReceived, probed: (*Election).claimingProbed, leased: (*Election).claimingLeased,
		reached: (*Election).claimingReached, shutdown: (*Election).stopped,
	},
	Seizing: {
		tick: (*Election).seizingTick, received: (*Election).seizingReceived, probed: (*Election).seizingProbed, leased: (*Election).seizingLeased,
		fence: (*Election).seizingFence, shutdown: (*Election).stopped,
	},
	Active: {
		tick: (*Election).activeTick, received: (*Election).activeReceived, leased: (*Election).activeLeased, claimed: (*Election).activeClaimed,
		lost: (*Election).activeLost, late: (*Election).activeLate, reached: (*Election).activeReached,
		fence: (*Election).activeFence, shutdown: (*Election).activeShutdown, handover: (*Election).activeHandover,
	},
	Leaving: {
		tick: (*Election).leavingTick, received: (*Election).leavingReceived, leased: (*Election).leavingLeased, claimed: (*Election).leavingClaimed,
		lost: (*Election).leavingLost, late: (*Election).leavingLate,
		fence: (*Election).leavingFence,
	},
	Conflict: {
		tick: (*Election).askAgain, received: (*Election).conflictReceived, probed: (*Election).conflictProbed,
		shutdown: (*Election).stopped,
	},
}

// answer is how a question for the Lease ended.
type answer struct {
	asked   question
	outcome LeaseOutcome
}

// call does what the table has for an event, if anything.
func call[E any](e *Election, f func(*Election, E), ev E) {
	if f != nil {
		f(e, ev)
	}
}
