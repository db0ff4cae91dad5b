// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"testing"
	"time"
)

func newTimer(t *testing.T) *Timer {
	t.Helper()
	timer, err := NewTimer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = timer.Close() }) // some tests have closed it
	return timer
}

func setTimer(t *testing.T, timer *Timer, after time.Duration) {
	t.Helper()
	if err := timer.Set(after); err != nil {
		t.Fatal(err)
	}
}

// A timer is never early, also where its time has passed when it is set.
func TestTimerWaits(t *testing.T) {
	timer := newTimer(t)
	for _, after := range []time.Duration{30 * time.Millisecond, time.Nanosecond, 0, -time.Second} {
		began := time.Now()
		setTimer(t, timer, after)
		if err := timer.Wait(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < after {
			t.Errorf("set to %v: woke after %v", after, took)
		}
	}
}

// What was set before wakes nobody, whether it was sooner or later, and whether somebody waits already.
func TestTimerForgetsWhatWasSetBefore(t *testing.T) {
	timer := newTimer(t)
	setTimer(t, timer, time.Hour)
	woke := make(chan time.Time, 1)
	wait := func() {
		if err := timer.Wait(); err != nil {
			t.Error(err)
		}
		woke <- time.Now()
	}
	go wait()
	setTimer(t, timer, time.Millisecond)
	<-woke

	setTimer(t, timer, time.Nanosecond) // its time has come before anybody waits
	began := time.Now()
	setTimer(t, timer, 50*time.Millisecond)
	go wait()
	if took := (<-woke).Sub(began); took < 50*time.Millisecond {
		t.Errorf("woke after %v, as what was set before says", took)
	}
}

// Who closes it ends a wait that has no other end.
func TestTimerEndsWithClose(t *testing.T) {
	timer := newTimer(t)
	setTimer(t, timer, time.Hour)
	ended := make(chan error, 1)
	go func() { ended <- timer.Wait() }()
	if err := timer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("Wait returned no error")
	}
	if err := timer.Set(time.Second); err == nil {
		t.Error("Set returned no error")
	}
}

// A loop sets and waits many times a second.
func TestTimerDoesNotAllocate(t *testing.T) {
	timer := newTimer(t)
	if allocs := testing.AllocsPerRun(100, func() {
		setTimer(t, timer, time.Microsecond)
		if err := timer.Wait(); err != nil {
			t.Error(err)
		}
	}); allocs > 0 {
		t.Errorf("%v allocations in each turn", allocs)
	}
}
