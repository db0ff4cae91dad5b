// SPDX-License-Identifier: Apache-2.0

package vrrp

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestTimers(t *testing.T) {
	tests := []struct {
		name     string
		version  Version
		priority uint8
		interval time.Duration
		skew     time.Duration
		down     time.Duration
	}{
		{"version 2", Version2, 100, time.Second, 609375 * time.Microsecond, 3609375 * time.Microsecond},
		{"version 2 counts the skew in seconds", Version2, 100, 10 * time.Second, 609375 * time.Microsecond, 30609375 * time.Microsecond},
		{"version 3", Version3, 100, time.Second, 609375 * time.Microsecond, 3609375 * time.Microsecond},
		{"version 3 scales the skew", Version3, 100, 100 * time.Millisecond, 60937500, 360937500},
		{"owner", Version3, PriorityOwner, time.Second, 3906250, 3003906250},
		{"lowest priority", Version3, 1, 40950 * time.Millisecond, 40790039062, 163640039062},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := SkewTime(tt.version, tt.priority, tt.interval); got != tt.skew {
				t.Errorf("skew time %s, want %s", got, tt.skew)
			}
			if got := ActiveDownInterval(tt.version, tt.priority, tt.interval); got != tt.down {
				t.Errorf("active down interval %s, want %s", got, tt.down)
			}
		})
	}
}

// TestTimersProperties holds what the election builds on: the higher the priority, the sooner the takeover, and the skew
// stays below an interval (a second in version 2).
func TestTimersProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		version := rapid.SampledFrom([]Version{Version2, Version3}).Draw(t, "version")
		priority := rapid.Uint8Range(1, 254).Draw(t, "priority")
		interval := 10 * time.Millisecond * time.Duration(rapid.IntRange(1, maxInterval3).Draw(t, "interval"))
		unit := interval
		if version == Version2 {
			interval, unit = max(1, interval/(10*time.Millisecond)%256)*time.Second, time.Second
		}
		skew, better := SkewTime(version, priority, interval), SkewTime(version, priority+1, interval)
		if skew <= better || better <= 0 || skew >= unit {
			t.Errorf("skew times %s of priority %d and %s of the next one, at %s", skew, priority, better, interval)
		}
		if d := skew - better - unit/256; d < 0 || d > 1 {
			t.Errorf("a step of priority is %s, want 1/256 of %s", skew-better, unit)
		}
		if got := ActiveDownInterval(version, priority, interval); got != 3*interval+skew {
			t.Errorf("active down interval %s, want 3 times %s and %s", got, interval, skew)
		}
	})
}
