// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/health"
)

// mute is a checker that gets no answer.
type mute struct{}

func (mute) Check(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
func (mute) Close() error                    { return nil }

// A backend whose host answers no SYN is doubted, and then taken for dead; one that is only slow is neither. A check counts for
// less where this process itself was short of CPU.
func TestDeafHost(t *testing.T) {
	long, short := time.Second, askAfter+deafAfter+againAfter/2
	for name, tc := range map[string]struct {
		backend netip.AddrPort
		timeout time.Duration
		doubts  int32
	}{
		"it answers no SYN":                  {labtest.DeafPort(t), long, 2},
		"it answers no SYN in a short check": {labtest.DeafPort(t), short, 1},
		"it accepts, and does not answer":    {newGreeter(t, "a").address, long, 0},
		"it refuses, and the check goes on":  {labtest.ClosedPort(t), long, 0},
	} {
		labtest.Until(t, patience, name, func() bool {
			var doubts atomic.Int32
			p := &prober{address: tc.backend, checker: mute{}}
			p.check(t.Context(), tc.timeout, func() { doubts.Add(1) })
			if got := doubts.Load(); got > tc.doubts {
				t.Fatalf("%s: doubted %d times, want %d", name, got, tc.doubts)
			}
			return doubts.Load() == tc.doubts
		})
	}
}

// The keeper hears of a deaf host at once, and that it is none any more.
func TestDeafHostIsReported(t *testing.T) {
	a := newGreeter(t, "a")
	m := newMonitor(logr.Discard(), newServer(t), (&verdicts{}).newChecker)
	m.probe = func(*prober, time.Duration) {}
	defer m.close()
	now := time.Unix(1_800_000_000, 0)
	m.apply(now, testSettings(balance.Backend{Address: a.address}))
	p := m.backends[0].prober
	for i, step := range []struct {
		result        result
		changed, deaf bool
		state         health.State
	}{
		{result{}, true, false, health.Healthy},
		{result{silent: true}, true, false, health.Suspect},
		{result{silent: true}, true, true, health.Suspect},
		{result{silent: true}, false, true, health.Suspect},
		{result{err: os.ErrDeadlineExceeded}, false, true, health.Suspect},
		{result{silent: true}, false, true, health.Suspect},
		{result{err: os.ErrDeadlineExceeded}, true, true, health.Down},
		{result{err: os.ErrDeadlineExceeded, accepts: true}, true, false, health.Down},
		{result{silent: true}, false, false, health.Down},
		{result{silent: true}, true, true, health.Down},
		{result{err: syscall.ECONNREFUSED}, false, false, health.Down},
		{result{}, false, false, health.Down},
	} {
		now = now.Add(time.Second)
		m.tick(now)
		step.result.prober = p
		if !p.busy {
			t.Fatalf("step %d: no check is under way", i)
		}
		before := m.status(now)[0]
		changed := m.checked(now, step.result)
		after := m.status(now)[0]
		if after.Deaf != step.deaf || after.State != step.state || step.changed && !changed {
			t.Errorf("step %d: deaf %t, %s, changed %t; want deaf %t, %s, changed %t", i, after.Deaf, after.State, changed, step.deaf, step.state, step.changed)
		}
		if before.Deaf != after.Deaf && !differs(Status{Backends: []BackendStatus{before}}, Status{Backends: []BackendStatus{after}}) {
			t.Errorf("step %d: the keeper does not look", i)
		}
	}
	if m.checked(now, result{prober: p, silent: true}) || m.status(now)[0].Deaf {
		t.Error("a silence counts after the end of its check")
	}
}
