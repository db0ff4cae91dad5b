// SPDX-License-Identifier: Apache-2.0

package election

import (
	"testing"
	"time"
)

// ablations say what each rule is for: the faults that break an invariant without it. That packets are heard before timers
// speak has a test of its own, as the probe and the late fence cover for it.
var ablations = []struct {
	rule      string
	off       func(*world, *rules)
	faults    []string
	invariant string
	profile   int // index of profiles
	hybrid    bool
}{
	{"probe", func(_ *world, r *rules) { r.probe = false }, []string{"filter", "oneway", "loss"}, "S2-start", 0, false},
	{"late fence", func(_ *world, r *rules) { r.fence = false }, []string{"freeze", "filter"}, "S7", 0, false},
	{"distress", func(_ *world, r *rules) { r.distress = false }, []string{"unhealthy"}, "L2", 0, false},
	{"claims by ARP", func(_ *world, r *rules) { r.claims = false }, []string{"filter", "partition", "blackhole"}, "S2", 0, false},
	{"announcements after the train", func(w *world, _ *rules) { w.quiet = true }, []string{"filter", "partition", "blackhole"}, "ARP", 0, false},
	// The silence of fast advertisements is shorter than the kernel keeps the addresses.
	{"wait for what a dead process leaves", believe(func(d *ProbeDone) { d.Verdict = without(d.Verdict, Zombie, Free) }), []string{"kill", "freeze"}, "S3-start", 1, false},
	{"refusal of a foreign host's address", believe(func(d *ProbeDone) { d.KnownOwner = true }), []string{"foreign", "power"}, "foreign", 0, false},
	{"lifetime of the addresses", func(w *world, _ *rules) { w.endless = true }, []string{"kill", "freeze"}, "S3", 0, false},

	{"epochs in the claims", func(_ *world, r *rules) { r.epoch = false }, []string{"pause"}, "S5", 0, true},
	{"seizure", func(_ *world, r *rules) { r.seize = false }, []string{"blackhole"}, "L3", 0, true},
	{"release in distress", func(_ *world, r *rules) { r.distressRelease = false }, []string{"unhealthy", "filter"}, "L2", 0, true},
	{"probe, without the API", func(_ *world, r *rules) { r.probe = false }, []string{"etcd", "filter"}, "S2-start", 0, true},
}

// believe makes the probes tell something else.
func believe(change func(*ProbeDone)) func(*world, *rules) {
	return func(w *world, _ *rules) {
		w.believe = func(d ProbeDone) ProbeDone {
			change(&d)
			return d
		}
	}
}

func without(v, rule, instead Verdict) Verdict {
	if v == rule {
		return instead
	}
	return v
}

// Without a rule, the faults that it is for break its invariant; with it, the same runs break none. The first runs that
// show it are enough.
func TestAblation(t *testing.T) {
	t.Parallel()
	for _, a := range ablations {
		t.Run(a.rule, func(t *testing.T) {
			broken, runs, n := 0, 0, seeds(t, 60)
			run := runRandom
			if a.hybrid {
				run = runHybrid
			}
			for ; runs < n && broken < 3; runs++ {
				seed := uint64(runs*len(profiles) + a.profile)
				if run(seed, a.faults, a.off, nil).oracle.broken[a.invariant] == 0 {
					continue
				}
				broken++
				if w := run(seed, a.faults, nil, nil); len(w.oracle.violations) > 0 {
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

// A planned stop that breaks before it makes leaves nobody for the skew time; one that makes first leaves nobody for no
// time at all.
func TestAblationOfMakeBeforeBreak(t *testing.T) {
	dark := func(off bool) (most time.Duration) {
		for seed := range uint64(20) {
			w := newWorld(params{seed: seed, hosts: 3, together: true, each: graded, ablate: func(_ *world, r *rules) { r.makeBeforeBreak = !off }})
			w.run(20 * sec)
			w.oracle.dark = watch{}
			w.inject(fault{kind: "stop", at: w.now, dur: 20 * sec, i: w.one()})
			w.run(10 * sec)
			most = max(most, w.oracle.dark.most)
		}
		return most
	}
	if d := dark(false); d != 0 {
		t.Errorf("with it nobody held for %s", d)
	}
	if d := dark(true); d < 500*msec || d > time.Second {
		t.Errorf("without it nobody held for %s, want the skew time", d)
	}
}

// Where neither asks the address first, the order of the control loop alone keeps a thawed Backup, whose timer is overdue,
// from taking the address from a holder whose advertisements are queued.
func TestAblationOfPacketsBeforeTimers(t *testing.T) {
	moves := func(timerFirst bool) (n int) {
		for seed := range uint64(20) {
			w := newWorld(params{seed: seed, hosts: 3, together: true, each: pinned, ablate: func(w *world, r *rules) {
				w.timerFirst, r.probe = timerFirst, false
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

// Of two holders that meet after a partition, the loser's announcement may be the last that the client heard. Its last word
// makes the winner announce again at once, not only with the next of its announcements.
func TestAblationOfLastWord(t *testing.T) {
	misled := func(curt bool) (most time.Duration) {
		for seed := range uint64(30) {
			w := newWorld(params{seed: seed, hosts: 3, together: true, each: pinned, ablate: func(w *world, _ *rules) { w.curt = curt }})
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
		t.Errorf("without the last word the client did not know the holder for only %s", d)
	}
}

// A holder in distress that is not heard, only met by the probe, is no reason for a healthy node to wait.
func TestAblationOfTakingFromDistress(t *testing.T) {
	sick := func(taken bool) (most time.Duration) {
		for seed := range uint64(20) {
			p := params{seed: seed, hosts: 3, together: true, each: pinned}
			if !taken {
				p.ablate = believe(func(d *ProbeDone) { d.Verdict = without(d.Verdict, LiveDistress, Live) })
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
	if d := sick(true); d > takeover+distressAfter+retryLive {
		t.Errorf("no healthy node held for %s", d)
	}
	if d := sick(false); d < 15*sec {
		t.Errorf("without it no healthy node held for only %s", d)
	}
}

// Nodes of the same priority that start at once do not collide where they take turns.
func TestAblationOfTurns(t *testing.T) {
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
