// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// figure is how long no live host that the client reaches holds the address, in half of the runs and in all, at most.
type figure struct{ half, most time.Duration }

// figures are those of scenarios whose hosts have fences, with fast advertisements. What is not here has no outage, or the bounds of 1 s.
var figures = map[time.Duration]map[string]figure{
	200 * msec: {},
	20 * msec:  {},
}

// bound returns a scenario with the bounds of an interval.
func (sc reachScenario) bound(interval time.Duration) reachScenario {
	if interval == time.Second {
		return sc
	}
	if f, ok := figures[interval][sc.name]; ok {
		sc.dark = f.most
	}
	if sc.dual == boundLive {
		sc.dual = interval + lanDelay
	}
	if strings.HasSuffix(sc.name, "25 % loss") {
		sc.moves = 0 // with more advertisements the loss is known better
	}
	if interval < leastPatience && sc.moves == 1 {
		sc.moves = 3 // an API may answer later than the next candidate asks, and who did not wait for it gives way
	}
	return sc
}

// measured is what many runs of a scenario cost.
type measured struct {
	darks             []time.Duration
	dual              time.Duration
	moves, most, runs int
	passed            []string
}

func (m *measured) add(w *world, passed string) {
	o := &w.oracle
	m.runs++
	m.darks = append(m.darks, o.dark.most)
	m.dual, m.moves, m.most = max(m.dual, o.any.most), m.moves+o.moves, max(m.most, o.moves)
	if passed != "" {
		m.passed = append(m.passed, passed)
	}
}

// row is a row of the table, with the bounds of its interval.
func (m *measured) row(sc reachScenario, most time.Duration) string {
	slices.Sort(m.darks)
	half, worst := m.darks[len(m.darks)/2], m.darks[len(m.darks)-1]
	if most > 0 && half > most && m.runs >= 5 {
		m.passed = append(m.passed, fmt.Sprintf("half of the runs: none for %s of %s", ms(half), most))
	}
	dark := fmt.Sprintf("%d", sc.dark.Milliseconds())
	if sc.dark == ever {
		dark = "any"
	}
	return fmt.Sprintf("%-50s %6d %6d of %5s | %5.2f %3d | %5d", sc.name, half.Milliseconds(), worst.Milliseconds(), dark, float64(m.moves)/float64(m.runs), m.most, m.dual.Milliseconds())
}

// exceeds names the bounds that a run has passed.
func (sc *reachScenario) exceeds(w *world) string {
	o, moves, violations := &w.oracle, sc.moves, slices.Clone(w.oracle.violations)
	if w.hosts[0].cfg.Preempt {
		moves += sc.back
		// A node that others did not reach for a while preempts late, but rightly.
		violations = slices.DeleteFunc(violations, func(v string) bool { return strings.Contains(v, "S9: ") })
	}
	var passed []string
	if sc.dark != ever && o.dark.most > sc.dark {
		passed = append(passed, fmt.Sprintf("none for %s of %s", ms(o.dark.most), sc.dark))
	}
	if sc.dual != ever && o.any.most > sc.dual {
		passed = append(passed, fmt.Sprintf("two for %s of %s", ms(o.any.most), sc.dual))
	}
	if sc.moves != ever && o.moves > moves {
		passed = append(passed, fmt.Sprintf("%d moves of %d", o.moves, moves))
	}
	return strings.Join(append(passed, violations...), "; ")
}

// reachSeeds are those of the scenarios. With the first a Backup takes the address that never asked for the others before.
func reachSeeds(n int) []uint64 {
	all := []uint64{16}
	for seed := range uint64(n - 1) {
		all = append(all, seed+seed/16)
	}
	return all
}

// Each scenario keeps its bounds with advertisements of 1 s, 200 ms and 20 ms. HARBINGER_SIM_TABLE runs each with so many seeds, and
// prints what they cost.
func TestReachScenarios(t *testing.T) {
	t.Parallel()
	n, _ := strconv.Atoi(os.Getenv("HARBINGER_SIM_TABLE"))
	for _, interval := range []time.Duration{time.Second, 200 * msec, 20 * msec} {
		if only := forcedInterval(); only != 0 && only != interval {
			continue
		}
		t.Run(interval.String(), func(t *testing.T) {
			all := slices.DeleteFunc(slices.Clone(reachScenarios), func(sc reachScenario) bool {
				return n == 0 && interval == 20*msec && sc.run > 2*time.Minute // for HARBINGER_SIM_TABLE
			})
			var table []string
			for i, m := range measure(all, interval, reachSeeds(max(n, 1))) {
				table = append(table, m.row(all[i].bound(interval), figures[interval][all[i].name].half))
				if len(m.passed) > 0 {
					t.Errorf("%s: %s", all[i].name, strings.Join(m.passed, "\n"))
				}
			}
			if n > 0 {
				t.Logf("A = %s, %d seeds: longest outage in ms of half of the runs, of all, and at most; moves on average, and most; two holders, in ms\n%s", interval, n, strings.Join(table, "\n"))
			}
		})
	}
}

// measure runs every scenario with each seed.
func measure(all []reachScenario, interval time.Duration, seeds []uint64) []measured {
	measures := make([]measured, len(all))
	eachInParallel(len(all)*len(seeds), func(i int) func() {
		sc, m, seed := &all[i/len(seeds)], &measures[i/len(seeds)], seeds[i%len(seeds)]
		w, bound := sc.runReach(seed, interval, nil), sc.bound(interval)
		return func() {
			if w == nil {
				m.passed = append(m.passed, fmt.Sprintf("seed %d: none holds before the fault", seed))
			} else if passed := bound.exceeds(w); passed != "" {
				m.add(w, fmt.Sprintf("seed %d: %s", seed, passed))
			} else {
				m.add(w, "")
			}
		}
	})
	return measures
}
