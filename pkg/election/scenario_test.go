// SPDX-License-Identifier: Apache-2.0

package election

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	sec      = time.Second
	msec     = time.Millisecond
	takeover = 4000 * msec // Active_Down_Interval of the lowest priority; the probe runs before its end
)

// scenario is a row of README.md's table of scenarios that needs no API. Times are from the first fault, which comes when
// one of the hosts has held the address for a while.
type scenario struct {
	name   string
	params params
	faults func(w *world, holder int) []fault
	dual   time.Duration // two hosts that reach each other hold the address: at most so long
	dark   time.Duration // no live host that the client reaches holds it
	moves  int           // at most; any where it is negative
	check  func(t *testing.T, w *world, before int)
}

// on makes faults of the holder.
func on(kind string, dur time.Duration) func(*world, int) []fault {
	return func(w *world, holder int) []fault { return []fault{{kind: kind, at: w.now, dur: dur, i: holder}} }
}

// with adds faults that begin with the others.
func with(base func(*world, int) []fault, kind string, dur time.Duration) func(*world, int) []fault {
	return func(w *world, holder int) []fault {
		return append(base(w, holder), fault{kind: kind, at: w.now, dur: dur, i: holder})
	}
}

func others(kind string, dur time.Duration) func(*world, int) []fault {
	return func(w *world, holder int) (faults []fault) {
		for i := range w.hosts {
			if i != holder {
				faults = append(faults, fault{kind: kind, at: w.now, dur: dur, i: i})
			}
		}
		return faults
	}
}

func stays(t *testing.T, w *world, before int) {
	t.Helper()
	if w.one() != before {
		t.Errorf("held by %b, want %d as before", w.holders(), before)
	}
}

func moves(t *testing.T, w *world, before int) {
	t.Helper()
	if w.one() == nobody || w.one() == before {
		t.Errorf("held by %b, want another than %d", w.holders(), before)
	}
}

// graded gives every host another priority, equal the same, pinned takes preemption away.
func graded(i int, c *Config) { c.Priority = uint8(100 + 10*i) }
func pinned(i int, c *Config) { graded(i, c); c.Preempt = false }
func equal(int, *Config)      {}

// queued says whether the frames that come for a paused machine wait for it.
func queued(w *world, queue bool) {
	for _, h := range w.hosts {
		h.dropPaused = !queue
	}
}

// restarts stops one host after the other.
func restarts(w *world, _ int) (faults []fault) {
	for i := range w.hosts {
		faults = append(faults, fault{kind: "stop", at: w.now + time.Duration(i)*10*sec, dur: 3 * sec, i: i})
	}
	return faults
}

func partition(w *world, holder int) []fault {
	return []fault{{kind: "partition", at: w.now, dur: 20 * sec, mask: 1 << holder}}
}

var (
	three    = params{hosts: 3, each: pinned}
	climbing = params{hosts: 3, each: graded}
)

