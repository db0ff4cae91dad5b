// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"
	"time"
)

// Figures are what the sessions of one backend came to.
type Figures struct {
	Connects Durations        `json:"connects"` // from the begin of a dial until the backend accepted
	Answers  Durations        `json:"answers"`  // from then until its first byte
	Lasted   Durations        `json:"lasted"`   // from the accept of the client to the end
	Ended    map[Cause]uint64 `json:"ended"`    // by each of Endings, also where it did not occur
}

// Bounds are what Durations counts by.
type Bounds [8]time.Duration

// The bounds of the Durations of Figures.
var (
	// QuickBounds are those of what the next packet of another host ends. After a quarter of a second the next backend is dialled.
	QuickBounds = Bounds{
		500 * time.Microsecond, time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond,
		250 * time.Millisecond, time.Second,
	}
	// LastedBounds are those of whole sessions: a request is over in a moment, a watch lasts for minutes, the connection of a kubelet for days.
	LastedBounds = Bounds{
		100 * time.Millisecond, time.Second, 10 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour,
	}
)

// Index returns the first of the bounds that is as long as took, or longer; len(b) where none is.
func (b *Bounds) Index(took time.Duration) int {
	i, _ := slices.BinarySearch(b[:], took)
	return i
}

// Durations counts how long things took.
type Durations struct {
	Sum time.Duration `json:"sum"`
	// In has how many took as long as each of the Bounds, or less, and longer than the one before; and last, those that took longer
	// than all.
	In [len(Bounds{}) + 1]uint64 `json:"in"`
}

// Endings returns the causes for which a session ends that a backend had taken: all but the stop of the balancer, which nobody sees.
func Endings() []Cause {
	return []Cause{Finished, ClientBroke, BackendBroke, BackendDown, AddressMoved, HalfClosed, Maintenance, Rebalanced, ClientSilent, ClientUnusable}
}
