// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/harbinger-ha/harbinger/pkg/health"
)

var (
	start  = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	config = health.Config{SuccessThreshold: 2, FailureThreshold: 2, Interval: time.Second}

	passed      = health.Passed{}
	notReady    = health.Failed{Reason: "status 500"}
	unreachable = health.Failed{Unreachable: true, Reason: "time out"}
	missed      = health.Missed{}
	dialFailed  = health.DialFailed{Reason: "refused"}
	doubted     = health.Doubted{Reason: "silent"}
)

// play feeds events to a new check, each check of which takes 10 ms, and returns a line per event: when it came, what it
// was, and what was to be done. A tick comes at its deadline.
func play(cfg health.Config, events ...health.Event) (trace []string, state health.State) {
	c := health.New(cfg, start)
	now := start
	for _, ev := range events {
		switch ev.(type) {
		case health.Tick:
			now = c.Deadline()
		default:
			now = now.Add(10 * time.Millisecond)
		}
		var done []string
		for _, action := range c.Step(now, ev) {
			done = append(done, action.String())
		}
		trace = append(trace, fmt.Sprintf("%v %v: %s", now.Sub(start), ev, strings.Join(done, ", ")))
	}
	return trace, c.State()
}

var tick = health.Tick{}

func TestTraces(t *testing.T) {
	for _, test := range []struct {
		name   string
		events []health.Event
		want   []string
	}{
		{
			"the first verdict comes at once",
			[]health.Event{tick, passed, tick},
			[]string{
				"0s Tick: Probe",
				`10ms Passed: Transition Unknown→Healthy "check passed"`,
				"1s Tick: Probe",
			},
		},
		{
			"the first verdict may be bad",
			[]health.Event{tick, unreachable},
			[]string{"0s Tick: Probe", `10ms Failed unreachable=true "time out": Transition Unknown→Down "time out"`},
		},
		{
			"one failure is looked at again soon, and forgotten",
			[]health.Event{tick, passed, tick, unreachable, tick, passed, tick},
			[]string{
				"0s Tick: Probe",
				`10ms Passed: Transition Unknown→Healthy "check passed"`,
				"1s Tick: Probe",
				`1.01s Failed unreachable=true "time out": `,
				"1.1s Tick: Probe",
				"1.11s Passed: ",
				"2.1s Tick: Probe",
			},
		},
		{
			"two failures take it out, two passes bring it back",
			[]health.Event{tick, passed, tick, notReady, tick, notReady, tick, passed, tick, passed},
			[]string{
				"0s Tick: Probe",
				`10ms Passed: Transition Unknown→Healthy "check passed"`,
				"1s Tick: Probe",
				`1.01s Failed unreachable=false "status 500": `,
				"1.1s Tick: Probe",
				`1.11s Failed unreachable=false "status 500": Transition Healthy→NotReady "status 500"`,
				"2.1s Tick: Probe",
				"2.11s Passed: ",
				"2.2s Tick: Probe",
				`2.21s Passed: Transition NotReady→Healthy "check passed"`,
			},
		},
		{
			"a failed dial takes it out at once and is looked into at once",
			[]health.Event{tick, passed, dialFailed, dialFailed, unreachable},
			[]string{
				"0s Tick: Probe",
				`10ms Passed: Transition Unknown→Healthy "check passed"`,
				`20ms DialFailed "refused": Transition Healthy→Suspect "refused", Probe`,
				`30ms DialFailed "refused": `,
				`40ms Failed unreachable=true "time out": Transition Suspect→Down "time out"`,
			},
		},
		{
			"a suspect passes like any other",
			[]health.Event{tick, passed, dialFailed, passed, tick, passed},
			[]string{
				"0s Tick: Probe",
				`10ms Passed: Transition Unknown→Healthy "check passed"`,
				`20ms DialFailed "refused": Transition Healthy→Suspect "refused", Probe`,
				"30ms Passed: ",
				"120ms Tick: Probe",
				`130ms Passed: Transition Suspect→Healthy "check passed"`,
			},
		},
		{
			"a client without an answer takes it out at once, and checks alone decide",
			[]health.Event{tick, passed, doubted, doubted, unreachable, tick, unreachable},
			[]string{
				"0s Tick: Probe",
				`10ms Passed: Transition Unknown→Healthy "check passed"`,
				`20ms Doubted "silent": Transition Healthy→Suspect "silent", Probe`,
				`30ms Doubted "silent": `,
				`40ms Failed unreachable=true "time out": `,
				"120ms Tick: Probe",
				`130ms Failed unreachable=true "time out": Transition Suspect→Down "time out"`,
			},
		},
		{
			"clients without an answer do not keep it out",
			[]health.Event{tick, passed, doubted, passed, doubted, tick, passed},
			[]string{
				"0s Tick: Probe",
				`10ms Passed: Transition Unknown→Healthy "check passed"`,
				`20ms Doubted "silent": Transition Healthy→Suspect "silent", Probe`,
				"30ms Passed: ",
				`40ms Doubted "silent": `,
				"120ms Tick: Probe",
				`130ms Passed: Transition Suspect→Healthy "check passed"`,
			},
		},
		{
			"a dial that fails during a check asks for no other",
			[]health.Event{tick, passed, tick, dialFailed, unreachable},
			[]string{
				"0s Tick: Probe",
				`10ms Passed: Transition Unknown→Healthy "check passed"`,
				"1s Tick: Probe",
				`1.01s DialFailed "refused": Transition Healthy→Suspect "refused"`,
				`1.02s Failed unreachable=true "time out": Transition Suspect→Down "time out"`,
			},
		},
		{
			"not ready and unreachable are not the same",
			[]health.Event{tick, passed, tick, unreachable, tick, notReady, tick, unreachable, tick, unreachable, tick, notReady},
			[]string{
				"0s Tick: Probe",
				`10ms Passed: Transition Unknown→Healthy "check passed"`,
				"1s Tick: Probe",
				`1.01s Failed unreachable=true "time out": `,
				"1.1s Tick: Probe",
				`1.11s Failed unreachable=false "status 500": Transition Healthy→NotReady "status 500"`,
				"2.1s Tick: Probe",
				`2.11s Failed unreachable=true "time out": `,
				"3.1s Tick: Probe",
				`3.11s Failed unreachable=true "time out": Transition NotReady→Down "time out"`,
				"4.1s Tick: Probe",
				`4.11s Failed unreachable=false "status 500": Transition Down→NotReady "status 500"`,
			},
		},
		{
			"a check that shows nothing changes nothing, and comes again",
			[]health.Event{tick, passed, tick, unreachable, tick, missed, tick, missed, tick, unreachable},
			[]string{
				"0s Tick: Probe",
				`10ms Passed: Transition Unknown→Healthy "check passed"`,
				"1s Tick: Probe",
				`1.01s Failed unreachable=true "time out": `,
				"1.1s Tick: Probe",
				"1.11s Missed: ",
				"1.2s Tick: Probe",
				"1.21s Missed: ",
				"1.3s Tick: Probe",
				`1.31s Failed unreachable=true "time out": Transition Healthy→Down "time out"`,
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, _ := play(config, test.events...)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("trace differs (-want +got):\n%s", diff)
			}
		})
	}
}

