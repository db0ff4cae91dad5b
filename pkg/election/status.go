// SPDX-License-Identifier: Apache-2.0

package election

import (
	"net/netip"
	"time"
)

// State is a state of the virtual router. Initialize, Backup and Active are those of RFC 9568, section 6.4.
type State uint8

// The states.
const (
	Initialize State = iota // not started, or the link cannot carry the addresses
	Backup                  // another node holds the addresses, or soon will
	Claiming                // nobody is heard: this node probes the addresses, and claims the Lease, before it takes them
	Active                  // this node holds the addresses
	Conflict                // a foreign host holds the addresses: they are not taken while it answers
	Leaving                 // planned stop: this node serves until a successor is heard
	Seizing                 // has the Lease of a holder that serves nobody, and waits until that one must have read its loss
)

var states = [...]string{"Initialize", "Backup", "Claiming", "Active", "Conflict", "Leaving", "Seizing"}

// String returns the name of the state.
func (s State) String() string { return states[s] }

// States returns all states.
func States() []State {
	return []State{Initialize, Backup, Claiming, Active, Conflict, Leaving, Seizing}
}

// Status is a copy of what an Election knows.
type Status struct {
	State                 State
	Since                 time.Time
	Reason                string // of the last transition
	Priority              uint8  // effective
	Distress              bool
	AdvertisementInterval time.Duration // that counts now: the own one, or the Active router's
	Holder                netip.Addr    // source of the last advertisement; invalid: none was heard
	HeardAt               time.Time
	HeardPriority         uint8
	SplitSuspected        bool       // the virtual address is served, but its node is not heard
	Unheard               Unheard    // what does not arrive from that node
	CouldNotAsk           string     // what kept this node from asking who has the virtual addresses, when it asked last
	Conflict              string     // which other host has or claims the virtual addresses; empty: none
	ConflictOwner         string     // hardware address of that host; empty: not known
	ConflictPeer          netip.Addr // its address, where it is a peer; else invalid
	Arbitrated            bool       // the Lease decides now: it can be read or renewed
	Epoch                 int        // of the Lease that this node holds, 0: none
	Lease                 Lease      // as it was last read or written
	LeaseAnswered         time.Time
	LeaseFailure          string     // why the last questions had no answer
	Reach                 PeersDone  // what the last AskPeers found
	ReachAt               time.Time  // when; zero: never asked
	Isolated              bool       // it reached fewer peers than a majority, which keeps this node from taking the addresses
	Unreachable           bool       // most peers cannot reach the virtual address at this node
	Witness               Witness    // what this node finds of the holder
	Waits                 string     // whom this node waits for before it takes part in the election; empty: nobody
	Forged                netip.Addr // source of the last advertisement that the Lease did not confirm; invalid: none lately
}

// Silent reports whether the holder was not heard for so long that it may be dead: a node that says so does not keep another one
// from taking the addresses.
func (s Status) Silent(now time.Time) bool {
	return now.Sub(s.HeardAt) >= unheardAfter*s.AdvertisementInterval
}

// Status returns a copy of what the election knows.
func (e *Election) Status() Status {
	other, a := e.presence.conflict, &e.arbiter
	if e.state != Conflict && e.now.Sub(other.at) > 2*conflictWindow {
		other = conflict{}
	}
	failure := ""
	if a.failures > 0 {
		failure = a.failure
	}
	waits := ""
	if e.predecessor.waits() {
		waits = e.predecessor.text()
	}
	return Status{
		Waits: waits, State: e.state, Since: e.since, Reason: e.reason, Priority: e.priority(), Distress: e.health.distress,
		AdvertisementInterval: e.heard.interval, Holder: e.heard.holder, HeardAt: e.heard.at, HeardPriority: e.heard.priority,
		SplitSuspected: e.heard.split, Unheard: e.heard.filtered, CouldNotAsk: e.heard.unasked, Conflict: other.with, ConflictOwner: other.owner, ConflictPeer: other.peer,
		Reach: e.reach.last, ReachAt: e.reach.at, Isolated: e.cfg.arbitrates() && e.state != Active && e.reach.fresh(e.now) && e.isolated(),
		Unreachable: !e.health.shunned.IsZero(), Witness: e.witness.found, Forged: e.challenge.lastForged(e.now),
		Arbitrated: a.decides(e.now, e.state), Epoch: a.claim.epoch, Lease: a.lease, LeaseAnswered: a.answered, LeaseFailure: failure,
	}
}