var scenarios = []scenario{
	// The zombie's end lets two Backups go at once, if seldom: their first advertisements cross.
	{name: "kill -9 of the holder", params: three, faults: on("kill", 30*sec), dual: lanDelay, dark: takeover, moves: 1, check: moves},
	{name: "kill -9, started again", params: three, faults: on("kill", sec), dual: lanDelay, dark: takeover, moves: 1},
	// The lower of two Backups may be the first to see that the kernel has dropped the addresses, and is preempted.
	{name: "kill -9, started again, with preemption", params: climbing, faults: on("kill", 10*sec), dual: lanDelay, dark: takeover, moves: 3, check: stays},
	{name: "freeze and thaw", params: three, faults: on("freeze", 10*sec), dual: lanDelay, dark: takeover, moves: 1, check: moves},
	{name: "freeze shorter than the lifetime", params: three, faults: on("freeze", 1400*msec), dual: 0, dark: 1450 * msec, moves: 0, check: stays},
	// Where the Backups do not hear each other, two probes may overlap; then ARP decides.
	{name: "freeze and thaw, protocol 112 filtered", params: three, faults: with(on("freeze", 10*sec), "filter", 20*sec), dual: boundProbes, dark: takeover, moves: 2},
	{name: "freeze and thaw of the others", params: three, faults: others("freeze", 10*sec), dual: 0, dark: 0, moves: 0, check: stays},
	// Without a Lease nobody knows which of two holders is the stale one: the higher priority wins, as in VRRP.
	{name: "pause of the VM, frames queued", params: three, faults: on("pause", 10*sec), dual: lanDelay, dark: takeover, moves: 2},
	{name: "pause of the VM, frames lost", params: three, faults: on("pause", 10*sec), dual: boundLive, dark: takeover, moves: 2},
	{name: "power off", params: three, faults: on("power", 10*sec), dual: 0, dark: takeover, moves: 1, check: moves},
	{name: "link cut", params: three, faults: on("link", 10*sec), dual: 0, dark: takeover, moves: 1, check: moves},
	// Without a Lease the holder that nobody reaches does not know it; it yields or wins when it is reached again.
	{name: "blackhole", params: three, faults: on("blackhole", 10*sec), dual: boundLive, dark: takeover, moves: -1},
	{name: "112 filtered on the way from the holder", params: three, dual: 0, dark: 0, moves: 0, check: stays,
		faults: func(w *world, holder int) []fault {
			return []fault{{kind: "oneway", at: w.now, dur: 20 * sec, i: holder, j: (holder + 1) % 3}}
		}},
	{name: "112 filtered on the way to the holder", params: three, dual: 0, dark: 0, moves: 0, check: stays,
		faults: func(w *world, holder int) []fault {
			return []fault{{kind: "oneway", at: w.now, dur: 20 * sec, i: (holder + 1) % 3, j: holder}}
		}},
	{name: "112 filtered everywhere", params: three, faults: on("filter", 30*sec), dual: 0, dark: 0, moves: 0, check: stays},
	{name: "112 filtered, holder killed", params: three, faults: with(on("kill", 20*sec), "filter", 25*sec), dual: boundProbes, dark: takeover + retryLive, moves: -1},
	{name: "deny firewall everywhere", params: three, faults: on("denyAll", 60*sec), dual: 0, dark: 0, moves: 0, check: stays},
	{name: "deny firewall on the holder", params: three, faults: on("deny", 60*sec), dual: 0, dark: 0, moves: 0, check: stays},
	{name: "deny firewall everywhere, holder killed", params: three, faults: with(on("kill", 20*sec), "denyAll", 25*sec), dual: boundProbes, dark: takeover + retryLive, moves: -1},
	{name: "partition and heal", params: three, faults: partition, dual: boundLive, dark: takeover, moves: -1},
	{name: "partition, heal with 112 filtered", params: three, faults: with(partition, "filter", 30*sec), dual: boundBlind, dark: takeover, moves: -1},
	{name: "no healthy backend on the holder", params: climbing, faults: on("unhealthy", 20*sec), dual: lanDelay, dark: 0, moves: 2, check: stays},
	{name: "no healthy backend on the holder, no preemption", params: three, faults: on("unhealthy", 20*sec), dual: lanDelay, dark: 0, moves: 1, check: moves},
	{name: "no healthy backend anywhere", params: three, faults: on("allUnhealthy", 20*sec), dual: 0, dark: 0, moves: 0, check: stays},
	{name: "planned stop", params: three, faults: on("stop", 20*sec), dual: boundLeaving, dark: 0, moves: 1, check: moves},
	{name: "planned stop with preemption", params: climbing, faults: on("stop", 20*sec), dual: boundLeaving, dark: 0, moves: 2, check: stays},
	{name: "planned stop of the others", params: three, faults: others("stop", 20*sec), dual: 0, dark: 0, moves: 0, check: stays},
	{name: "planned stop in five", params: params{hosts: 5, each: equal}, faults: on("stop", 20*sec), dual: boundLeaving, dark: 0, moves: 1, check: moves},
	{name: "rolling restart", params: three, faults: restarts, dual: boundLeaving, dark: 0, moves: 3},
	{name: "rolling restart with preemption", params: climbing, faults: restarts, dual: boundLeaving, dark: 0, moves: 6},
	// Three advertisements may be lost in a row, and the probe with them; then both hold until the next advertisement arrives.
	{name: "25 % of frames lost", params: three, faults: on("loss", 40*sec), dual: boundLive + 2*sec, dark: 0, moves: -1},
	{name: "foreign host takes the address", params: three, faults: on("foreign", 30*sec), dual: 0, dark: 0, moves: 0, check: stays},
	{name: "address deleted by hand", params: three, faults: on("delete", 0), dual: 0, dark: 0, moves: 0, check: stays},
	{name: "nothing", params: three, faults: func(*world, int) []fault { return nil }, dual: 0, dark: 0, moves: 0, check: stays},
}

func last(lines []string, n int) []string { return lines[max(0, len(lines)-n):] }

// Each scenario keeps its bounds, whatever the clocks, delays and lifetimes are.
func TestScenario(t *testing.T) {
	t.Parallel()
	for _, sc := range slices.Concat(scenarios, hybridScenarios) {
		t.Run(sc.name, func(t *testing.T) {
			var dual, dark time.Duration
			for seed := range uint64(seeds(t, 3)) {
				sc.params.seed, sc.params.together = seed, true
				w := newWorld(sc.params)
				var lines []string
				w.trace = func(line string) { lines = append(lines, line) }
				queued(w, !strings.HasSuffix(sc.name, "lost"))
				w.run(20*sec + w.random(0, sec))
				before := w.one()
				if before == nobody {
					t.Fatalf("seed %d: held by %b before the fault", seed, w.holders())
				}
				w.oracle.any, w.oracle.dark, w.oracle.moves = watch{}, watch{}, 0
				lines, w.zero = []string{"held by " + name(before)}, w.now
				w.inject(sc.faults(w, before)...)
				w.run(75 * sec)
				if seed == 0 {
					wantTrace(t, sc.name, lines)
				}
				o := &w.oracle
				dual, dark = max(dual, o.any.most), max(dark, o.dark.most)
				if o.any.most > sc.dual || o.dark.most > sc.dark || sc.moves >= 0 && o.moves > sc.moves || len(o.violations) > 0 {
					t.Errorf("seed %d: two holders for %s, none for %s, %d moves; %s", seed, o.any.most, o.dark.most, o.moves, strings.Join(o.violations, "; "))
				}
				if dead := o.duals().dead.most; dead > 0 { // nobody takes it while the kernel of a dead process has it
					t.Errorf("seed %d: a live and a dead holder for %s", seed, dead)
				}
				if sc.check != nil {
					sc.check(t, w, before)
				}
				if t.Failed() {
					t.Log(strings.Join(last(lines, 40), "\n"))
					return
				}
			}
			t.Logf("two holders for at most %s of %s, none for %s of %s", ms(dual), sc.dual, ms(dark), sc.dark)
		})
	}
}
