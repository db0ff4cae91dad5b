// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/promise"
)

func TestFaultsOfTheHolder(t *testing.T) {
	for _, test := range []struct {
		name     string
		interval time.Duration
		faults   []fault.Fault
		runs     int
	}{
		{"stop", time.Second, []fault.Fault{fault.PlannedStop}, 3},
		{"silence", time.Second, []fault.Fault{fault.Kill, fault.Freeze}, 1},
		{"cable", time.Second, []fault.Fault{fault.CableCut}, 2},
		{"balancer", time.Second, []fault.Fault{fault.APIServerDies, fault.BalancerCrashes}, 1},
		{"fast", 100 * time.Millisecond, []fault.Fault{fault.Kill, fault.Freeze}, 1},
		{"fast cut", 100 * time.Millisecond, []fault.Fault{fault.CableCut}, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := startPlane(t, Config{System: harbinger, Interval: test.interval})
			for _, f := range test.faults {
				if err := do(t, p, f, test.runs).Check(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// cutClients is an act of the tests: for two seconds no client reaches the address.
const cutClients fault.Act = "cut the clients"

func dropClients(p *Plane, _ *Node) error {
	if err := p.Lab.Drop(lab.Drop{Traffic: lab.TCP(p.Port)}); err != nil {
		return err
	}
	p.watch(time.Now(), 2*time.Second)
	return p.Lab.Pass()
}

// A measurement leaves out stalls of the machine, but not what a fault does: a system that is not reached for two seconds on
// a loaded machine breaks a promise of one.
func TestUnreachedSystemOnALoadedMachineCounts(t *testing.T) {
	t.Parallel()
	p := startPlane(t, Config{System: harbinger, Nodes: 1})
	for range runtime.NumCPU() {
		_, err := p.clientHost.Start(lab.Command{Path: "sh", Args: []string{"-c", "while :; do :; done"}})
		must(t, err)
	}
	unreached := fault.Fault{Name: "clients cut off", Promise: promise.APIServerDeath, Act: cutClients}
	if err := do(t, p, unreached, 1).Check(); err == nil || !strings.Contains(err.Error(), "outage") {
		t.Errorf("check = %v, want it to see the outage", err)
	}
}

// Harbinger is compared with keepalived: the trial of keepalived must show what is known of it, above all the address that a
// kill leaves behind.
func TestFaultsOfKeepalived(t *testing.T) {
	t.Parallel()
	p := startPlane(t, Config{System: Keepalived{}, Interval: 100 * time.Millisecond})
	for _, test := range []struct {
		fault fault.Fault
		left  bool
	}{
		{fault.PlannedStop, false}, {fault.Kill, true}, {fault.Freeze, true}, {fault.CableCut, false}, {fault.APIServerDies, false},
	} {
		r := do(t, p, test.fault, 1).Samples[0]
		if r.Left != test.left {
			t.Errorf("%s: address left behind: %v, want %v", test.fault.Name, r.Left, test.left)
		}
	}
}
