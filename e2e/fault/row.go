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
	// The longest times for which nobody had the address, more than one live host had it, and more than one host answered ARP
	// for it or had it in its kernel. A holder that is [Fault.Apart] does not count as live.
	Nobody, Live, Kernel observe.Span
	Moves                int
	// Left says that the old holder had the address still when the target had settled on another.
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
	return r.median(func(s Sample) time.Duration { return s.Outage.Length() })
}

// Undoing returns the median of the outages from when the target had settled.
func (r Row) Undoing() time.Duration {
	return r.median(func(s Sample) time.Duration { return s.Undoing.Length() })
}

func (r Row) median(of func(Sample) time.Duration) time.Duration {
	var times []time.Duration
	for _, s := range r.Samples {
		times = append(times, of(s))
	}
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[len(times)/2]
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

// judged returns the outage that is judged.
func (r Row) judged() time.Duration {
	if r.Median {
		return r.Outage()
	}
	return r.worst(func(s Sample) time.Duration { return s.Outage.Length() })
}

func (r Row) nobody() time.Duration {
	return r.worst(func(s Sample) time.Duration { return s.Nobody.Length() })
}

func (r Row) live() time.Duration {
	return r.worst(func(s Sample) time.Duration { return s.Live.Length() })
}

func (r Row) kernel() time.Duration {
	return r.worst(func(s Sample) time.Duration { return s.Kernel.Length() })
}

func (r Row) worst(of func(Sample) time.Duration) (worst time.Duration) {
	for _, s := range r.Samples {
		worst = max(worst, of(s))
	}
	return worst
}

func (r Row) moves() (most int) {
	for _, s := range r.Samples {
		most = max(most, s.Moves)
	}
	return most
}

// Broken returns what of the promise did not hold, each with the numbers.
func (r Row) Broken() []string {
	broken := slices.Clone(r.Failed)
	exceeds := func(what string, got, limit time.Duration) {
		if got > limit {
			broken = append(broken, fmt.Sprintf("%s %s, bound %s", what, seconds(got), seconds(limit)))
		}
	}
	exceeds("outage", r.judged(), r.Limits.Outage)
	exceeds("nobody had the address for", r.nobody(), r.Limits.Nobody)
	exceeds("two live hosts had the address for", r.live(), r.Limits.Live)
	exceeds("two hosts answered ARP for", r.kernel(), r.Limits.Kernel)
	if r.moves() > r.Limits.Moves {
		broken = append(broken, fmt.Sprintf("%d moves, bound %d", r.moves(), r.Limits.Moves))
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
