// SPDX-License-Identifier: Apache-2.0

package election

import (
	"testing"
	"time"
)

// costs say what a rule spares that breaks no invariant alone: the same runs cost more without it.
var costs = []struct {
	rule    string
	off     func(*world, *rules)
	faults  []string
	what    string
	measure func(*world) float64
	least   float64 // without it, as a multiple of with it
}{
	{"the Lease has the last word", func(_ *world, r *rules) { r.lease = false }, []string{"partition", "filter", "credentials"}, "moves", movesOf, 2},
	{"a lost Lease is asserted", func(_ *world, r *rules) { r.epochLoss = false }, []string{"rollback", "stop", "leaseDeleted"}, "seconds without a holder", darkOf, 2},
	{"who renews the Lease is the holder", func(_ *world, r *rules) { r.leaseTruth = false }, []string{"etcd", "filter", "partition", "credentials"}, "seconds with two holders", dualOf, 1.05},
}

func movesOf(w *world) float64 { return float64(w.oracle.moves) }
func darkOf(w *world) float64  { return w.oracle.dark.most.Seconds() }
func dualOf(w *world) float64  { return w.oracle.any.most.Seconds() }

func TestAblationCosts(t *testing.T) {
	t.Parallel()
	for _, c := range costs {
		t.Run(c.rule, func(t *testing.T) {
			var with, without float64
			for seed := range uint64(seeds(t, 40)) {
				seed *= uint64(len(profiles))
				with += c.measure(runHybrid(seed, c.faults, nil, nil))
				without += c.measure(runHybrid(seed, c.faults, c.off, nil))
			}
			t.Logf("%s in %q: %.1f with the rule, %.1f without", c.what, c.faults, with, without)
			if without < c.least*with {
				t.Errorf("%.2f times as many without it, want %.2f", without/with, c.least)
			}
		})
	}
}

// A holder that cannot renew keeps its claim on the wire: a node that ranks higher leaves it the addresses. That node may
// preempt only some time after its start, when the credentials have expired everywhere.
func TestAblationOfKeptClaim(t *testing.T) {
	count := func(kept bool) (n int) {
		for seed := range uint64(10) {
			w := newWorld(params{seed: seed, hosts: 3, together: true, hybrid: true,
				each: func(i int, c *Config) {
					graded(i, c)
					c.PreemptDelay = 15 * time.Second
				},
				ablate: func(_ *world, r *rules) { r.keepClaim = kept }})
			w.run(30 * sec)
			w.inject(fault{kind: "stop", at: w.now, dur: 5 * sec, i: 2})
			w.run(10 * sec)
			w.inject(all("credentials", 60*sec)(w, 0)...)
			w.oracle.moves = 0
			w.run(40 * sec)
			n += w.oracle.moves
		}
		return n
	}
	if n := count(true); n != 0 {
		t.Errorf("%d moves while nobody could write the Lease", n)
	}
	if count(false) == 0 {
		t.Error("no move without the rule")
	}
}

// What a leaving holder says on the wire stands for the release that it cannot write.
func TestAblationOfAbdication(t *testing.T) {
	slowest := func(abdicate bool) (most time.Duration) {
		for seed := range uint64(20) {
			w := newWorld(params{seed: seed, hosts: 3, together: true, hybrid: true, each: pinned,
				ablate: func(_ *world, r *rules) { r.abdicate = abdicate }})
			w.run(20 * sec)
			holder := w.one()
			w.inject(fault{kind: "credentials", at: w.now, dur: 20 * sec, i: holder}, fault{kind: "stop", at: w.now + msec, dur: 20 * sec, i: holder})
			from := w.now
			for w.one() == holder || w.one() == nobody {
				w.run(10 * msec)
			}
			most = max(most, w.now-from)
		}
		return most
	}
	if d := slowest(true); d > time.Second {
		t.Errorf("the successor took %s", d)
	}
	if d := slowest(false); d < 1500*msec {
		t.Errorf("without the rule the successor took only %s", d)
	}
}

// A takeover that a fresh Lease has refused is tried again when it can be stale, not a whole Active_Down_Interval later.
func TestAblationOfFastRetry(t *testing.T) {
	slowest := func(fast bool) (most time.Duration) {
		for seed := range uint64(40) {
			w := newWorld(params{seed: seed, hosts: 3, together: true, hybrid: true, each: func(i int, c *Config) { c.Priority = uint8(229 + 5*i) },
				ablate: func(_ *world, r *rules) { r.fastRetry = fast }})
			w.run(20*sec + w.random(0, sec))
			w.inject(fault{kind: "power", at: w.now, dur: 20 * sec, i: w.one()})
			w.oracle.dark = watch{}
			w.run(15 * sec)
			most = max(most, w.oracle.dark.most)
		}
		return most
	}
	with, without := slowest(true), slowest(false)
	t.Logf("nobody holds for at most %s with the rule, %s without", ms(with), ms(without))
	if with > takeover || without < with+time.Second {
		t.Errorf("nobody holds for %s with the rule, %s without", with, without)
	}
}

// A total outage of the API, alone, moves nothing, neither at its beginning nor at its end (S10).
func TestOutageOfTheAPIMovesNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(seeds(t, 40)) {
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
