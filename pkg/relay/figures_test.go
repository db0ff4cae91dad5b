// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"sync"
	"testing"
	"time"
)

func TestRateIsOfTheLastSecondThatIsOver(t *testing.T) {
	var r rate
	for _, tt := range []struct {
		at         time.Duration
		add        int
		last, peak int
	}{
		{0, 1, 0, 1},
		{999 * time.Millisecond, 2, 0, 3}, // the second runs still
		{time.Second, 0, 3, 3},
		{1500 * time.Millisecond, 2, 3, 3},
		{1400 * time.Millisecond, 1, 3, 3}, // late, and counted all the same
		{2 * time.Second, 5, 3, 5},
		{3 * time.Second, 0, 5, 5},
		{5 * time.Second, 0, 0, 5}, // nothing came for a whole second
		{time.Hour, 1, 0, 5},
	} {
		now := tt.at
		for range tt.add {
			r.add(now)
		}
		if last, peak := r.read(now); last != tt.last || peak != tt.peak {
			t.Errorf("after %v: %d in the last second, %d at most, want %d and %d", tt.at, last, peak, tt.last, tt.peak)
		}
	}
}

// A connection that is one too many is none, whoever else comes and goes.
func TestLevelKeepsItsPeak(t *testing.T) {
	var l level
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				if l.enter(5) {
					l.leave()
				}
			}
		})
	}
	all.Wait()
	if l.now() != 0 || l.peak() < 1 || l.peak() > 5 {
		t.Errorf("%d now, peak %d, want none, and at most the limit", l.now(), l.peak())
	}
	for range 7 {
		l.enter(0)
	}
	if l.leave(); l.now() != 6 || l.peak() != 7 {
		t.Errorf("%d now, peak %d, want 6 and 7", l.now(), l.peak())
	}
}
