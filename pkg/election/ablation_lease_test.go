// SPDX-License-Identifier: Apache-2.0

package election

import (
	"testing"
	"time"
)

// costs bound what a rule spares that breaks no invariant alone. The runs are the same each time; without the rule they cost
// more than the bound, which lies well above what they cost with it.
var costs = []struct {
	rule    string
	faults  []string
	what    string
	measure func(*world) float64
	most    float64
}{
	{"the Lease has the last word", []string{"partition", "filter", "credentials"}, "moves", movesOf, 2 * 36},
	{"a lost Lease is asserted", []string{"rollback", "stop", "leaseDeleted"}, "seconds without a holder", darkOf, 2 * 13.8},
}

func movesOf(w *world) float64 { return float64(w.oracle.moves) }
func darkOf(w *world) float64  { return w.oracle.dark.most.Seconds() }

func TestRuleCosts(t *testing.T) {
	t.Parallel()
	for _, c := range costs {
		t.Run(c.rule, func(t *testing.T) {
			var sum float64
			for seed := range uint64(40) {
				sum += c.measure(runHybrid(seed*uint64(len(profiles)), c.faults, nil, nil))
			}
			t.Logf("%.1f %s in 40 runs of %q", sum, c.what, c.faults)
			if sum >= c.most {
				t.Errorf("want less than %.1f", c.most)
			}
		})
	}
}

// A holder that cannot renew keeps its claim on the wire: a node that ranks higher leaves it the addresses. That node may
// preempt only some time after its start, when the credentials have expired everywhere.
func TestRuleKeptClaim(t *testing.T) {
	t.Parallel()
	for seed := range uint64(10) {
		w := newWorld(params{seed: seed, hosts: 3, together: true, hybrid: true,
			each: func(i int, c *Config) {
				graded(i, c)
				c.PreemptDelay = 15 * time.Second
			}})
		w.run(30 * sec)
		w.inject(fault{kind: "stop", at: w.now, dur: 5 * sec, i: 2})
		w.run(10 * sec)
		w.inject(all("credentials", 60*sec)(w, 0)...)
		w.oracle.moves = 0
		w.run(40 * sec)
		if n := w.oracle.moves; n != 0 {
			t.Errorf("seed %d: %d moves while nobody could write the Lease", seed, n)
		}
	}
}

// What a leaving holder says on the wire stands for the release that it cannot write.
func TestRuleAbdication(t *testing.T) {
	t.Parallel()
	most := time.Duration(0)
	for seed := range uint64(20) {
		w := newWorld(params{seed: seed, hosts: 3, together: true, hybrid: true, each: pinned})
		w.run(20 * sec)
		holder := w.one()
		w.inject(fault{kind: "credentials", at: w.now, dur: 20 * sec, i: holder}, fault{kind: "stop", at: w.now + msec, dur: 20 * sec, i: holder})
		from := w.now
		for w.one() == holder || w.one() == nobody {
			w.run(10 * msec)
		}
		most = max(most, w.now-from)
	}
	if most > time.Second {
		t.Errorf("the successor took %s", most)
	}
}

// A takeover that a fresh Lease has refused is tried again when it can be stale, not a whole Active_Down_Interval later. A node that knows
// no peers has nothing but the age of the Lease.
func TestRuleFastRetry(t *testing.T) {
	t.Parallel()
	most := time.Duration(0)
	for seed := range uint64(40) {
		w := newWorld(params{seed: seed, hosts: 3, together: true, hybrid: true, each: func(i int, c *Config) { c.Priority, c.Peers = uint8(229+5*i), nil }})
		w.run(20*sec + w.random(0, sec))
		w.inject(fault{kind: "power", at: w.now, dur: 20 * sec, i: w.one()})
		w.oracle.dark = watch{}
		w.run(15 * sec)
		most = max(most, w.oracle.dark.most)
	}
	if most > takeover {
		t.Errorf("nobody held for %s", ms(most))
	}
}

// A total outage of the API, alone, moves nothing, neither at its beginning nor at its end (S10).
func TestOutageOfTheAPIMovesNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(seeds(t, 15)) {
		w := randomWorld(seed, true, nil)
		w.run(30 * sec)
		w.oracle.moves = 0
		before := w.store.lease.Epoch
		runWorldFrom(w, []string{"etcd", "hungAll", "slowAll"})
		if after := w.store.lease.Epoch; w.oracle.moves > 0 || after != before {
			t.Errorf("seed %d: %d moves, epoch %d after %d", seed, w.oracle.moves, after, before)
		}
	}
}

// runWorldFrom lets faults happen from now on.
func runWorldFrom(w *world, from []string) {
	faults := w.randomFaults(from)
	for i := range faults {
		faults[i].at += w.now
	}
	w.inject(faults...)
	w.run(130 * time.Second)
}
