// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"slices"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/session"
)

func TestBoundsIndex(t *testing.T) {
	for took, want := range map[time.Duration]int{
		0: 0, 500 * time.Microsecond: 0, 501 * time.Microsecond: 1, time.Millisecond: 1, 99 * time.Millisecond: 5, time.Second: 7, time.Second + 1: 8,
	} {
		if got := session.QuickBounds.Index(took); got != want {
			t.Errorf("%v: %d, want %d", took, got, want)
		}
	}
	for _, bounds := range []session.Bounds{session.QuickBounds, session.LastedBounds} {
		if !slices.IsSorted(bounds[:]) || bounds[0] <= 0 || len(slices.Compact(bounds[:])) != len(bounds) {
			t.Errorf("bounds %v", bounds)
		}
	}
}

// Each cause is one for which a connection is refused or a session ends, but for those that nobody sees.
func TestEachCauseIsCounted(t *testing.T) {
	for c := session.Finished; c <= session.ClientUnusable; c++ {
		counted := slices.Contains(session.Endings(), c) || slices.Contains(session.Refusals(), c)
		if unseen := c == session.Unanswered || c == session.Stopped; counted == unseen {
			t.Errorf("%s is counted: %t", c, counted)
		}
	}
}

// A dial has been under way since it began.
func TestTook(t *testing.T) {
	var s session.Session
	s.Step(3*ms, timing, of(session.Dialling, 2), nil)
	if took := s.Took(10*ms, 2); took != 7*ms {
		t.Errorf("it took %v, want 7ms", took)
	}
}
