// SPDX-License-Identifier: Apache-2.0

//go:build linux

package trial

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

func TestFaultsOfTheHolder(t *testing.T) {
	for _, test := range []struct {
		name     string
		interval time.Duration
		faults   []Fault
		runs     int
	}{
		{"stop", time.Second, []Fault{PlannedStop}, 3},
		{"silence", time.Second, []Fault{Kill, Freeze}, 1},
		{"cable", time.Second, []Fault{CutCable}, 2},
		{"balancer", time.Second, []Fault{APIServerDies, BalancerCrashes}, 1},
		{"fast", 100 * time.Millisecond, []Fault{Kill, Freeze}, 1},
		{"fast cut", 100 * time.Millisecond, []Fault{CutCable}, 3},
	} {
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

// A measurement leaves out what the machine does, and must not leave out what a
// fault does: a system that is dark for two seconds on a loaded machine breaks a
// promise of one.
func TestDarknessOnALoadedMachineCounts(t *testing.T) {
	t.Parallel()
	p := startPlane(t, Config{System: harbinger, Nodes: 1})
	for range runtime.NumCPU() {
		_, err := p.clientHost.Start(lab.Command{Path: "sh", Args: []string{"-c", "while :; do :; done"}})
		must(t, err)
	}
	darkness := Fault{
		Name: "darkness", Bound: time.Second,
		Inject: func(p *Plane, _ *Node) error {
			must(t, p.Lab.Drop(lab.Drop{Traffic: lab.TCP(p.Port)}))
			observeFor(2 * time.Second)
			return p.Lab.Pass()
		},
		Repair: func(*Plane, *Node) error { return nil },
	}
	if err := do(t, p, darkness, 1).Check(); err == nil || !strings.Contains(err.Error(), "outage") {
		t.Errorf("check = %v, want it to see the outage", err)
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