// What has accepted a connection in the check that failed last can still be used. Nothing else changes by that.
func TestAccepts(t *testing.T) {
	late := health.Failed{Unreachable: true, Accepts: true, Reason: "time out"}
	open := health.Failed{Accepts: true, Reason: "status 500"}
	for _, tc := range []struct {
		name   string
		events []health.Event
		state  health.State
		want   bool
	}{
		{"before the first check", nil, health.Unknown, false},
		{"healthy", []health.Event{tick, passed}, health.Healthy, false},
		{"healthy, after one failure", []health.Event{tick, passed, tick, open}, health.Healthy, false},
		{"not ready", []health.Event{tick, open}, health.NotReady, true},
		{"late", []health.Event{tick, late}, health.Down, true},
		{"late, and then healthy", []health.Event{tick, late, tick, passed, tick, passed}, health.Healthy, false},
		{"dead", []health.Event{tick, unreachable}, health.Down, false},
		{"not asked at all", []health.Event{tick, notReady}, health.NotReady, false},
		{"late, and then dead", []health.Event{tick, late, tick, unreachable}, health.Down, false},
		{"dead, and then late", []health.Event{tick, unreachable, tick, late}, health.Down, true},
		{"not ready, and then dead for a moment", []health.Event{tick, open, tick, unreachable}, health.NotReady, false},
		{"not ready, and a dial failed", []health.Event{tick, open, dialFailed}, health.NotReady, true},
	} {
		c := health.New(config, start)
		now := start
		for _, ev := range tc.events {
			now = now.Add(time.Second)
			c.Step(now, ev)
		}
		if c.State() != tc.state || c.Accepts() != tc.want {
			t.Errorf("%s: %v, accepts %t, want %v, %t", tc.name, c.State(), c.Accepts(), tc.state, tc.want)
		}
	}
}

