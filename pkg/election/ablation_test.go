// SPDX-License-Identifier: Apache-2.0

package election

import (
	"strings"
	"testing"
	"time"
)

// The tests of this file and of ablation_lease_test.go show what each rule beyond VRRP is for. Some rules are left out by a
// faulty world; the others by hack/model/ablate, which changes the source and expects the test of the rule to fail.

// rules are the faults under which an invariant breaks without a rule, and holds with it.
var rules = []struct {
	rule      string
	faults    []string
	invariant string
	hybrid    bool
}{
	{"probe", []string{"filter", "oneway", "loss"}, "S2-start", false},
	{"late fence", []string{"freeze", "filter"}, "S7", false},
	{"distress", []string{"unhealthy"}, "L2", false},
	{"claims by ARP", []string{"filter", "partition", "blackhole"}, "S2", false},

	{"epochs in the claims", []string{"pause"}, "end", true},
	{"release in distress", []string{"unhealthy", "filter"}, "L2", true},
	{"probe, without the API", []string{"etcd", "filter"}, "S2-start", true},
}

func TestRule(t *testing.T) {
	t.Parallel()
	for _, r := range rules {
		t.Run(r.rule, func(t *testing.T) {
			run := runRandom
			if r.hybrid {
				run = runHybrid
			}
			for seed := range uint64(seeds(t, 20)) {
				seed *= uint64(len(profiles))
				w := run(seed, r.faults, nil, nil)
				if v := w.oracle.violations; len(v) > 0 {
					t.Errorf("seed %d:\n%s", seed, strings.Join(v, "\n"))
				}
				if w.oracle.broken[r.invariant] > 0 {
					t.Fatalf("invariant %s is broken", r.invariant)
				}
			}
		})
	}
}

// ablations are worlds that are faulty in one thing, and the faults that break an invariant in them.
var ablations = []struct {
	rule      string
	spoil     func(*world)
	faults    []string
	invariant string
	profile   int // index of profiles
}{
	{"announcements after the train", func(w *world) { w.quiet = true }, []string{"filter", "partition", "blackhole"}, "ARP", 0},
	// The silence of fast advertisements is shorter than the kernel keeps the addresses.
	{"wait for what a dead process leaves", believe(func(d *ProbeDone) { *d = without(*d, Zombie, Free) }), []string{"kill", "freeze"}, "S3-start", 1},
	{"refusal of a foreign host's address", believe(func(d *ProbeDone) { d.Peer = lower }), []string{"foreign", "power"}, "foreign", 0},
	{"lifetime of the addresses", func(w *world) { w.endless = true }, []string{"kill", "freeze"}, "S3", 0},
}

// believe changes what the probes report.
func believe(change func(*ProbeDone)) func(*world) {
	return func(w *world) {
		w.believe = func(d ProbeDone) ProbeDone {
			change(&d)
			return d
		}
	}
}

// without returns what is found, or what makes another verdict in place of one.
func without(d ProbeDone, rule, instead Verdict) ProbeDone {
	v := d.Evidence()
	v.Lasting = true
	if verdict, _ := v.Judge(); verdict == rule {
		return found(instead)
	}
	return d
}

// In a faulty world the faults break the invariant; in a sound one the same runs break none. The first runs that show it are
// enough.
func TestAblation(t *testing.T) {
	t.Parallel()
	for _, a := range ablations {
		t.Run(a.rule, func(t *testing.T) {
			broken, runs, n := 0, 0, seeds(t, 60)
			for ; runs < n && broken < 3; runs++ {
				seed := uint64(runs*len(profiles) + a.profile)
				if runRandom(seed, a.faults, a.spoil, nil).oracle.broken[a.invariant] == 0 {
					continue
				}
				broken++
				if w := runRandom(seed, a.faults, nil, nil); len(w.oracle.violations) > 0 {
					t.Errorf("seed %d with the rule: %q", seed, w.oracle.violations)
				}
			}
			if broken == 0 {
				t.Errorf("%s holds without the rule in %d runs", a.invariant, runs)
			}
			t.Logf("without it %s is broken in %d of %d runs of %q", a.invariant, broken, runs, a.faults)
		})
	}
}

// A planned stop makes before it breaks: nobody is without a holder for any time at all.
func TestRuleMakeBeforeBreak(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		w := newWorld(params{seed: seed, hosts: 3, together: true, each: graded})
		w.run(20 * sec)
		w.oracle.dark = watch{}
		w.inject(fault{kind: "stop", at: w.now, dur: 20 * sec, i: w.one()})
		w.run(10 * sec)
		if d := w.oracle.dark.most; d != 0 {
			t.Errorf("nobody held for %s", ms(d))
		}
	}
}

