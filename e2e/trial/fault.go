// SPDX-License-Identifier: Apache-2.0

//go:build linux

package trial

import (
	"fmt"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/observe"
)

// A Fault is something bad that happens to the holder of the address.
type Fault struct {
	Name string
	// Moves says that another node has to take the address.
	Moves bool
	// Apart says that the old holder is dead, frozen or cut off: it may have
	// the address for a while beside the new one.
	Apart bool
	// Linger is for how long the plane is watched after it has settled, and
	// before the repair: what is left behind may stay or go.
	Linger time.Duration
	// Bound is the longest outage that Harbinger promises with
	// advertisements every second, and FastBound with ten a second.
	Bound, FastBound time.Duration
	// Inject does the fault to the holder, and Repair ends it.
	Inject func(p *Plane, holder *Node) error
	Repair func(p *Plane, holder *Node) error
}

// BoundFor returns the longest outage that Harbinger promises.
func (f Fault) BoundFor(interval time.Duration) time.Duration {
	if interval < time.Second {
		return f.FastBound
	}
	return f.Bound
}

// The faults of a trial.
var (
	PlannedStop = Fault{
		Name: "planned stop", Moves: true,
		Bound: 100 * time.Millisecond, FastBound: 100 * time.Millisecond,
		Inject: func(_ *Plane, n *Node) error { return n.Sidecar.Stop() },
		Repair: restart,
	}
	Kill = Fault{
		Name: "kill -9", Moves: true, Apart: true, Linger: 3 * time.Second,
		Bound: 4 * time.Second, FastBound: 2600 * time.Millisecond,
		Inject: func(_ *Plane, n *Node) error { return n.Sidecar.Kill() },
		Repair: restart,
	}
	Freeze = Fault{
		Name: "freeze", Moves: true, Apart: true,
		Bound: 4 * time.Second, FastBound: 2600 * time.Millisecond,
		Inject: func(_ *Plane, n *Node) error { return n.Sidecar.Freeze() },
		Repair: func(_ *Plane, n *Node) error { return n.Sidecar.Thaw() },
	}
	CutCable = Fault{
		Name: "cut cable", Moves: true, Apart: true,
		Bound: 4 * time.Second, FastBound: 500 * time.Millisecond,
		Inject: func(_ *Plane, n *Node) error { return n.Cut() },
		Repair: func(_ *Plane, n *Node) error { return n.Join() },
	}
	APIServerDies = Fault{
		Name:  "apiserver dies",
		Bound: time.Second, FastBound: time.Second,
		Inject: func(_ *Plane, n *Node) error { return n.APIServer.Kill() },
		Repair: func(p *Plane, n *Node) error { return p.StartAPIServer(n) },
	}
	BalancerCrashes = Fault{
		Name:  "balancer crash",
		Bound: time.Second, FastBound: time.Second,
		Inject: func(_ *Plane, n *Node) error { return n.Sidecar.CrashBalancer() },
		Repair: func(*Plane, *Node) error { return nil },
	}
)

// restart starts a sidecar again that has ended, or is killed for it. Where
// that left the address behind, it does first what an administrator has to do.
func restart(p *Plane, n *Node) error {
	if err := n.Sidecar.Kill(); err != nil {
		return err
	}
	if slices.Contains(p.Holders.Now(), n.Name) {
		if err := n.DeleteAddress(p.VirtualAddresses[0]); err != nil {
			return err
		}
	}
	return p.StartSidecar(n)
}

// A Result is what a fault did.
type Result struct {
	Before, After string         // the holder
	Outage        observe.Outage // until the plane had settled
	RepairOutage  observe.Outage // from then on
	Stalled       time.Duration  // of the machine, which the outages leave out
	// Held and Answered are the longest times for which more than one host
	// had the address, and answered ARP for it. A holder that is apart does
	// not count as having it.
	Held, Answered observe.Span
	// Left says that the old holder had the address still when the plane had
	// settled on another.
	Left bool
}

// watchTime is for how long the plane is watched at least after a fault and
// after its repair: consequences may come late.
const watchTime = 2 * time.Second

// Do does a fault to the holder, waits until the plane has settled, repairs
// the fault and waits again. The result is valid up to the step that failed, and
// shows nothing if the machine stalled for most of the time.
func (p *Plane) Do(f Fault) (r Result, err error) {
	holder, err := p.Holder()
	if err != nil {
		return r, fmt.Errorf("before %s: %w", f.Name, err)
	}
	r.Before = holder.Name
	start := time.Now()
	err = p.suffer(f, holder, &r)
	r.Outage = p.Client.Outage(start)
	if err != nil {
		return r, fmt.Errorf("%s of %s: %w", f.Name, holder.Name, err)
	}
	settled := time.Now()
	err = p.recover(f, holder)
	r.RepairOutage = p.Client.Outage(settled)
	r.Held = longer(r.Held, p.Holders.Since(settled).Shared().Longest())
	r.Answered = p.Answers.Since(start).Shared().Longest()
	r.Stalled = p.Control.Stalled(start, time.Now())
	if err != nil {
		return r, fmt.Errorf("repair of %s: %w", f.Name, err)
	}
	return r, p.Control.Check(start)
}

// suffer injects a fault and waits until it is overcome.
func (p *Plane) suffer(f Fault, holder *Node, r *Result) error {
	var apart []string
	if f.Apart {
		apart = []string{holder.Name}
	}
	start := time.Now()
	defer func() { r.Held = p.Holders.Since(start, apart...).Shared().Longest() }()
	if err := f.Inject(p, holder); err != nil {
		return err
	}
	if f.Moves {
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
	r.After = after.Name
	r.Left = after != holder && slices.Contains(p.Holders.Now(), holder.Name)
	return nil
}

// recover repairs a fault and waits until that is overcome too.
func (p *Plane) recover(f Fault, holder *Node) error {
	start := time.Now()
	if err := f.Repair(p, holder); err != nil {
		return err
	}
	p.watch(start, watchTime)
	return p.Settle()
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