func TestThresholdOfOne(t *testing.T) {
	cfg := config
	cfg.SuccessThreshold, cfg.FailureThreshold = 1, 1
	if _, state := play(cfg, tick, passed, dialFailed); state != health.Down {
		t.Errorf("after a failed dial it is %v", state)
	}
	if _, state := play(cfg, tick, unreachable, tick, passed); state != health.Healthy {
		t.Errorf("after a pass it is %v", state)
	}
}

// A state is settled when as many checks agree as its change needs.
func TestSettled(t *testing.T) {
	cfg := config
	cfg.SuccessThreshold, cfg.FailureThreshold = 2, 3
	c := health.New(cfg, start)
	for i, tt := range []struct {
		event health.Event
		want  bool
	}{
		{tick, false},
		{notReady, false},
		{passed, false}, // it was not ready, and needs another one
		{notReady, false},
		{notReady, false},
		{unreachable, true},
		{passed, false},
		{passed, true},
		{notReady, true}, // it is healthy until there are more
		{health.Suspended{}, false},
	} {
		if c.Step(start, tt.event); c.Settled() != tt.want {
			t.Errorf("after event %d, %v in state %v: settled is %t", i, tt.event, c.State(), !tt.want)
		}
	}
}

func TestReconfigureKeepsTheState(t *testing.T) {
	c := health.New(config, start)
	c.Step(start, tick)
	c.Step(start, passed)
	since := c.Since()
	c.Step(start.Add(time.Second), tick) // its outcome is lost
	now := start.Add(2 * time.Second)
	c.Reconfigure(health.Config{SuccessThreshold: 3, FailureThreshold: 1, Interval: time.Minute}, now)
	if c.State() != health.Healthy || !c.Since().Equal(since) || c.Reason() != "check passed" {
		t.Errorf("it became %v at %v: %s", c.State(), c.Since(), c.Reason())
	}
	if actions := c.Step(now, tick); len(actions) != 1 || actions[0] != (health.Probe{}) {
		t.Errorf("it wants %v", actions)
	}
	c.Step(now, notReady)
	if c.State() != health.NotReady {
		t.Errorf("the new threshold makes it %v", c.State())
	}
}

func TestEarlyTickDoesNothing(t *testing.T) {
	c := health.New(config, start)
	c.Step(start, tick)
	c.Step(start, passed)
	if actions := c.Step(start.Add(999*time.Millisecond), tick); actions != nil {
		t.Errorf("it wants %v", actions)
	}
}