// Where no probe protects the holder, the order of the control loop alone keeps a thawed Backup, whose timer is overdue,
// from taking the address from a holder whose advertisements are queued.
func TestAblationOfPacketsBeforeTimers(t *testing.T) {
	t.Parallel()
	moves := func(timerFirst bool) (n int) {
		for seed := range uint64(20) {
			w := newWorld(params{seed: seed, hosts: 3, together: true, each: pinned, spoil: func(w *world) {
				w.timerFirst, w.credulous = timerFirst, true
			}})
			w.run(20 * sec)
			w.oracle.moves = 0
			w.inject(others("freeze", 10*sec)(w, w.one())...)
			w.run(20 * sec)
			n += w.oracle.moves
		}
		return n
	}
	if n := moves(false); n != 0 {
		t.Errorf("%d moves when frozen Backups thaw", n)
	}
	if moves(true) == 0 {
		t.Error("no move without the order")
	}
}

// Of two holders that meet after a partition, the loser's announcement may be the last that the client heard. Its last
// advertisement makes the winner announce again at once, not only with the next of its announcements.
func TestAblationOfLastWord(t *testing.T) {
	t.Parallel()
	misled := func(curt bool) (most time.Duration) {
		for seed := range uint64(30) {
			w := newWorld(params{seed: seed, hosts: 3, together: true, each: pinned, spoil: func(w *world) { w.curt = curt }})
			w.run(20*sec + w.random(0, sec))
			w.inject(partition(w, w.one())...)
			w.run(19 * sec)
			w.oracle.misled = watch{}
			w.run(20 * sec)
			most = max(most, w.oracle.misled.most)
		}
		return most
	}
	if d := misled(false); d > lanDelay {
		t.Errorf("the client did not know the holder for %s", d)
	}
	if d := misled(true); d < time.Second {
		t.Errorf("without the last advertisement the client did not know the holder for only %s", d)
	}
}

// A healthy node does not wait for a holder in distress that is not heard, and that only the probe has found.
func TestAblationOfTakingFromDistress(t *testing.T) {
	t.Parallel()
	sick := func(taken bool) (most time.Duration) {
		for seed := range uint64(20) {
			p := params{seed: seed, hosts: 3, together: true, each: pinned}
			if !taken {
				p.spoil = believe(func(d *ProbeDone) { *d = without(*d, LiveDistress, Live) })
			}
			w := newWorld(p)
			w.run(20 * sec)
			w.oracle.sick = watch{}
			w.inject(with(on("unhealthy", 20*sec), "filter", 20*sec)(w, w.one())...)
			w.run(30 * sec)
			most = max(most, w.oracle.sick.most)
		}
		return most
	}
	if d := sick(true); d > takeover+DistressAfter+retryLive {
		t.Errorf("no healthy node held for %s", d)
	}
	if d := sick(false); d < 15*sec {
		t.Errorf("without it no healthy node held for only %s", d)
	}
}

// Nodes of the same priority that start at once do not collide where they take turns.
func TestAblationOfTurns(t *testing.T) {
	t.Parallel()
	collisions := func(turns bool) (n int) {
		for seed := range uint64(40) {
			p := params{seed: seed, hosts: 3, down: true, each: func(_ int, c *Config) {
				if c.Jitter = nil; !turns {
					c.Peers = nil
				}
			}}
			w := newWorld(p)
			for _, h := range w.hosts {
				h.start()
			}
			if w.run(10 * sec); w.oracle.any.most > 0 {
				n++
			}
		}
		return n
	}
	if n := collisions(true); n > 0 {
		t.Errorf("%d collisions in turns", n)
	}
	if collisions(false) == 0 {
		t.Error("no collision without turns")
	}
}

// A fence that has closed never opens again by a renewal: a holder that was frozen while a Backup asked for the address, and goes on before
// its own late clock says so, is none any more. Where nobody hears advertisements it would hold beside the next one until ARP decides.
func TestAblationOfClosedFence(t *testing.T) {
	t.Parallel()
	both := func(reopens bool) (most time.Duration) {
		for seed := range uint64(10) {
			w := newWorld(params{seed: seed, hosts: 2, together: true, interval: 200 * msec, fence: func(int) bool { return true },
				each:  func(i int, c *Config) { pinned(i, c); c.AdvertisementInterval, c.Lifetime = 200*msec, sec },
				spoil: func(w *world) { w.reopens = reopens },
			})
			w.run(20 * sec)
			w.oracle.any = watch{}
			kinds["filter"](w, fault{}, true)
			for range 20 {
				w.run(5*sec + w.random(0, 200*msec))
				if holder := w.one(); holder != nobody {
					w.inject(fault{kind: "freeze", at: w.now, dur: w.random(450*msec, 570*msec), i: holder})
				}
			}
			w.run(20 * sec)
			most = max(most, w.oracle.any.most)
		}
		return most
	}
	if d := both(false); d > 0 {
		t.Errorf("two held for %s", d)
	}
	if d := both(true); d < 200*msec {
		t.Errorf("with fences that open again two held for only %s", d)
	}
}
