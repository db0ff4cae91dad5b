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
	for seed := range uint64(seeds(t, 5)) {
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
	t.Parallel()
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
	t.Parallel()
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

// intervals are those that the scenarios of the start run with.
var intervals = []time.Duration{sec, 200 * msec}

// eachStart runs a scenario of the start for each interval, with and without a Lease.
func eachStart(t *testing.T, p params, d time.Duration, begin func(*world), end func(*testing.T, *world)) {
	for _, a := range intervals {
		for _, mode := range []Mode{VRRP, Hybrid} {
			t.Run(a.String()+" "+string(mode), func(t *testing.T) {
				p := p
				each := p.each
				p.hybrid = mode == Hybrid
				p.each = func(i int, c *Config) {
					each(i, c)
					c.AdvertisementInterval, c.Lifetime = a, Lifetime(a)
				}
				eachSeed(t, p, d, begin, end)
			})
		}
	}
}

// within has the address held so soon after the first process has started.
func within(bound time.Duration) func(*world) {
	return func(w *world) {
		w.after(300*msec, func() { // by then it has
			began := w.now
			for _, h := range w.hosts {
				if h.incarnation > 0 {
					began = min(began, h.began)
				}
			}
			w.after(began+bound-w.now, func() {
				if w.holders() == 0 {
					w.oracle.violate(w, "start", "nobody holds %s after the start", bound)
				}
			})
		})
	}
}

// skewed starts the processes within half a second.
func skewed(w *world) {
	for _, h := range w.hosts {
		w.after(w.random(0, 500*msec), h.start)
	}
}

// The address is there soon after the start, and has one holder (F35).
func TestScenarioStart(t *testing.T) {
	t.Parallel()
	t.Run("alone", func(t *testing.T) {
		eachStart(t, params{hosts: 1, each: equal, together: true}, 10*sec, within(750*msec), shorterThan(0))
	})
	for _, tc := range []struct {
		name string
		each func(int, *Config)
		dual time.Duration
	}{
		{"mixed priorities", graded, boundLeaving}, // the best takes it from who was first, and both serve meanwhile
		{"equal priorities", equal, lanDelay}, {"no preemption", pinned, lanDelay},
	} {
		t.Run("three, "+tc.name, func(t *testing.T) {
			eachStart(t, params{hosts: 3, each: tc.each, together: true}, 20*sec, within(800*msec), shorterThan(tc.dual))
		})
		t.Run("three one after the other, "+tc.name, func(t *testing.T) {
			eachStart(t, params{hosts: 3, each: tc.each, down: true}, 20*sec, func(w *world) { skewed(w); within(800 * msec)(w) }, shorterThan(tc.dual))
		})
		t.Run("three, a quarter of the frames lost, "+tc.name, func(t *testing.T) {
			eachStart(t, params{hosts: 3, each: tc.each, down: true}, 20*sec, func(w *world) { w.loss = .25; skewed(w) }, shorterThan(boundLive+2*sec)) // until one of the next advertisements is heard
		})
	}
}

// Who starts beside a holder takes nothing from it, whatever the link loses, and where the holder is a keepalived of another
// interval.
func TestScenarioStartBesideAHolder(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		plain bool
		loss  float64
	}{
		{"Harbinger", false, 0},
		{"keepalived", true, 0},
		{"Harbinger, a quarter of the frames lost", false, .25},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := params{hosts: 3, down: true, each: pinned, plain: func(i int) bool { return tc.plain && i == 0 }}
			eachStart(t, p, 100*sec, func(w *world) {
				w.hosts[0].start()
				for at := 10 * sec; at < 90*sec; at += 5 * sec {
					h := w.hosts[1+int(at/(5*sec))%2]
					w.after(at, func() { w.loss = tc.loss; h.kill(); h.remove(); h.start() })
				}
			}, func(t *testing.T, w *world) {
				if w.oracle.moves > 0 || w.oracle.any.most > 0 {
					t.Errorf("%d moves, two holders for %s", w.oracle.moves, w.oracle.any.most)
				}
			})
		})
	}
}

// A port of the switch that has a carrier and does not forward yet shows nothing: the node waits as long as the RFC asks, and
// where a holder is on the other side it yields as soon as they hear each other.
func TestScenarioStartBehindABlockedPort(t *testing.T) {
	t.Parallel()
	for _, forwards := range []time.Duration{200 * msec, sec, 30 * sec} {
		t.Run(forwards.String(), func(t *testing.T) {
			eachStart(t, params{hosts: 3, down: true, each: pinned}, 60*sec, func(w *world) {
				w.hosts[0].start()
				w.after(8*sec, func() {
					h := w.hosts[1]
					h.port = false
					h.start()
					w.after(min(forwards, 550*msec), func() {
						if h.held {
							w.oracle.violate(w, "start", "%d takes the address, and reaches nobody", h.id)
						}
					})
					w.after(forwards, func() { h.port = true })
				})
			}, shorterThan(boundLive))
		})
	}
}

// With advertisements of 100 ms a cut link costs half a second at most, measured from the cut.
func TestScenarioFast(t *testing.T) {
	t.Parallel()
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
