// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"runtime"
	"testing"
	"time"
)

func TestProcessors(t *testing.T) {
	for _, c := range []struct {
		interval time.Duration
		has      int
		want     int
	}{
		{time.Second, 64, 1},
		{200 * time.Millisecond, 2, 1},
		{100 * time.Millisecond, 64, 2},
		{20 * time.Millisecond, 64, 2},
		{10 * time.Millisecond, 1, 1},
	} {
		if got := Processors(c.interval, c.has); got != c.want {
			t.Errorf("advertisements every %v on %d processors: %d, want %d", c.interval, c.has, got, c.want)
		}
	}
}

func TestEconomizeLeavesTheChoiceOfTheUser(t *testing.T) {
	before := runtime.GOMAXPROCS(3)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	t.Setenv("GOMAXPROCS", "3")
	if Economize(time.Second); runtime.GOMAXPROCS(0) != 3 {
		t.Errorf("%d processors, and GOMAXPROCS=3", runtime.GOMAXPROCS(0))
	}
	t.Setenv("GOMAXPROCS", "")
	if Economize(20 * time.Millisecond); runtime.GOMAXPROCS(0) != 2 {
		t.Errorf("%d processors with advertisements every 20 ms, want 2", runtime.GOMAXPROCS(0))
	}
	if Economize(time.Second); runtime.GOMAXPROCS(0) != 1 {
		t.Errorf("%d processors with advertisements every second, want 1", runtime.GOMAXPROCS(0))
	}
}
