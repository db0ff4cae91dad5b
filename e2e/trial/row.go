// SPDX-License-Identifier: Apache-2.0

//go:build linux

package trial

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A Row is what one fault did to one system, in one or more runs.
type Row struct {
	System   string
	Fault    Fault
	Interval time.Duration // between advertisements
	Results  []Result
	Err      error // of the run that ended the row
}

// Do does the fault to a plane once more.
func (r *Row) Do(p *Plane) error {
	r.System, r.Interval = p.System.Name(), p.Interval
	result, err := p.Do(r.Fault)
	r.Results = append(r.Results, result)
	r.Err = errors.Join(r.Err, err)
	return err
}

// Outage returns the median of the longest outages.
func (r Row) Outage() time.Duration {
	return r.median(func(r Result) time.Duration { return r.Outage.Length() })
}

// RepairOutage returns the median of the longest outages of the repair.
func (r Row) RepairOutage() time.Duration {
	return r.median(func(r Result) time.Duration { return r.RepairOutage.Length() })
}

func (r Row) median(of func(Result) time.Duration) time.Duration {
	var times []time.Duration
	for _, result := range r.Results {
		times = append(times, of(result))
	}
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[len(times)/2]
}

// Stalled returns for how long the machine stalled in all runs.
func (r Row) Stalled() (stalled time.Duration) {
	for _, result := range r.Results {
		stalled += result.Stalled
	}
	return stalled
}

// held and answered return the worst run.
func (r Row) held() time.Duration {
	return r.worst(func(r Result) time.Duration { return r.Held.Length() })
}

func (r Row) answered() time.Duration {
	return r.worst(func(r Result) time.Duration { return r.Answered.Length() })
}

func (r Row) worst(of func(Result) time.Duration) time.Duration {
	var worst time.Duration
	for _, result := range r.Results {
		worst = max(worst, of(result))
	}
	return worst
}

func (r Row) left() bool {
	return slices.ContainsFunc(r.Results, func(r Result) bool { return r.Left })
}

// What two hosts may do at once: S1 and S3 of the election's invariants.
const (
	delay = 50 * time.Millisecond // on the wire, with the scheduling of a live process
	drop  = 1100 * time.Millisecond
)

// lifetime is how long the kernel keeps an address that nobody refreshes.
func lifetime(interval time.Duration) time.Duration {
	if interval < time.Second {
		return time.Second
	}
	return 2 * time.Second
}

// Check returns what of the row breaks the promises that Harbinger makes.
func (r Row) Check() error {
	errs := []error{r.Err}
	exceeds := func(what string, got, bound time.Duration) {
		if got > bound {
			errs = append(errs, fmt.Errorf("%s: %s %s, bound %s", r.Fault.Name, what, seconds(got), seconds(bound)))
		}
	}
	exceeds("outage", r.worst(func(r Result) time.Duration { return r.Outage.Length() }), r.Fault.BoundFor(r.Interval))
	exceeds("two live hosts had the address for", r.held(), r.Interval+delay)
	exceeds("two hosts answered ARP for", r.answered(), lifetime(r.Interval)+drop)
	if r.left() {
		errs = append(errs, fmt.Errorf("%s: the address was left on a host that does not serve it", r.Fault.Name))
	}
	return errors.Join(errs...)
}

// Columns are the titles of [Row.Cells].
var Columns = []string{"fault", "system", "outage", "bound", "at repair", "holder", "two held", "two answered", "left behind"}

// Cells returns the row as text.
func (r Row) Cells() []string {
	bound := "≤ " + seconds(r.Fault.BoundFor(r.Interval))
	if r.System != (Harbinger{}).Name() {
		bound = ""
	}
	left := "no"
	if r.left() {
		left = "YES"
	}
	return []string{
		r.Fault.Name, r.System, seconds(r.Outage()), bound, seconds(r.RepairOutage()), r.moves(),
		seconds(r.held()), seconds(r.answered()), left,
	}
}

// moves tells the way of the address through the runs.
func (r Row) moves() string {
	var names []string
	for i, result := range r.Results {
		if i == 0 {
			names = append(names, result.Before)
		}
		names = append(names, result.After)
	}
	return strings.Join(names, " → ")
}

// seconds returns a duration in the unit of the tables.
func seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }

// Line returns cells as a line of a table whose columns have these widths.
func Line(widths []int, cells []string) string {
	var b strings.Builder
	for i, cell := range cells {
		b.WriteString(cell)
		if pad := widths[i] - utf8.RuneCountInString(cell); pad > 0 {
			b.WriteString(strings.Repeat(" ", pad))
		}
		b.WriteString("  ")
	}
	return strings.TrimRight(b.String(), " ")
}
