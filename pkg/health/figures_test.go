// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/harbinger-ha/harbinger/pkg/health"
)

// A check that was not made shows nothing, nor does one that found out nothing.
func TestFiguresBeforeTheFirstCheck(t *testing.T) {
	c := health.New(config, start)
	c.Step(start, tick)
	c.Step(start.Add(time.Second), missed)
	if got := c.Figures(start.Add(time.Hour)); got != (health.Figures{}) {
		t.Errorf("figures %+v of a backend that no check has shown", got)
	}
}

// The last check shows while the backend is Healthy too: how long it took, and that it failed.
func TestFiguresOfTheLastCheck(t *testing.T) {
	c := health.New(config, start)
	c.Step(start, tick)
	c.Step(start.Add(time.Second), health.Passed{Took: 800 * time.Millisecond})
	slow := c.Figures(start.Add(time.Minute))
	if !slow.Checked.Equal(start.Add(time.Second)) || slow.Took != 800*time.Millisecond || slow.Failure != "" {
		t.Errorf("figures %+v of a slow check", slow)
	}
	c.Step(start.Add(2*time.Second), tick)
	c.Step(start.Add(3*time.Second), health.Failed{Unreachable: true, Reason: "time out", Took: 900 * time.Millisecond})
	failed := c.Figures(start.Add(time.Minute))
	if c.State() != health.Healthy || failed.Failure != "time out" || failed.Took != 900*time.Millisecond || failed.Downs != 0 {
		t.Errorf("figures %+v of a failed check in state %v", failed, c.State())
	}
	if d := failed.Checks; d.Count != 2 || d.Sum != 1700*time.Millisecond {
		t.Errorf("%+v counts other checks", d)
	}
}

func TestDurationsAreCountedByTheirBounds(t *testing.T) {
	c := health.New(config, start)
	for _, took := range []time.Duration{0, time.Millisecond, time.Millisecond + 1, 5 * time.Second, 6 * time.Second} {
		c.Step(start, health.Passed{Took: took})
	}
	want := health.Durations{Count: 5, Sum: 11*time.Second + 2*time.Millisecond + 1}
	for i := range want.UpTo {
		want.UpTo[i] = 3
	}
	want.UpTo[0], want.UpTo[len(want.UpTo)-1] = 2, 4
	if got := c.Figures(start).Checks; got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}

// The time out counts while it lasts, from NotReady to Down too, and a new configuration changes nothing about it.
func TestDownsAndDowntime(t *testing.T) {
	c := health.New(config, start)
	at := func(seconds int, want uint64, downtime time.Duration, events ...health.Event) {
		t.Helper()
		now := start.Add(time.Duration(seconds) * time.Second)
		for _, ev := range events {
			c.Step(now, ev)
		}
		if f := c.Figures(now); f.Downs != want || f.Downtime != downtime {
			t.Errorf("after %d s, %v: %d downs and %v of downtime, want %d and %v", seconds, c.State(), f.Downs, f.Downtime, want, downtime)
		}
	}
	at(10, 0, 0, unreachable) // never up, so it did not go down
	at(15, 0, 5*time.Second)
	at(20, 0, 10*time.Second, passed, passed)
	at(30, 0, 10*time.Second, notReady)
	at(40, 1, 10*time.Second, notReady)
	c.Reconfigure(health.Config{SuccessThreshold: 1, FailureThreshold: 2, Interval: time.Minute}, start.Add(42*time.Second))
	at(50, 1, 20*time.Second, unreachable)
	at(60, 1, 30*time.Second, passed)
	at(70, 1, 30*time.Second, dialFailed)
	at(80, 2, 30*time.Second, unreachable)
	at(85, 2, 35*time.Second)
}

// Whatever happens, no figure ever falls, and the time out is the time in NotReady and Down.
func TestFiguresNeverFall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, now, out := health.New(config, start), start, time.Duration(0)
		before := c.Figures(now)
		for _, ev := range rapid.SliceOf(rapid.SampledFrom([]health.Event{tick, passed, notReady, unreachable, missed, dialFailed, doubted})).Draw(t, "events") {
			step := time.Duration(rapid.IntRange(0, int(time.Hour)).Draw(t, "step"))
			now = now.Add(step)
			if c.State() == health.NotReady || c.State() == health.Down {
				out += step
			}
			c.Step(now, ev)
			f := c.Figures(now)
			if f.Downs < before.Downs || f.Checks.Count < before.Checks.Count || f.Checked.Before(before.Checked) || f.Downtime != out {
				t.Fatalf("%v: %+v after %+v, and %v out", ev, f, before, out)
			}
			before = f
		}
	})
}
