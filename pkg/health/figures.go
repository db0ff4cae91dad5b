// SPDX-License-Identifier: Apache-2.0

package health

import (
	"slices"
	"time"
)

// Figures are what a Check has counted since it was made, whatever became of its configuration.
type Figures struct {
	Checked  time.Time     `json:"checked"` // when the last check ended that showed something; zero: none has
	Took     time.Duration `json:"took"`    // how long it took
	Failure  string        `json:"failure"` // why it failed; empty: it passed
	Downs    uint64        `json:"downs"`   // changes from Healthy or Suspect to NotReady or Down
	Downtime time.Duration `json:"downtime"`
	Checks   Durations     `json:"checks"` // all that showed something
}

// Bounds are what Durations counts by. The last is beyond any useful timeout.
var Bounds = [...]time.Duration{
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second,
}

// Durations counts how long things took.
type Durations struct {
	Count uint64        `json:"count"`
	Sum   time.Duration `json:"sum"`
	// UpTo has, for each of the Bounds, how many took as long or less.
	UpTo [len(Bounds)]uint64 `json:"upTo"`
}

// add counts one.
func (d *Durations) add(took time.Duration) {
	d.Count++
	d.Sum += took
	first, _ := slices.BinarySearch(Bounds[:], took)
	for i := first; i < len(Bounds); i++ {
		d.UpTo[i]++
	}
}

// Figures returns what was counted so far.
func (c *Check) Figures(now time.Time) Figures {
	f := c.figures
	if c.state.out() {
		f.Downtime += now.Sub(c.outSince)
	}
	return f
}

// out reports whether a backend of the state gets connections only where no other is healthy, by the verdict of a check.
func (s State) out() bool { return s == NotReady || s == Down }

// ended notes a check that showed something.
func (c *Check) ended(now time.Time, took time.Duration, failure string) {
	c.figures.Checked, c.figures.Took, c.figures.Failure = now, took, failure
	c.figures.Checks.add(took)
}

// changed notes a change of state.
func (c *Check) changed(now time.Time, from State) {
	switch {
	case !from.out() && c.state.out():
		c.outSince = now
		if from != Unknown {
			c.figures.Downs++
		}
	case from.out() && !c.state.out():
		c.figures.Downtime += now.Sub(c.outSince)
	}
}
