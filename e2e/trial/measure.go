// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/observe"
	"github.com/harbinger-ha/harbinger/e2e/promise"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// watchTime is for how long the plane is watched at least after a fault and after its end: consequences may come late.
const watchTime = 2 * time.Second

// Row returns a row without a run of a fault of this plane.
func (p *Plane) Row(f fault.Fault) fault.Row {
	environment := promise.StandIns
	if p.Cluster != nil {
		environment = promise.Lab
	}
	return fault.Row{Fault: f, System: p.System.Name(), Limits: f.Promise.In(environment, promise.At(p.Interval))}
}

// Run does the fault of a row once more. The row is broken too where a step fails, or where the machine stalled for most of
// the time.
func (p *Plane) Run(row *fault.Row) error {
	sample, err := p.Measure(row.Fault)
	row.Samples = append(row.Samples, sample)
	row.Fail(err)
	return err
}

// Measure does a fault to the holder, waits until the plane has settled, undoes the fault and waits again. The sample is
// valid up to the step that failed, and shows nothing if the machine stalled for most of the time.
func (p *Plane) Measure(f fault.Fault) (s fault.Sample, err error) {
	holder, err := p.Holder()
	if err != nil {
		return s, fmt.Errorf("before %s: %w", f.Name, err)
	}
	s.Before = holder.Name
	start := time.Now()
	err = p.inject(f, holder, &s)
	s.Outage = p.Client.Outage(start)
	if err != nil {
		return s, fmt.Errorf("%s of %s: %w", f.Name, holder.Name, err)
	}
	settled := time.Now()
	s.Pause = p.Control.Pause(start, settled)
	err = p.undo(f, holder)
	s.Undoing = p.Client.Outage(settled)
	s.Live = longer(s.Live, p.Answers.Since(settled).Shared().Longest())
	s.Kernel = p.Answers.Since(start).Shared().Longest()
	held := p.Holders.Since(start)
	s.Nobody, s.Moves, s.Had = held.Vacant().Longest(), held.Gained(), held.Shared().Longest()
	s.Stalled = p.Control.Stalled(start, time.Now())
	if err != nil {
		return s, fmt.Errorf("end of %s: %w", f.Name, err)
	}
	return s, p.Control.Check(start)
}

// inject does a fault and waits until it is overcome.
func (p *Plane) inject(f fault.Fault, holder *Node, s *fault.Sample) error {
	var apart []string
	if f.Apart() {
		apart = []string{holder.Name}
	}
	start := time.Now()
	defer func() { s.Live = p.Answers.Since(start, apart...).Shared().Longest() }()
	if err := f.Inject(p, holder.Name); err != nil {
		return err
	}
	if f.Moves() {
		if err := p.Control.Until(settleTime, "another node holds the virtual address", func() bool {
			return slices.ContainsFunc(p.Holders.Now(), func(name string) bool { return name != holder.Name })
		}); err != nil {
			return err
		}
	} else {
		p.watch(start, watchTime)
	}
	if err := p.Settle(apart...); err != nil {
		return err
	}
	p.watch(time.Now(), f.Linger)
	after, err := p.Holder(apart...)
	if err != nil {
		return err
	}
	s.After, s.Served = after.Name, p.servedAfter(after, start)
	s.Left = after != holder && !f.Keeps && p.left(holder, start)
	return nil
}

// left reports whether a node has the address still when a kernel that nobody refreshes must have removed it: of a node that is cut off
// Settle sees nothing, and the next one may serve before that.
func (p *Plane) left(holder *Node, start time.Time) bool {
	lasts := election.Lifetime(p.Interval) + election.KernelSlack
	return p.Control.Until(max(lasts-p.Control.Between(start, time.Now()), 0), "the address is removed", func() bool {
		return !slices.Contains(p.Holders.Now(), holder.Name)
	}) != nil
}

// servedAfter returns the time from when a node decided to take the address, since a moment, to the first connection of the client that was
// served then; zero where it says nothing of that.
func (p *Plane) servedAfter(n *Node, since time.Time) time.Duration {
	decided := decidedAt(n.Output(), since)
	if decided.IsZero() {
		return 0
	}
	served, _ := p.Client.FirstServed(decided)
	return p.Control.Between(decided, served)
}

// decidedAt returns when a sidecar that wrote this became Active for the first time since a moment, the zero time if never.
func decidedAt(output string, since time.Time) time.Time {
	for text := range strings.Lines(output) {
		var line struct {
			Time    time.Time
			Msg, To string
		}
		if json.Unmarshal([]byte(text), &line) == nil && line.Msg == logging.MsgStateChanged && line.To == election.Active.String() && line.Time.After(since) {
			return line.Time
		}
	}
	return time.Time{}
}

// undo ends a fault and waits until that is overcome too.
func (p *Plane) undo(f fault.Fault, holder *Node) error {
	start := time.Now()
	if err := f.Undo(p, holder.Name); err != nil {
		return err
	}
	p.watch(start, watchTime)
	return p.Settle()
}

// Sample returns what the observers have seen since a moment. Hosts that are named are dead, frozen or cut off: they may have
// the address while another has it.
func (p *Plane) Sample(since time.Time, apart ...string) fault.Sample {
	held := p.Holders.Since(since)
	return fault.Sample{
		Outage: p.Client.Outage(since), Nobody: held.Vacant().Longest(), Moves: held.Gained(), Had: held.Shared().Longest(),
		Live:    p.Answers.Since(since, apart...).Shared().Longest(),
		Kernel:  p.Answers.Since(since).Shared().Longest(),
		Stalled: p.Control.Stalled(since, time.Now()),
	}
}

// watch lets a time pass in which the observers see what happens.
func (p *Plane) watch(since time.Time, d time.Duration) {
	time.Sleep(time.Until(since.Add(d)))
}

func longer(a, b observe.Span) observe.Span {
	if b.Length() > a.Length() {
		return b
	}
	return a
}
