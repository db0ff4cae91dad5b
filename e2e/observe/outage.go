// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"fmt"
	"slices"
	"time"
)

// An Outage is a time without an answer. It is measured in one of two ways:
//   - between two answers ([Log.Outages]): what was asked was away for that long at most. No request has to fail, and a time in
//     which nobody asked counts; without a fault the longest outage is about the pace of the requests.
//   - from the start of a request that failed to the end of the next that succeeded ([Log.Failures]): without a failure there is
//     no outage. It suits a client that asks more often than an outage is long, and is promised to the millisecond.
type Outage struct {
	From, To time.Time
	Stalled  time.Duration // of it, for which the machine stalled: see Outages.LeaveOut
	Failed   int           // requests that began in it and failed
	First    string        // error of the first of them
	Last     string        // error of the last: it may have another cause
}

// Length returns how long the outage was, without stalls of the machine.
func (o Outage) Length() time.Duration { return o.To.Sub(o.From) - o.Stalled }

// String returns length, start and errors in one line.
func (o Outage) String() string {
	s := fmt.Sprintf("%s from %s", o.Length().Round(time.Millisecond), o.From.Format("15:04:05.000"))
	switch {
	case o.Failed == 0:
		return s
	case o.First == o.Last:
		return s + fmt.Sprintf(" (%d requests failed: %s)", o.Failed, o.Last)
	default:
		return s + fmt.Sprintf(" (%d requests failed: %s … %s)", o.Failed, o.First, o.Last)
	}
}

// fail counts a request that failed in the outage.
func (o *Outage) fail(l Line) {
	if o.Failed == 0 {
		o.First = l.Err
	}
	o.Failed++
	o.Last = l.Err
}

// Outages are those of a time, oldest first.
type Outages []Outage

// LeaveOut returns the outages without stalls of the machine; stalled says for how long it stalled from one moment to another.
func (o Outages) LeaveOut(stalled func(from, to time.Time) time.Duration) Outages {
	o = slices.Clone(o)
	for i := range o {
		o[i].Stalled = stalled(o[i].From, o[i].To)
	}
	return o
}

// Longest returns the longest of the outages, the first of several; a zero Outage if there is none that lasted.
func (o Outages) Longest() (longest Outage) {
	for _, outage := range o {
		if outage.Length() > longest.Length() {
			longest = outage
		}
	}
	return longest
}

// Outages returns the times without an answer in the time from one moment to another that were longer than a threshold, oldest
// first. Both moments count as answers: an outage does not begin before the one, and one that lasts ends at the
// other. A time in which nobody asked is a time without an answer.
func (l Log) Outages(op Op, from, to time.Time, threshold time.Duration) Outages {
	var outages Outages
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
	longest := l.Outages(op, from, to, 0).Longest()
	if longest.From.IsZero() {
		return Outage{From: from, To: to}
	}
	return longest
}

// outage returns an outage with what failed in it.
func (l Log) outage(op Op, from, to time.Time) Outage {
	o := Outage{From: from, To: to}
	for _, line := range l {
		if line.Op == op && !line.OK && !line.Start.Before(from) && line.Start.Before(to) {
			o.fail(line)
		}
	}
	return o
}

// Failures returns the times from the start of a request that failed to the end of the next one that began after it and
// succeeded, of the requests that began after one moment. What still fails at the other moment ends there.
func (l Log) Failures(op Op, from, to time.Time) Outages {
	var outages Outages
	var open *Outage
	for _, line := range l.requests(op) {
		switch {
		case !line.Start.After(from) || line.Start.After(to):
		case !line.OK && open == nil:
			open = &Outage{From: line.Start}
			fallthrough
		case !line.OK:
			open.fail(line)
		case open != nil:
			open.To = line.End()
			outages, open = append(outages, *open), nil
		}
	}
	if open != nil {
		open.To = to
		outages = append(outages, *open)
	}
	return outages
}

// Availability is what became of the requests of a time.
type Availability struct {
	// Share is the part of the time in which a request that began got its answer soon enough, 0 to 1. Each request stands for
	// the time until the next one began, but for no longer than it might take: a time in which nobody asked counts as one
	// without an answer.
	Share              float64
	Requests, Answered int // all, and those that were answered soon enough
}

// Failed returns how many requests were not answered soon enough.
func (a Availability) Failed() int { return a.Requests - a.Answered }

// String returns the share in percent.
func (a Availability) String() string {
	return fmt.Sprintf("%.3f %% (%d of %d requests)", 100*a.Share, a.Answered, a.Requests)
}

// Availability returns for which part of the time from one moment to another a request was answered within a duration.
func (l Log) Availability(op Op, from, to time.Time, within time.Duration) Availability {
	requests := slices.DeleteFunc(l.requests(op), func(line Line) bool { return line.Start.Before(from) || !line.Start.Before(to) })
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
