// SPDX-License-Identifier: Apache-2.0

package load

import (
	"slices"
	"time"
)

// Latencies are how long operations took.
type Latencies struct {
	Median, P99, P999, Longest time.Duration
}

// samples are times in nanoseconds, at most about four seconds each. The room is there before the first one is taken.
type samples []uint32

func newSamples() samples { return make(samples, 0, 1<<21) }

func (s *samples) add(d time.Duration) { *s = append(*s, uint32(min(d, 1<<32-1))) }

// latencies sorts the samples.
func (s samples) latencies() Latencies {
	if len(s) == 0 {
		return Latencies{}
	}
	slices.Sort(s)
	at := func(share float64) time.Duration { return time.Duration(s[min(int(share*float64(len(s))), len(s)-1)]) }
	return Latencies{Median: at(0.5), P99: at(0.99), P999: at(0.999), Longest: time.Duration(s[len(s)-1])}
}
