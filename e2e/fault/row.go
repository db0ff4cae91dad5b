// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/observe"
	"github.com/harbinger-ha/harbinger/e2e/promise"
)

// A Sample is what came of one run of a fault.
type Sample struct {
	Before, After string         // the holder; not set where nobody looked
	Outage        observe.Outage // the longest, until the target had settled
	Undoing       observe.Outage // the longest, from then on
	Stalled       time.Duration  // of the machine, which all times leave out
	// The longest times for which nobody had the address, more than one live host answered for it on the wire, and more than one host
	// did. A holder that is [Fault.Apart] does not count as live.
	Nobody, Live, Kernel observe.Span
	// Had is the longest time for which more than one host had the address in its kernel, whether it answered or not: a dead holder
	// keeps it there for as long as its lifetime lasts, and behind a closed fence it answers nobody.
	Had observe.Span
	// Pause is the longest time for which the control had no answer until the target had settled: what is shorter may be the machine's.
	Pause time.Duration
	// Served is from when the next holder decided to take the address to the first connection that it served; zero where nobody knows.
	Served time.Duration
	Moves  int
	// Left says that the old holder had the address still when another had it and a kernel that nobody refreshes must have removed it.
	Left                    bool
	EpochBefore, EpochAfter int32 // of the Lease
}

// A Row is what came of one fault in one or more runs.
type Row struct {
	Fault   Fault
	System  string // what it was done to
	Limits  promise.Limits
	Median  bool // the median outage of all runs is judged, and the worst of all else
	Samples []Sample
	Notes   []string // what a reader should know in addition to the numbers
	Failed  []string // what did not come true, other than the numbers
}

// Fail keeps an error of a run.
func (r *Row) Fail(err error) {
	if err != nil {
		r.Failed = append(r.Failed, err.Error())
	}
}

// Outage returns the median of the outages.
func (r Row) Outage() time.Duration {
	return r.median(func(s Sample) observe.Outage { return s.Outage })
}

// Undoing returns the median of the outages from when the target had settled.
func (r Row) Undoing() time.Duration {
	return r.median(func(s Sample) observe.Outage { return s.Undoing })
}

func (r Row) median(of func(Sample) observe.Outage) time.Duration {
	var times []time.Duration
	for _, s := range r.Samples {
		times = append(times, of(s).Length())
	}
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[len(times)/2]
}

// Served returns the median and the longest of the times from a decision to the first connection, zero where none is known.
func (r Row) Served() (median, most time.Duration) {
	var times []time.Duration
	for _, s := range r.Samples {
		if s.Served > 0 {
			times = append(times, s.Served)
		}
	}
	if len(times) == 0 {
		return 0, 0
	}
	slices.Sort(times)
	return times[len(times)/2], times[len(times)-1]
}

// Spread returns the shortest, the median and the longest of the outages.
func (r Row) Spread() (least, median, most time.Duration) {
	for i, s := range r.Samples {
		if length := s.Outage.Length(); i == 0 || length < least {
			least = length
		}
		most = max(most, s.Outage.Length())
	}
	return least, r.Outage(), most
}

// Within returns in how many runs the outage was no longer than a time.
func (r Row) Within(goal time.Duration) (runs int) {
	for _, s := range r.Samples {
		if s.Outage.Length() <= goal {
			runs++
		}
	}
	return runs
}

// Stalled returns for how long the machine stalled in all runs.
func (r Row) Stalled() (stalled time.Duration) {
	for _, s := range r.Samples {
		stalled += s.Stalled
	}
	return stalled
}

// Left returns in how many runs the address was left on the old holder.
func (r Row) Left() (left int) {
	for _, s := range r.Samples {
		if s.Left {
			left++
		}
	}
	return left
}

// worst returns the worst of all runs, but of the outages the one that is judged.
func (r Row) worst() (worst promise.Limits) {
	for _, s := range r.Samples {
		worst.Outage = max(worst.Outage, s.Outage.Length())
		worst.Nobody = max(worst.Nobody, s.Nobody.Length())
		worst.Live = max(worst.Live, s.Live.Length())
		worst.Kernel = max(worst.Kernel, s.Kernel.Length())
		worst.Moves = max(worst.Moves, s.Moves)
	}
	if r.Median {
		worst.Outage = r.Outage()
	}
	return worst
}

// Broken returns what of the promise did not hold, each with the numbers.
func (r Row) Broken() []string {
	broken, worst := slices.Clone(r.Failed), r.worst()
	exceeds := func(what string, got, limit time.Duration) {
		if got > limit {
			broken = append(broken, fmt.Sprintf("%s %s, bound %s", what, seconds(got), seconds(limit)))
		}
	}
	exceeds("outage", worst.Outage, r.Limits.Outage)
	exceeds("nobody had the address for", worst.Nobody, r.Limits.Nobody)
	exceeds("two live hosts answered ARP for", worst.Live, r.Limits.Live)
	exceeds("two hosts answered ARP for", worst.Kernel, r.Limits.Kernel)
	if worst.Moves > r.Limits.Moves {
		broken = append(broken, fmt.Sprintf("%d moves, bound %d", worst.Moves, r.Limits.Moves))
	}
	if r.Left() > 0 {
		broken = append(broken, "the address was left on a host that does not serve it")
	}
	if len(r.Samples) == 0 {
		broken = append(broken, "no run was completed")
	}
	return broken
}

// Check returns what of the promise did not hold as an error.
func (r Row) Check() error {
	if broken := r.Broken(); len(broken) > 0 {
		return fmt.Errorf("%s: %s", r.Fault.Name, strings.Join(broken, "\n"))
	}
	return nil
}

// seconds returns a time in the unit of the tables.
func seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }
