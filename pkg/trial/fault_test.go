// SPDX-License-Identifier: Apache-2.0

//go:build linux

package trial

import (
	"testing"
	"time"
)

// The faults run on several planes at once, but few on each, so that the
// client measures the fault and not the machine.
func TestFaultsOfTheHolder(t *testing.T) {
	tests := []struct {
		name     string
		interval time.Duration
		faults   []Fault
		runs     int
	}{
		{"stop", time.Second, []Fault{PlannedStop}, 3},
		{"silence", time.Second, []Fault{Kill, Freeze}, 1},
		{"cable", time.Second, []Fault{CutCable}, 2},
		{"balancer", time.Second, []Fault{APIServerDies, BalancerCrashes}, 1},
		{"fast", 100 * time.Millisecond, []Fault{CutCable, Kill, Freeze, PlannedStop}, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := startPlane(t, Config{System: harbinger, Interval: test.interval})
			for _, fault := range test.faults {
				if err := do(t, p, fault, test.runs).Check(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// What Harbinger is measured against: the trial of keepalived itself must give
// what is known of it, above all the address that a kill leaves behind.
func TestFaultsOfKeepalived(t *testing.T) {
	t.Parallel()
	p := startPlane(t, Config{System: Keepalived{}, Interval: 100 * time.Millisecond})
	for _, test := range []struct {
		fault Fault
		left  bool
	}{{PlannedStop, false}, {Kill, true}, {Freeze, true}, {CutCable, false}, {APIServerDies, false}} {
		r := do(t, p, test.fault, 1).Results[0]
		if r.Left != test.left {
			t.Errorf("%s: address left behind: %v, want %v", test.fault.Name, r.Left, test.left)
		}
	}
}
