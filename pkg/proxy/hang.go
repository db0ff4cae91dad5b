// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"time"

	"github.com/harbinger-ha/harbinger/pkg/scheduling"
)

// A hang is the judgement whether a process that sends no report hangs, or is only slow. Silence counts against it while it is
// stopped, or asleep: it had the CPU time that it wanted. While it is short of CPU, only the CPU time that it got counts. Time is
// counted in turns of the keeper, so that none counts in which the keeper itself did not run.
type hang struct {
	limit  time.Duration // of silence
	silent time.Duration // in which it was stopped, or asleep
	spun   time.Duration // of CPU time that it used without a report
}

// A turn is what a process did between two looks at it.
type turn struct {
	stopped     bool
	runnable    bool          // at the end
	ran, waited time.Duration // on a CPU, all threads together; and for one, that which waited longest
}

// A verdict is what a turn without a report shows.
type verdict uint8

const (
	patient  verdict = iota // it may still report
	starved                 // it is short of CPU: replacing it would help nobody
	stuck                   // it hangs: asleep or stopped
	spinning                // it hangs: it uses its CPU time for nothing
)

// starvedShare is the part of a turn that a thread waits for a CPU, when its process is short of CPU.
const starvedShare = 4

// take judges one turn without a report.
func (h *hang) take(t turn) verdict {
	wants := t.runnable || t.waited > heartbeat/starvedShare
	if t.stopped || !wants {
		if h.silent += heartbeat; h.silent >= h.limit {
			return stuck
		}
		return patient
	}
	if h.spun += min(t.ran, heartbeat); h.spun >= spinAfter {
		return spinning
	}
	if t.ran < heartbeat/2 {
		return starved
	}
	return patient
}

// An observer looks at a process once a turn while it sends no report.
type observer struct {
	pid    int
	before *scheduling.Use // of the last look; nil where a report came since
}

// look returns what the process did since the last look. A process that cannot be looked at is taken to be asleep: then the
// clock alone decides.
func (o *observer) look() turn {
	now, err := scheduling.UseOf(o.pid)
	if err != nil {
		return turn{}
	}
	t := turn{stopped: now.Stopped, runnable: now.Runnable}
	if o.before != nil {
		t.ran, t.waited = now.Since(*o.before)
	}
	o.before = &now
	return t
}

// spared is how much time of a check its process has to wait for a CPU, as a part of the timeout, for a timeout to say nothing
// about the backend.
const spared = 2

// excused reports whether this process was so short of CPU since an earlier moment that a timeout says nothing about others.
func excused(before scheduling.Use, began time.Time, timeout time.Duration) bool {
	now, err := scheduling.UseOf(self)
	if err != nil {
		return false
	}
	_, waited := now.Since(before)
	return waited+max(0, time.Since(began)-timeout) > timeout/spared
}