func TestStateText(t *testing.T) {
	for s := health.Unknown; s <= health.Down; s++ {
		text, err := s.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back health.State
		if err := back.UnmarshalText(text); err != nil || back != s {
			t.Errorf("%s became %v: %v", text, back, err)
		}
	}
	if got := health.State(9).String(); got != "State(9)" {
		t.Errorf("got %s", got)
	}
	var s health.State
	if err := s.UnmarshalText([]byte("Up")); err == nil {
		t.Error("Up was accepted")
	}
}

// TestProperties plays histories of checks and dials at random and compares them with the rules.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := health.Config{
			SuccessThreshold: rapid.IntRange(1, 4).Draw(t, "successThreshold"),
			FailureThreshold: rapid.IntRange(1, 4).Draw(t, "failureThreshold"),
			Interval:         time.Second,
		}
		c := health.New(cfg, start)
		now := start
		probing := false
		passes, strikes := 0, 0 // in a row
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			choices := []health.Event{tick, dialFailed}
			if probing {
				choices = append(choices, passed, notReady, unreachable, missed)
			}
			ev := rapid.SampledFrom(choices).Draw(t, "event")
			if ev == health.Event(tick) && !c.Deadline().IsZero() {
				now = c.Deadline()
			}
			before := c.State()
			switch ev {
			case passed:
				probing = false
				passes, strikes = passes+1, 0
			case notReady, unreachable:
				probing = false
				passes, strikes = 0, strikes+1
			case missed:
				probing = false
			case dialFailed:
				if before == health.Healthy || before == health.Suspect {
					passes = 0
				}
				if before == health.Healthy {
					strikes++
				}
			}
			for _, action := range c.Step(now, ev) {
				if action == (health.Probe{}) {
					if probing {
						t.Fatal("two probes at once")
					}
					probing = true
				}
			}
			if probing != c.Deadline().IsZero() {
				t.Fatalf("probing is %t, deadline is %v", probing, c.Deadline())
			}
			if after := c.State(); after != before {
				checkTransition(t, cfg, before, after, passes, strikes)
			}
		}
	})
}

func checkTransition(t *rapid.T, cfg health.Config, before, after health.State, passes, strikes int) {
	switch {
	case after == health.Unknown:
		t.Fatal("a verdict was forgotten")
	case before == health.Unknown:
	case after == health.Healthy && passes < cfg.SuccessThreshold:
		t.Fatalf("healthy after %d passes", passes)
	case after == health.Suspect && before != health.Healthy:
		t.Fatalf("%v became a suspect", before)
	case (before == health.Healthy || before == health.Suspect) && after > health.Suspect && strikes < cfg.FailureThreshold:
		t.Fatalf("%v after %d failures", after, strikes)
	}
}

// A backend that dies right after a good check, and lets each check use all its time, is down when the configuration says so.
func TestDetection(t *testing.T) {
	for _, cfg := range []health.Config{
		{Interval: 400 * time.Millisecond, Timeout: 900 * time.Millisecond, SuccessThreshold: 2, FailureThreshold: 2},
		{Interval: time.Second, Timeout: 50 * time.Millisecond, SuccessThreshold: 1, FailureThreshold: 3},
		{Interval: time.Second, Timeout: time.Second, SuccessThreshold: 1, FailureThreshold: 1},
	} {
		start := time.Unix(1_800_000_000, 0)
		now, c := start, health.New(cfg, start)
		c.Step(now, health.Tick{})
		c.Step(now, health.Passed{})
		for c.State() != health.Down {
			if due := c.Deadline(); !due.IsZero() { // otherwise the next check began when the one before it ended
				now = due
				c.Step(now, health.Tick{})
			}
			now = now.Add(cfg.Timeout)
			c.Step(now, health.Failed{Unreachable: true, Took: cfg.Timeout})
		}
		if took := now.Sub(start); took != cfg.Detection() {
			t.Errorf("%+v: down after %v, want %v", cfg, took, cfg.Detection())
		}
	}
}
