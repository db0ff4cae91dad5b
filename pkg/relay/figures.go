// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/session"
)

// refusals count connections by the reason for which they were refused. It has a counter for every reason from the start.
type refusals map[session.Cause]*atomic.Uint64

func newRefusals() refusals {
	counts := refusals{}
	for _, why := range session.Refusals() {
		counts[why] = new(atomic.Uint64)
	}
	return counts
}

// read returns the counts, and their sum.
func (r refusals) read() (by map[session.Cause]uint64, all uint64) {
	by = map[session.Cause]uint64{}
	for why, count := range r {
		by[why] = count.Load()
		all += by[why]
	}
	return by, all
}

// Ends count sessions by the cause of their end.
type ends [session.ClientUnusable + 1]atomic.Uint64

// read returns the counts of the causes that there are.
func (e *ends) read() map[session.Cause]uint64 {
	by := map[session.Cause]uint64{}
	for _, why := range session.Endings() {
		by[why] = e[why].Load()
	}
	return by
}

// Durations count how long things took. Its methods may be called by any number of goroutines; what one adds meanwhile may be
// read in part.
type durations struct {
	sum atomic.Int64
	in  [len(session.Durations{}.In)]atomic.Uint64
}

// add counts one.
func (d *durations) add(bounds *session.Bounds, took time.Duration) {
	d.sum.Add(int64(took))
	d.in[bounds.Index(took)].Add(1)
}

func (d *durations) read() session.Durations {
	all := session.Durations{Sum: time.Duration(d.sum.Load())}
	for i := range d.in {
		all.In[i] = d.in[i].Load()
	}
	return all
}

// A level is a number that rises and falls, and its peak. Its methods may be called by any number of goroutines.
type level struct{ value, highest atomic.Int64 }

// enter adds one, unless there are limit already; 0 is no limit.
func (l *level) enter(limit int) bool {
	n := l.value.Add(1)
	if limit > 0 && n > int64(limit) {
		l.value.Add(-1)
		return false
	}
	for peak := l.highest.Load(); n > peak && !l.highest.CompareAndSwap(peak, n); peak = l.highest.Load() {
	}
	return true
}

// leave takes one away, and returns how many are left.
func (l *level) leave() int { return int(l.value.Add(-1)) }

func (l *level) now() int  { return int(l.value.Load()) }
func (l *level) peak() int { return int(l.highest.Load()) }

// A rate counts what happens in each second since a start. Its methods may be called by any number of goroutines.
type rate struct {
	mu      sync.Mutex
	second  int64 // that which runs
	running int   // what has happened in it
	last    int   // what happened in the one before
	highest int
}

// add counts one that happens now.
func (r *rate) add(now time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn(now)
	r.running++
	r.highest = max(r.highest, r.running)
}

// read returns how many there were in the last second that is over, and the most there ever were in one.
func (r *rate) read(now time.Duration) (last, peak int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn(now)
	return r.last, r.highest
}

// turn begins a new second where one is due. Who comes late with an older time is counted in the second that runs.
func (r *rate) turn(now time.Duration) {
	second := int64(now / time.Second)
	switch passed := second - r.second; {
	case passed <= 0:
		return
	case passed == 1:
		r.last = r.running
	default:
		r.last = 0
	}
	r.second, r.running = second, 0
}
