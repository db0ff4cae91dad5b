// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// brokenTimer fails from a moment on: to be set, or to be waited for.
type brokenTimer struct {
	*plainTimer
	set, wait atomic.Bool
}

var errTimer = errors.New("no timer")

func (t *brokenTimer) Set(after time.Duration) error {
	if t.set.Load() {
		return errTimer
	}
	return t.plainTimer.Set(after)
}

func (t *brokenTimer) Wait() error {
	if err := t.plainTimer.Wait(); err != nil || !t.wait.Load() {
		return err
	}
	return errTimer
}

// Without a timer nobody can hold an address, nor stop as planned: the others hear the release, and the address is removed.
func TestTimerThatFails(t *testing.T) {
	for name, fails := range map[string]func(*brokenTimer){
		"to be set":        func(b *brokenTimer) { b.set.Store(true) },
		"to be waited for": func(b *brokenTimer) { b.wait.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := new(lan).host("192.0.2.1")
				l := h.loop(200)
				timer := &brokenTimer{plainTimer: newTimer()}
				l.cfg.Timer = timer
				done := h.holding(t, l)
				fails(timer)
				h.taken()
				if err := <-done; !errors.Is(err, errTimer) {
					t.Errorf("Run returned %v, want %v", err, errTimer)
				}
				got, want := h.taken(), []string{"advertise 0", "release", "close"}
				if len(got) < len(want) || !slices.Equal(got[len(got)-len(want):], want) {
					t.Errorf("%q, want %q at the end", got, want)
				}
			})
		})
	}
}
