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

// figure is how long no live host that the client reaches holds the address, in half of the runs and in all, at most; still: it does
// not move.
type figure struct {
	half, most time.Duration
	still      bool
}

// deaths are the scenarios that end as the death of a holder does: nobody is heard, and the address is silent.
var deaths = []string{
	"kill", "kill, API of another hung", "kill, API hung for all", "kill, API slow for all", "kill, etcd elects a leader", "freeze", "pause of the VM",
	"power off", "link cut", "silent cut", "silent cut, API alive", "{1}|{2}, API on both sides", "{2}|{3}, API on both sides",
	"{2}|{2}, API on both sides", "two: holder cut off, API alive", "two: power off", "two: kill", "transmitter of the holder dead",
	"switch answers with the right address, power off", "router answers with its own address, power off", "Lease rolled back, then kill",
}

// figures are those of scenarios whose hosts have fences, with fast advertisements. What is not here has no outage, or the bounds of 1 s.
var figures = map[time.Duration]map[string]figure{
	200 * msec: figuresOf(figure{half: 750 * msec, most: 900 * msec}, map[string]figure{
		"{1}|{1}|{1}, API for all":                  {half: 2 * sec, most: 2500 * msec},
		"112 filtered everywhere, then kill":        {half: 700 * msec, most: 1300 * msec},
		"25 % loss, then kill":                      {half: 900 * msec, most: 1200 * msec},
		"Lease deleted, then kill":                  {half: 750 * msec, most: 1500 * msec},
		"freezes of 2 A to 3 A for 50 s, with loss": {half: 1200 * msec, most: 2 * sec},
	}),
	20 * msec: figuresOf(figure{half: 105 * msec, most: 150 * msec}, map[string]figure{
		// The holder asks three times, 200 ms apart, until it releases the Lease, and a Backup tries again every half second.
		"{1}|{1}|{1}, API for all":                  {half: 700 * msec, most: 800 * msec},
		"112 filtered everywhere, then kill":        {half: 105 * msec, most: 150 * msec},
		"25 % loss, then kill":                      {half: 130 * msec, most: 200 * msec},
		"Lease deleted, then kill":                  {half: 105 * msec, most: 1500 * msec},
		"freezes of 2 A to 3 A for 50 s, with loss": {half: 200 * msec, most: 1500 * msec},
	}),
}

// figuresOf returns those of the deaths, of scenarios whose loss moves nothing as the many advertisements show it, and others.
func figuresOf(death figure, others map[string]figure) map[string]figure {
	for _, name := range deaths {
		others[name] = death
	}
	for _, name := range []string{"25 % loss", "two: 25 % loss"} {
		others[name] = figure{still: true}
	}
	for _, name := range []string{"40 % loss", "two: 40 % loss", "two: frames between them cut"} {
		others[name] = figure{most: 100 * msec}
	}
	return others
}

// bound returns a scenario with the bounds of an interval.
func (sc reachScenario) bound(interval time.Duration) reachScenario {
	if interval == time.Second {
		return sc
	}
	if f, ok := figures[interval][sc.name]; ok {
		if sc.dark = f.most; f.still {
			sc.moves = 0
		}
	}
	if sc.dual == boundLive {
		sc.dual = interval + lanDelay
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
