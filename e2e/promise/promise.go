// SPDX-License-Identifier: Apache-2.0

// Package promise is the one table of what Harbinger promises: what happens, what it does then, and for how long at most a
// client is not answered, nobody has the virtual address, or two hosts have it. A bound is a formula of the configuration, so
// that the same promise holds at any interval; what an environment adds to it has a name and a reason.
//
// The failure table of the documentation is made from it by hack/reference, and the trials of the lab and of the real
// clusters judge by it.
package promise

import (
	"math"
	"time"
)

// Unbounded stands for a time, and Any for a number, that is not promised.
const (
	Unbounded time.Duration = math.MaxInt64
	Any                     = math.MaxInt
)

// A Class says what an environment may add to the bounds of a promise.
type Class int

// The classes.
const (
	Stays    Class = iota // the address stays where it is
	Planned               // it moves because it is asked to
	Takeover              // it moves because the processes of its holder fell silent
	HostLost              // the same, of the whole host
	Start                 // nobody has had it before
)

// A Promise is what may come of something that happens, at most.
type Promise struct {
	Name    string // never changes: reports and tests cite it
	Happens string // as the failure table says it
	Does    string // what Harbinger does then
	Class   Class
	Bounds
	// Tests are the names of test functions that hold the promise, in addition to the faults of the catalogue that name it.
	Tests []string
}

// Bounds are the formulas of a promise.
type Bounds struct {
	Outage Formula // no client is answered
	Nobody Formula // no host has the address
	Live   Formula // two live hosts have it, or announce it
	Kernel Formula // two hosts answer for it on the wire, the kernel of a dead holder among them
	Moves  int     // how often it moves to another host
}

// Limits are bounds at a setting, in an environment.
type Limits struct {
	Outage, Nobody, Live, Kernel time.Duration
	Moves                        int
}

// In returns what is promised at a setting in an environment.
func (p Promise) In(e Environment, s Setting) Limits {
	s.Etcd = e.Etcd
	limit := func(f, extra Formula) time.Duration {
		if !f.Promised() || !extra.Promised() {
			return f.At(s)
		}
		return f.At(s) + extra.At(s)
	}
	moves := p.Moves
	if !e.Etcd && p.Class != Stays {
		moves = Any // see Together; Live bounds it
	}
	return Limits{
		Outage: limit(p.Outage, e.Outage[p.Class].Formula),
		Nobody: p.Nobody.At(s),
		Live:   p.Live.At(s),
		Kernel: limit(p.Kernel, e.Kernel.Formula),
		Moves:  moves,
	}
}

// An Allowance is what an environment adds to a bound, and why.
type Allowance struct {
	Formula
	Reason string
}

// An Environment is where promises are tried.
type Environment struct {
	Name   string
	Etcd   bool // its hosts have members of etcd, and a Lease arbitrates
	Outage map[Class]Allowance
	Kernel Allowance
}

// Together says why the number of moves is not promised where no Lease arbitrates, unless the address stays.
const Together = "without a Lease two Backups of equal priority may take the address in the same moment, and one of them gives way"

// The environments.
var (
	// StandIns is the lab whose apiservers are stand-ins: there is no etcd and no Lease.
	StandIns = Environment{Name: "lab", Outage: observed}
	// Lab is the lab with real apiservers and members of etcd.
	Lab = Environment{Name: "lab with etcd", Etcd: true, Outage: observed}
	// Kind is made of containers that are hosts, on one machine.
	Kind = Environment{
		Name: "docker and kind", Etcd: true,
		Outage: map[Class]Allowance{
			Planned: {sum(skew, fixed(140*time.Millisecond)), "kubelet, etcd and apiserver of the successor share its processors, and it may miss the release"},
			Takeover: {fixed(1300 * time.Millisecond),
				"the client asks every 100 ms, and the members of etcd share the disk of one machine, whose stalls are not left out"},
			HostLost: {sum(fixed(500*time.Millisecond), unhurried), "the client asks every 100 ms, the stalls of the machine are not left out, and a kernel with " +
				"CONFIG_RT_GROUP_SCHED refuses real-time scheduling to a container: the fence closes after the lifetime of the address"},
			Start: {fixed(5 * time.Second), "all hosts start at once on one machine"},
		},
		Kernel: Allowance{fixed(time.Second), "what is seen of a host that is frozen or off comes late"},
	}
)

// observed is what the lab adds: nothing where the address stays or moves by plan.
var observed = map[Class]Allowance{
	Takeover: {fixed(40 * time.Millisecond), "the client asks every 20 ms, and one request is on its way"},
	HostLost: {fixed(40 * time.Millisecond), "the client asks every 20 ms, and one request is on its way"},
}
