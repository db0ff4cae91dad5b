// SPDX-License-Identifier: Apache-2.0

//go:build linux

package trial

import (
	"testing"
	"time"
)

// A test of faults on a plane of its own.
type faultTest struct {
	name     string
	interval time.Duration
	faults   []Fault
	runs     int
}

func (test faultTest) run(t *testing.T) {
	p := startPlane(t, Config{System: harbinger, Interval: test.interval})
	for _, fault := range test.faults {
		if err := do(t, p, fault, test.runs).Check(); err != nil {
			t.Error(err)
		}
	}
}

// The faults with the shortest bounds run before all other tests and are done
// thrice, so that the client measures them and not the machine.
func TestBriefFaultsOfTheHolder(t *testing.T) {
	for _, test := range []faultTest{
		{"stop", time.Second, []Fault{PlannedStop}, 3},
		{"fast cut", 100 * time.Millisecond, []Fault{CutCable}, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t)
		})
	}
}

func TestFaultsOfTheHolder(t *testing.T) {
	t.Parallel()
	for _, test := range []faultTest{
		{"silence", time.Second, []Fault{Kill, Freeze}, 1},
		{"cable", time.Second, []Fault{CutCable}, 2},
		{"balancer", time.Second, []Fault{APIServerDies, BalancerCrashes}, 1},
		{"fast", 100 * time.Millisecond, []Fault{Kill, Freeze}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t)
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
