// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Package fault does to a control plane of real API servers, on a real etcd,
// all that the election promises to survive, and judges what came of it.
package fault

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Row is something that happens to a plane, and what is promised then.
type Row struct {
	Name string
	// Once says that the row takes its time and is not repeated.
	Once bool

	kind    kind
	promise promise
	do      func(*stage) (sample, error)
}

// unbounded stands for a time or a number that is not promised.
const unbounded = -1

// A promise is the most that may come of a row. The times are those of the
// client without an answer, of nobody having the address, of two live hosts
// having it, and of two hosts answering ARP for it.
type promise struct {
	outage, gone, held, answered time.Duration
	moves                        int
}

// A sample is what came of one run of a row.
type sample struct {
	outage, gone, held, answered time.Duration
	moves                        int
	before, after                int32 // epoch of the Lease
}

// A Result is what came of all runs of a row.
type Result struct {
	Row
	samples []sample
	notes   []string
	broken  []string // expectations, beside the numbers
}

// outage returns the median.
func (r Result) outage() time.Duration {
	if len(r.samples) == 0 {
		return 0
	}
	var times []time.Duration
	for _, s := range r.samples {
		times = append(times, s.outage)
	}
	slices.Sort(times)
	return times[len(times)/2]
}

// worst returns the largest of the runs, but for outages.
func (r Result) worst() (w sample) {
	for _, s := range r.samples {
		w.gone, w.held, w.answered = max(w.gone, s.gone), max(w.held, s.held), max(w.answered, s.answered)
		w.moves = max(w.moves, s.moves)
	}
	return w
}

// Broken returns what of the promise did not hold, each with the numbers.
func (r Result) Broken() []string {
	broken := slices.Clone(r.broken)
	exceeds := func(what string, got, bound time.Duration) {
		if bound != unbounded && got > bound {
			broken = append(broken, fmt.Sprintf("%s %s, bound %s", what, seconds(got), seconds(bound)))
		}
	}
	w := r.worst()
	exceeds("outage", r.outage(), r.promise.outage)
	exceeds("nobody had the address for", w.gone, r.promise.gone)
	exceeds("two live hosts had the address for", w.held, r.promise.held)
	exceeds("two hosts answered ARP for", w.answered, r.promise.answered)
	if r.promise.moves != unbounded && w.moves > r.promise.moves {
		broken = append(broken, fmt.Sprintf("%d moves, bound %d", w.moves, r.promise.moves))
	}
	if len(r.samples) == 0 {
		broken = append(broken, "no run was completed")
	}
	return broken
}

// Notes returns what is worth to be read beside the numbers.
func (r Result) Notes() []string { return r.notes }

// Columns are the titles of [Result.Cells].
var Columns = []string{"fault", "outage", "bound", "gone", "two held", "two answered", "moves", "epoch", "verdict"}

// Cells returns the result as text.
func (r Result) Cells() []string {
	w := r.worst()
	verdict := "ok"
	if len(r.Broken()) > 0 {
		verdict = "BROKEN"
	}
	return []string{
		r.Name, seconds(r.outage()), atMost(r.promise.outage), pair(w.gone, r.promise.gone), pair(w.held, r.promise.held),
		pair(w.answered, r.promise.answered), moves(w.moves, r.promise.moves), r.epochs(), verdict,
	}
}

// epochs tells the epoch before and after all runs.
func (r Result) epochs() string {
	if len(r.samples) == 0 {
		return ""
	}
	return fmt.Sprintf("%d→%d", r.samples[0].before, r.samples[len(r.samples)-1].after)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

func atMost(bound time.Duration) string {
	if bound == unbounded {
		return ""
	}
	return fmt.Sprintf("≤ %g", bound.Seconds())
}

func pair(got, bound time.Duration) string {
	return strings.TrimSpace(seconds(got) + " " + atMost(bound))
}

func moves(got, bound int) string {
	if bound == unbounded {
		return fmt.Sprint(got)
	}
	return fmt.Sprintf("%d ≤ %d", got, bound)
}
