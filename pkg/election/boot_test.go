// SPDX-License-Identifier: Apache-2.0

package election

import (
	"strings"
	"testing"
	"time"
)

// eachSeed runs a scenario that begins with the start of the processes.
func eachSeed(t *testing.T, p params, d time.Duration, begin func(*world), end func(*testing.T, *world)) {
	t.Helper()
	for seed := range uint64(seeds(t, 15)) {
		p.seed = seed
		w := newWorld(p)
		var lines []string
		w.trace = func(line string) { lines = append(lines, line) }
		if begin != nil {
			begin(w)
		}
		w.run(d)
		if len(w.oracle.violations) > 0 {
			t.Errorf("seed %d: %q", seed, w.oracle.violations)
		}
		if end(t, w); t.Failed() {
			t.Logf("seed %d:\n%s", seed, strings.Join(last(lines, 40), "\n"))
			return
		}
	}
}

func shorterThan(bound time.Duration) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		t.Helper()
		if w.oracle.any.most > bound {
			t.Errorf("two holders for %s, want at most %s", w.oracle.any.most, bound)
		}
		if w.one() == nobody {
			t.Errorf("held by %b", w.holders())
		}
	}
}

func TestScenarioBoot(t *testing.T) {
	for _, tc := range []struct {
		name  string
		p     params
		begin func(*world)
		dual  time.Duration
	}{
		{"mixed priorities", params{hosts: 5, each: graded, together: true}, nil, lanDelay},
		{"mixed priorities, no preemption", params{hosts: 5, each: pinned, together: true}, nil, lanDelay},
		// Known peers take turns; what remains is that processes do not start in the same moment.
		{"equal priorities", params{hosts: 5, each: equal, together: true}, nil, lanDelay},
		{"equal priorities, peers unknown", params{hosts: 3, together: true, each: func(_ int, c *Config) { c.Peers = nil }}, nil, lanDelay},
		// Probes overlap; then the announcements of the first second decide.
		{"protocol 112 filtered", params{hosts: 3, each: equal, together: true}, func(w *world) { kinds["filter"](w, fault{}, true) }, boundProbes + train[3]},
		{"protocol 112 filtered, mixed priorities", params{hosts: 3, each: graded, together: true}, func(w *world) { kinds["filter"](w, fault{}, true) }, boundProbes + train[3]},
		{"one after the other", params{hosts: 3, each: pinned}, nil, lanDelay},
	} {
		t.Run(tc.name, func(t *testing.T) { eachSeed(t, tc.p, 60*sec, tc.begin, shorterThan(tc.dual)) })
	}
}

// The VIP of a foreign host is never taken, and is once it has gone.
func TestScenarioForeignHostAtStart(t *testing.T) {
	eachSeed(t, params{hosts: 3, each: graded, together: true}, 60*sec, func(w *world) {
		w.inject(fault{kind: "foreign", at: 0, dur: 40 * sec})
		w.after(39*sec, func() {
			if m := w.holders(); m != 0 {
				t.Errorf("held by %b", m)
			}
			for _, h := range w.hosts {
				if s := h.core.State(); s != Conflict {
					t.Errorf("%d is %s", h.id, s)
				}
			}
		})
	}, shorterThan(lanDelay))
}

// Alone, the address is there soon after the start.
func TestScenarioAlone(t *testing.T) {
	eachSeed(t, params{hosts: 1, together: true}, 4*sec, nil, shorterThan(0))
}

// With advertisements of 100 ms a cut link costs half a second at most, measured from the cut.
func TestScenarioFast(t *testing.T) {
	fast := func(i int, c *Config) {
		pinned(i, c)
		c.AdvertisementInterval, c.Lifetime = 100*msec, time.Second
	}
	for _, kind := range []string{"link", "power", "stop"} {
		t.Run(kind, func(t *testing.T) {
			var dark time.Duration
			eachSeed(t, params{hosts: 3, each: fast, together: true}, 30*sec, func(w *world) {
				w.after(10*sec, func() {
					w.oracle.any, w.oracle.dark = watch{}, watch{}
					w.inject(fault{kind: kind, at: w.now + w.random(0, sec), dur: 10 * sec, i: w.one()})
				})
			}, func(t *testing.T, w *world) {
				if dark = max(dark, w.oracle.dark.most); dark > 450*msec {
					t.Errorf("nobody held for %s", dark)
				}
				shorterThan(boundLeaving)(t, w)
			})
			t.Logf("nobody held for at most %s", ms(dark))
		})
	}
}
