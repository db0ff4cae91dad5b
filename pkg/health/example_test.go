// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"fmt"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/health"
)

// The caller keeps the clock: it waits for the deadline, makes the check that is asked for and passes in the outcome.
func ExampleCheck() {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	check := health.New(health.Config{Interval: time.Second, SuccessThreshold: 2, FailureThreshold: 2}, now)
	started := now
	for _, outcome := range []health.Event{
		health.Passed{},
		health.Failed{Unreachable: true, Reason: "connection refused"},
		health.Failed{Unreachable: true, Reason: "connection refused"},
	} {
		now = check.Deadline()
		check.Step(now, health.Tick{}) // asks for a check
		for _, action := range check.Step(now, outcome) {
			fmt.Println(now.Sub(started), action)
		}
	}
	fmt.Println(check.State(), "because of:", check.Reason())
	// Output:
	// 0s Transition Unknown→Healthy "check passed"
	// 1.1s Transition Healthy→Down "connection refused"
	// Down because of: connection refused
}

// A connection of a client that fails makes a backend suspect at once, and the next check due. It does not wait for the interval.
func ExampleCheck_Step_dialFailed() {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	check := health.New(health.Config{Interval: time.Second, SuccessThreshold: 2, FailureThreshold: 2}, now)
	check.Step(now, health.Tick{})
	check.Step(now, health.Passed{})

	now = now.Add(300 * time.Millisecond)
	for _, action := range check.Step(now, health.DialFailed{Reason: "no answer"}) {
		fmt.Println(action)
	}
	// Output:
	// Transition Healthy→Suspect "no answer"
	// Probe
}
