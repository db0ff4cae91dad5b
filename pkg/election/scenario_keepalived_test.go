// SPDX-License-Identifier: Apache-2.0

package election

import (
	"slices"
	"testing"
	"time"
)

// The scenarios of this file have hosts that run keepalived in the group.

func TestScenarioWithKeepalived(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		plain  []int // the hosts that run keepalived
		kind   string
		dual   time.Duration // two hosts hold
		dark   time.Duration // no live one does
		during int           // the holder while the fault of host 2, the first in priority, lasts
	}{
		// Its address has no lifetime: both hold until it starts again. The client follows the live one.
		{"keepalived is killed", []int{2}, "kill", 20 * sec, takeover, 1},
		{"keepalived stops", []int{2}, "stop", lanDelay, time.Second, 1},
		{"keepalived loses power", []int{2}, "power", lanDelay, takeover, 1},
		{"we stop, keepalived takes over", []int{0, 1}, "stop", boundLeaving, 0, 1},
		// keepalived asks nobody: it may be faster than the kernel of the dead.
		{"we are killed, keepalived takes over", []int{0, 1}, "kill", boundDead, takeover, 1},
		{"we freeze, keepalived takes over", []int{0, 1}, "freeze", boundDead, takeover, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := params{hosts: 3, together: true, each: graded, plain: func(i int) bool { return slices.Contains(tc.plain, i) }}
			eachSeed(t, p, 60*sec, func(w *world) {
				w.inject(fault{kind: tc.kind, at: 20 * sec, dur: 20 * sec, i: 2})
				w.after(19*sec, func() { w.oracle.any, w.oracle.dark = watch{}, watch{} })
				w.after(38*sec, func() {
					if w.one() != tc.during {
						t.Errorf("held by %b, want %d", w.holders(), tc.during)
					}
				})
			}, func(t *testing.T, w *world) {
				if w.one() != 2 {
					t.Errorf("held by %b at the end, want 2", w.holders())
				}
				if w.oracle.dark.most > tc.dark || w.oracle.any.most > tc.dual {
					t.Errorf("two holders for %s, none for %s", w.oracle.any.most, w.oracle.dark.most)
				}
			})
		})
	}
}
