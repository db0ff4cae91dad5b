// SPDX-License-Identifier: Apache-2.0

package election_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

var (
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	self  = netip.MustParseAddr("192.0.2.1")
	other = netip.MustParseAddr("192.0.2.2")

	silent = election.ProbeDone{Identity: election.Nobody, Client: election.Nobody, Neighbour: election.Nobody}
)

func node(mode election.Mode) *election.Election {
	return election.New(election.Config{
		Mode: mode, Version: vrrp.Version3, Priority: 150, Preempt: true,
		AdvertisementInterval: time.Second, Lifetime: election.Lifetime(time.Second),
		Primary: []netip.Addr{self}, Node: "cp1", Identity: "cp1/1",
		Lease: election.LeaseTimes{RenewInterval: time.Second, StaleAfter: 2 * time.Second, Duration: 5 * time.Second},
	})
}

// show does an event and prints what the node must do, with the time since the start.
func show(e *election.Election, now time.Time, ev election.Event) {
	for _, a := range e.Step(now, ev) {
		fmt.Printf("%5.3fs %s\n", now.Sub(start).Seconds(), a)
	}
}

// begin starts a node with a healthy backend whose first questions nobody answers: that shows nothing. It returns what the node
// asks then.
func begin(e *election.Election) (asks []election.Action) {
	for _, ev := range []election.Event{election.Startup{}, election.HealthChanged{Healthy: true}, election.PeersDone{CouldNotAsk: true}, silent} {
		asks = e.Step(start, ev)
		for _, a := range asks {
			if _, ok := a.(election.ReadLease); ok {
				return asks
			}
		}
	}
	return nil
}

func advertisement(priority uint8) election.Received {
	return election.Received{Source: other, Advertisement: vrrp.Advertisement{Version: vrrp.Version3, Priority: priority, Interval: time.Second}}
}

// A lonely node hears nothing for three intervals and its skew time, asks whether anybody serves the address, and takes it. The
// caller sleeps until the Deadline and answers what it was asked.
func Example() {
	e := node(election.VRRP)
	begin(e)
	for e.State() != election.Active {
		now := e.Deadline()
		for _, a := range e.Step(now, election.Tick{}) {
			fmt.Printf("%5.3fs %s\n", now.Sub(start).Seconds(), a)
			if _, ok := a.(election.Probe); ok {
				show(e, now, silent)
			}
		}
	}
	// Output:
	// 3.114s probe timeout=300ms asks=5
	// 3.414s Backup to Active: no advertisement heard, virtual address free
	// 3.414s acquire
	// 3.414s advertise priority=150
	// 3.414s announce
}

// A Backup of a higher priority ignores the advertisements of the holder, and takes the addresses when its timer ends. It
// probes nobody, because the holder is heard.
func ExampleElection_Step_preemption() {
	e := node(election.VRRP)
	begin(e)
	for i := range 4 {
		show(e, start.Add(time.Duration(i)*time.Second), advertisement(100))
	}
	show(e, e.Deadline(), election.Tick{})
	// Output:
	// 3.414s Backup to Active: preempted 192.0.2.2 of priority 100
	// 3.414s acquire
	// 3.414s advertise priority=150
	// 3.414s announce
}

// A holder that stops advertises priority 0 and serves on until its successor advertises, and a moment longer, until the
// neighbours know that one. Nobody is without the addresses meanwhile.
func ExampleElection_Step_plannedStop() {
	e := node(election.VRRP)
	at := takeover(e)
	show(e, at, election.Shutdown{})
	show(e, e.Deadline(), election.Tick{})
	show(e, at.Add(400*time.Millisecond), advertisement(100))
	for e.State() != election.Initialize {
		show(e, e.Deadline(), election.Tick{})
	}
	// Output:
	// 3.414s Active to Leaving: planned stop
	// 3.414s advertise priority=0
	// 3.434s advertise priority=0
	// 3.814s resolve refused
	// 3.864s release
	// 3.864s Leaving to Initialize: successor took over
	// 3.864s finished
}

// A process that was frozen for longer than its silence may last knows that another node has taken the addresses, or is about
// to. Whatever the event is that wakes it, it gives them up first.
func ExampleElection_Step_frozen() {
	e := node(election.VRRP)
	at := takeover(e)
	show(e, at.Add(10*time.Second), election.Tick{})
	// Output:
	// 13.414s release
	// 13.414s Active to Backup: did not run for 10s
}

// The advertisements of the holder do not arrive, but the probe finds that it serves: that is no reason for a second holder,
// but for an alarm. Half a second later the node asks again.
func ExampleElection_Step_advertisementsFiltered() {
	e := node(election.VRRP)
	begin(e)
	probes := e.Deadline()
	show(e, probes, election.Tick{})
	show(e, probes.Add(20*time.Millisecond), election.ProbeDone{Identity: election.SaysActive, Detail: "cp2 is Active"})
	show(e, e.Deadline(), election.Tick{})
	fmt.Println(e.State(), e.Status().SplitSuspected)
	// Output:
	// 3.114s probe timeout=300ms asks=5
	// 3.414s alarm Filtered: protocol 112 from the holder does not arrive here: its holder says so (cp2 is Active)
	// Backup true
}

// In mode Hybrid the wire allows a takeover and the Lease has the last word: it is read, then claimed with a new epoch, and
// only then the addresses are added. The epoch is on the wire as the priority.
func ExampleElection_Step_lease() {
	e := node(election.Hybrid)
	released := election.Lease{Version: "7", Epoch: 4}
	answer(e, start, begin(e), released)
	e.Step(start, silent)
	for e.State() != election.Active {
		now := e.Deadline()
		answer(e, now, e.Step(now, election.Tick{}), released)
	}
	// Output:
	// 0.000s read lease timeout=700ms
	// 2.000s read lease timeout=700ms
	// 3.114s probe timeout=300ms asks=5
	// 3.114s ask peers timeout=300ms
	// 3.114s read lease timeout=700ms
	// 3.414s Backup to Claiming: no advertisement heard, virtual address free
	// 3.414s write lease of cp1/1 epoch=5 version=7 timeout=700ms
	// 3.414s Claiming to Active: no advertisement heard, virtual address free
	// 3.414s acquire
	// 3.414s advertise priority=245
	// 3.414s announce
}

// answer does the actions, and answers the questions among them at once.
func answer(e *election.Election, now time.Time, actions []election.Action, stored election.Lease) {
	for _, a := range actions {
		fmt.Printf("%5.3fs %s\n", now.Sub(start).Seconds(), a)
		switch a := a.(type) {
		case election.Probe:
			answer(e, now, e.Step(now, silent), stored)
		case election.ReadLease:
			answer(e, now, e.Step(now, election.LeaseDone{Lease: stored, Sent: now}), stored)
		case election.WriteLease:
			stored = a.Lease
			stored.Version = "8"
			answer(e, now, e.Step(now, election.LeaseDone{Lease: stored, Sent: now}), stored)
		}
	}
}

// takeover lets a node alone until it holds the addresses, and returns when it does.
func takeover(e *election.Election) (now time.Time) {
	begin(e)
	for now = start; e.State() != election.Active; {
		now = e.Deadline()
		e.Step(now, election.Tick{})
		e.Step(now, silent)
	}
	return now
}
