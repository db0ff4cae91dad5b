// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/pkg/health"
)

// A suspended backend is unknown and stays so, whatever connections show, and its first check afterwards decides at once.
func TestSuspended(t *testing.T) {
	suspended := health.Suspended{Reason: "maintenance"}
	got, state := play(config, tick, passed, suspended, dialFailed, doubted, health.Resumed{}, passed, tick)
	want := []string{
		"0s Tick: Probe",
		`10ms Passed: Transition Unknown→Healthy "check passed"`,
		`20ms Suspended "maintenance": Transition Healthy→Unknown "maintenance"`,
		`30ms DialFailed "refused": `,
		`40ms Doubted "silent": `,
		"50ms Resumed: Probe",
		`60ms Passed: Transition Unknown→Healthy "check passed"`,
		"1.05s Tick: Probe",
	}
	if d := cmp.Diff(want, got); d != "" || state != health.Healthy {
		t.Errorf("%v (-want +got):\n%s", state, d)
	}
}

// No check is due while it is suspended, also where the checks are configured anew meanwhile; its time of being down ends.
func TestSuspendedIsNotChecked(t *testing.T) {
	c := health.New(config, start)
	c.Step(start, tick)
	c.Step(start, unreachable)
	at := start.Add(time.Second)
	c.Step(at, health.Suspended{})
	c.Reconfigure(config, at)
	later := at.Add(time.Hour)
	if actions := c.Step(later, tick); actions != nil || !c.Deadline().IsZero() {
		t.Errorf("it wants %v by %v", actions, c.Deadline())
	}
	if f := c.Figures(later); f.Downtime != time.Second {
		t.Errorf("it was down for %v", f.Downtime)
	}
	if actions := c.Step(later, health.Resumed{}); len(actions) != 1 || actions[0] != (health.Probe{}) {
		t.Errorf("resumed, it wants %v", actions)
	}
}
