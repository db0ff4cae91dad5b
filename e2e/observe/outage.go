// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"fmt"
	"slices"
	"time"
)

// An Outage is the time between two answers: from when the one came to when the next one came. What was asked was away for
// that long at most.
type Outage struct {
	From, To time.Time
	Failed   int    // requests that began in it and failed
	Err      string // of the last of them
}

// Length returns how long the outage was.
func (o Outage) Length() time.Duration { return o.To.Sub(o.From) }

// String returns the outage as a person would tell it.
func (o Outage) String() string {
	s := fmt.Sprintf("%s from %s", o.Length().Round(time.Millisecond), o.From.Format("15:04:05.000"))
	if o.Failed > 0 {
		s += fmt.Sprintf(" (%d requests failed: %s)", o.Failed, o.Err)
	}
	return s
}

// Outages returns the times without an answer in the time from one moment to another that were longer than a threshold, oldest
// first. Both moments count as answers: an outage is not blamed for what was before the one, and one that lasts ends at the
// other. A time in which nobody asked is a time without an answer.
func (l Log) Outages(op Op, from, to time.Time, threshold time.Duration) []Outage {
	var outages []Outage
	last := from
	gap := func(end time.Time) {
		if end.Sub(last) > threshold {
			outages = append(outages, l.outage(op, last, end))
		}
		last = end
	}
	for _, answer := range l.answers(op) {
		if end := answer.End(); end.After(from) && end.Before(to) {
			gap(end)
		}
	}
	gap(to)
	return outages
}

// Outage returns the longest of the times between two answers: without an outage, about the pace of the requests.
func (l Log) Outage(op Op, from, to time.Time) Outage {
	longest := Outage{From: from, To: from}
	for _, o := range l.Outages(op, from, to, 0) {
		if o.Length() > longest.Length() {
			longest = o
		}
	}
	return longest
}

// outage returns an outage with what failed in it.
func (l Log) outage(op Op, from, to time.Time) Outage {
	o := Outage{From: from, To: to}
	for _, line := range l {
		if line.Op == op && !line.OK && !line.Start.Before(from) && line.Start.Before(to) {
			o.Failed++
			o.Err = line.Err
		}
	}
	return o
}

// Availability is what became of the requests of a time.
type Availability struct {
	// Share is the part of the time in which a request that began got its answer soon enough, 0 to 1. Each request stands for
	// the time until the next one began, but for no longer than it might take: a time in which nobody asked counts as one
	// without an answer.
	Share              float64
	Requests, Answered int // all, and those that were answered soon enough
}

// String returns the share in percent.
func (a Availability) String() string {
	return fmt.Sprintf("%.3f %% (%d of %d requests)", 100*a.Share, a.Answered, a.Requests)
}

// Availability tells for which part of the time from one moment to another a request was answered within a duration.
func (l Log) Availability(op Op, from, to time.Time, within time.Duration) Availability {
	requests := slices.DeleteFunc(l.Of(op), func(line Line) bool { return line.Start.Before(from) || !line.Start.Before(to) })
	slices.SortStableFunc(requests, func(a, b Line) int { return a.Start.Compare(b.Start) })
	a := Availability{Requests: len(requests)}
	var available time.Duration
	for i, r := range requests {
		if !r.OK || r.Took > within {
			continue
		}
		a.Answered++
		next := to
		if i+1 < len(requests) {
			next = requests[i+1].Start
		}
		available += min(next.Sub(r.Start), within)
	}
	if to.After(from) {
		a.Share = float64(available) / float64(to.Sub(from))
	}
	return a
}
