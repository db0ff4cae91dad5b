// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "time"

// HostSummary is what is known of one host of the cluster, by what it says of itself at its identity port.
type HostSummary struct {
	// node is the name of the node. Empty: it has not answered since the start of the process.
	Node string `json:"node,omitempty"`
	// address of the node.
	Address string `json:"address"`
	// identity is the address and port at which it says who it is.
	Identity string `json:"identity"`
	// self says that it is this node.
	Self bool `json:"self,omitempty"`
	// version of the program. Left out: it did not say.
	Version string `json:"version,omitempty"`
	// answered is when it answered last. Left out: never.
	Answered *time.Time `json:"answered,omitempty"`
	// failure says why it did not answer when it was asked last. Left out: it did.
	Failure string `json:"failure,omitempty"`
	// state of its election, as virtualRouter.state has it, or Stalled: its control loop does not turn. What follows is of the last answer.
	State string `json:"state,omitempty"`
	// since is when that state was entered. Left out: it did not say.
	Since *time.Time `json:"since,omitempty"`
	// held says that it has the virtual addresses.
	Held bool `json:"held"`
	// ready as that of its status.
	Ready bool `json:"ready"`
	// priority that it advertises or would advertise.
	Priority uint8 `json:"priority,omitempty"`
	// epoch of the Lease that it holds; 0: it holds none.
	Epoch uint64 `json:"epoch,omitempty"`
	// finding is the condition of its worst finding. Left out: it has none.
	Finding string `json:"finding,omitempty"`
	// severity of that finding.
	Severity string `json:"severity,omitempty"`
}

// Move is one change of state.
type Move struct {
	// time of the change.
	Time time.Time `json:"time"`
	// from is the state before.
	From string `json:"from"`
	// to is the state after.
	To string `json:"to"`
	// reason of the change.
	Reason string `json:"reason"`
	// cause is the reason in one word, as metrics have it, where the virtual addresses came or went with the change.
	Cause string `json:"cause,omitempty"`
	// evidence is what this node had found out when it took the virtual addresses from a holder that it did not hear. Left out: it took
	// none, or by what it heard.
	Evidence string `json:"evidence,omitempty"`
	// unserved is how long nobody served before a takeover, as a duration, as far as this node knows: from the last sign of a holder to
	// the first advertisement of this node. Left out: no longer than two advertisements are apart, or no holder was ever seen.
	Unserved string `json:"unserved,omitempty"`
	// silence is how long no holder was heard before a takeover, as a duration. Left out where none was ever heard.
	Silence string `json:"silence,omitempty"`
}

// HolderSpan is a time in which one host held the virtual addresses, as a node saw it.
type HolderSpan struct {
	// holder is the address that its advertisements came from, or the name of this node.
	Holder string `json:"holder"`
	// node is its name. Left out: it is not known.
	Node string `json:"node,omitempty"`
	// from is when this node held the addresses or heard of that holder first.
	From time.Time `json:"from"`
	// until is when this node released them or heard of that holder last. Left out: it holds them still.
	Until *time.Time `json:"until,omitempty"`
	// unserved is the time between the end of the span before and this one, in which this node saw nobody serve, as a duration. Left out:
	// none.
	Unserved string `json:"unserved,omitempty"`
	// reason for which this node took them, where it did.
	Reason string `json:"reason,omitempty"`
}
