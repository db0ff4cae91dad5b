// SPDX-License-Identifier: Apache-2.0

package election

import "time"

// The scenarios of this file have an API. The bounds are those of README.md; where VRRP alone has the same scenario, the
// Lease makes it no worse.

var (
	hybridThree    = params{hosts: 3, each: pinned, hybrid: true}
	hybridClimbing = params{hosts: 3, each: graded, hybrid: true}
	asked          = 2 * AnswerTimeout // what a hung API adds to a takeover
)

// all makes a fault of the API for every host.
func all(kind string, dur time.Duration) func(*world, int) []fault {
	return func(w *world, _ int) (faults []fault) {
		for i := range w.hosts {
			faults = append(faults, fault{kind: kind, at: w.now, dur: dur, i: i})
		}
		return faults
	}
}

// later adds faults that begin after the others.
func later(base func(*world, int) []fault, after time.Duration, more func(*world, int) []fault) func(*world, int) []fault {
	return func(w *world, holder int) []fault {
		faults := base(w, holder)
		for _, f := range more(w, holder) {
			f.at += after
			faults = append(faults, f)
		}
		return faults
	}
}

var hybridScenarios = []scenario{
	{name: "lease: kill -9 of the holder", params: hybridThree, faults: on("kill", 30*sec), dual: lanDelay, dark: takeover, moves: 1, check: moves},
	{name: "lease: freeze and thaw", params: hybridThree, faults: on("freeze", 10*sec), dual: lanDelay, dark: takeover, moves: 1, check: moves},
	{name: "lease: power off", params: hybridThree, faults: on("power", 10*sec), dual: 0, dark: takeover, moves: 1, check: moves},
	{name: "lease: power off, API hung for the others", params: hybridThree, faults: with(on("power", 10*sec), "hungAll", 20*sec), dual: lanDelay, dark: takeover + asked, moves: 2},
	// The one that woke up last is not the one that holds: the newer claim is.
	{name: "lease: pause of the VM, frames lost", params: hybridThree, faults: on("pause", 10*sec), dual: boundLive, dark: takeover, moves: 2, check: moves},
	{name: "lease: pause of the VM, frames queued", params: hybridThree, faults: on("pause", 10*sec), dual: lanDelay + boundAnswer, dark: takeover, moves: 1, check: moves},
	{name: "lease: link cut", params: hybridThree, faults: on("link", 10*sec), dual: 0, dark: takeover, moves: 1, check: moves},
	{name: "lease: blackhole with live API", params: hybridThree, faults: on("blackhole", 40*sec), dual: boundLive, dark: 5 * sec, moves: 1, check: moves},
	{name: "lease: short blackhole", params: hybridThree, faults: on("blackhole", 5*sec), dual: boundLive, dark: 5 * sec, moves: 1},
	{name: "lease: 112 filtered everywhere", params: hybridThree, faults: on("filter", 30*sec), dual: 0, dark: 0, moves: 0, check: stays},
	{name: "lease: 112 filtered, API down", params: hybridThree, faults: with(on("filter", 30*sec), "etcd", 30*sec), dual: 0, dark: 0, moves: 0, check: stays},
	{name: "lease: 112 filtered, holder killed", params: hybridThree, faults: with(on("kill", 20*sec), "filter", 25*sec), dual: boundProbes, dark: takeover + retryLive, moves: -1},
	{name: "lease: deny firewall everywhere", params: hybridThree, faults: on("denyAll", 60*sec), dual: 0, dark: 0, moves: 0, check: stays},
	{name: "lease: deny firewall on the holder", params: hybridThree, faults: on("deny", 60*sec), dual: 0, dark: 0, moves: 0, check: stays},
	{name: "lease: deny firewall everywhere, holder killed", params: hybridThree, faults: with(on("kill", 20*sec), "denyAll", 25*sec), dual: boundProbes, dark: takeover + retryLive, moves: -1},
	{name: "lease: partition, API on both sides", params: hybridThree, faults: partition, dual: boundLive, dark: boundSeized, moves: 1},
	{name: "lease: partition, holder without API", params: hybridThree, dual: boundLive, dark: takeover, moves: 2, check: moves,
		faults: func(w *world, holder int) []fault {
			return []fault{{kind: "partition", at: w.now, dur: 20 * sec, mask: 1 << holder, j: 1}}
		}},
	{name: "lease: etcd without quorum", params: hybridClimbing, faults: on("etcd", 40*sec), dual: 0, dark: 0, moves: 0, check: stays},
	{name: "lease: API hung for all", params: hybridClimbing, faults: on("hungAll", 40*sec), dual: 0, dark: 0, moves: 0, check: stays},
	{name: "lease: API slow for all", params: hybridClimbing, faults: on("slowAll", 40*sec), dual: 0, dark: 0, moves: 0, check: stays},
	{name: "lease: no credentials anywhere", params: hybridClimbing, faults: all("credentials", 40*sec), dual: 0, dark: 0, moves: 0, check: stays},
	{name: "lease: holder without credentials", params: hybridThree, faults: on("credentials", 40*sec), dual: 0, dark: 0, moves: 0, check: stays},
	{name: "lease: deleted by hand", params: hybridThree, faults: on("leaseDeleted", 0), dual: 0, dark: 0, moves: 0, check: stays},
	{name: "lease: etcd restored from a snapshot", params: hybridThree, faults: on("rollback", 0), dual: 0, dark: 0, moves: 0, check: stays},
	{name: "lease: restored to another holder", params: hybridThree, dual: boundLeaving, dark: takeover, moves: 1, check: moves,
		faults: later(on("stop", 20*sec), 5*sec, on("rollback", 0))},
	{name: "lease: planned stop", params: hybridThree, faults: on("stop", 20*sec), dual: boundLeaving, dark: 0, moves: 1, check: moves},
	{name: "lease: planned stop, API hung", params: hybridThree, faults: with(on("stop", 20*sec), "hungAll", 25*sec), dual: boundLeaving, dark: 0, moves: 1, check: moves},
	{name: "lease: planned stop without credentials", params: hybridThree, faults: with(on("stop", 20*sec), "credentials", 25*sec), dual: boundLeaving, dark: 0, moves: 1, check: moves},
	// The node that ranks higher comes back by the Lease, while the holder serves until it hears it.
	// The lower of two Backups may be the first whose read of the Lease is answered, and is preempted.
	{name: "lease: planned stop with preemption", params: hybridClimbing, faults: on("stop", 20*sec), dual: boundLeaving, dark: 0, moves: 3, check: stays},
	{name: "lease: rolling restart", params: hybridThree, faults: restarts, dual: boundLeaving, dark: 0, moves: 3},
	{name: "lease: no healthy backend on the holder", params: hybridThree, faults: on("unhealthy", 20*sec), dual: lanDelay, dark: 0, moves: 1, check: moves},
	{name: "lease: no healthy backend on the holder, 112 filtered", params: hybridThree, faults: with(on("unhealthy", 20*sec), "filter", 25*sec), dual: boundBlind, dark: 0, moves: -1},
	{name: "lease: no healthy backend anywhere", params: hybridThree, faults: on("allUnhealthy", 20*sec), dual: 0, dark: 0, moves: 0, check: stays},
	{name: "lease: 25 % of frames lost", params: hybridThree, faults: on("loss", 40*sec), dual: boundLive, dark: 0, moves: 0, check: stays},
	{name: "lease: foreign host takes the address", params: hybridThree, faults: on("foreign", 30*sec), dual: 0, dark: 0, moves: 0, check: stays},
	{name: "lease: nothing", params: hybridClimbing, faults: func(*world, int) []fault { return nil }, dual: 0, dark: 0, moves: 0, check: stays},
}
