// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"testing"
	"time"
)

// settled returns a world of hosts with a Lease that have had no fault for a while, and the holder. What is measured counts from
// then on.
func settled(t *testing.T, seed uint64, hosts int) (*world, int) {
	t.Helper()
	w := reachWorld(seed, hosts, time.Second, false)
	if w == nil {
		t.Fatalf("seed %d: none holds before the fault", seed)
	}
	o := &w.oracle
	o.any, o.dark, o.moves, o.alarms = watch{}, watch{}, 0, map[AlarmKind]time.Duration{}
	w.zero = w.now
	return w, w.one()
}

// Advertisements that somebody forges move nothing beside a fresh Lease, whatever their priority, source and number are, and there
// is an alarm within 3 s.
func TestForgedAdvertisementsMoveNothing(t *testing.T) {
	t.Parallel()
	const changing = 4 // beside three hosts and an unknown one
	for _, kind := range []string{"forgeOwner", "forgeClaims", "forgeNext", "forgeChosen", "forgeRelease"} {
		for _, rate := range []int{1, 10, 1000} {
			for source := range changing + 1 {
				for _, to := range []int{nobody, 0} {
					if rate == 1000 && (source > 0 || to != nobody || kind == "forgeChosen" || kind == "forgeRelease") {
						continue // thirty thousand packets each
					}
					name := fmt.Sprintf("%s, %d a second, from %d to %d", kind, rate, source, to)
					t.Run(name, func(t *testing.T) {
						forgedAt(t, fault{kind: kind, rate: rate, j: source, i: to, mask: 219, dur: 30 * sec})
					})
				}
			}
		}
	}
}

func forgedAt(t *testing.T, f fault) {
	w, holder := settled(t, uint64(f.j+f.rate), 3)
	f.at = w.now + sec
	w.inject(f)
	w.run(40 * sec)
	o := &w.oracle
	if o.moves > 0 || o.dark.most > 0 || o.any.most > 0 || w.one() != holder || len(o.violations) > 0 {
		t.Errorf("%d moves, none for %s, two for %s, held by %b, want %d; %q", o.moves, ms(o.dark.most), ms(o.any.most), w.holders(), holder, o.violations)
	}
	// A forged release, and what has the source of the holder and no greater priority, is no claim of another.
	at, alarmed := o.alarms[Forged]
	if claims := f.kind == "forgeOwner" || (f.kind == "forgeClaims" || f.kind == "forgeNext") && f.j != holder; claims && f.i == nobody && (!alarmed || at-f.at > 3*sec) {
		t.Errorf("alarm %t, after %s", alarmed, ms(at-f.at))
	}
}

// A death of the holder, a cut and its healing raise neither the alarm of a forgery nor that of a conflict: whoever advertises or claims
// beside the next holder yields to it.
func TestOrdinaryFaultsRaiseNoAlarm(t *testing.T) {
	t.Parallel()
	for _, interval := range []time.Duration{20 * time.Millisecond, 200 * time.Millisecond, time.Second} {
		for _, kind := range []string{"kill", "pause", "silentcut", "uplink", "blackhole", "stop"} {
			t.Run(fmt.Sprintf("%s, %s", interval, kind), func(t *testing.T) {
				for seed := range uint64(seeds(t, 3)) {
					w := newWorld(params{seed: 5 * seed, hosts: 3, hybrid: true, interval: interval, fence: fences(seed), each: func(_ int, c *Config) {
						c.AdvertisementInterval, c.Lifetime, c.Preempt = interval, Lifetime(interval), seed%3 == 0
					}})
					w.run(15 * sec)
					w.oracle.alarms = map[AlarmKind]time.Duration{}
					w.inject(fault{kind: kind, i: w.one(), at: w.now, dur: 5 * sec})
					w.run(10 * sec)
					for _, alarm := range []AlarmKind{Forged, AddressConflict} {
						if at, raised := w.oracle.alarms[alarm]; raised {
							t.Errorf("seed %d: alarm %s after %s", 5*seed, alarm, w.now-at)
						}
					}
				}
			})
		}
	}
}

// A holder whose port of the control plane is closed for clients is left within 10 s, once, and gets the address back at most by
// preemption when its port is open again. Where the ports of all are closed, it stays. Either raises the alarm. What is no fault of
// the holder raises none: witnesses that lie or are deaf while they are a minority, an outage of the API, backends that are all down.
func TestWitnesses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		hosts  int
		faults func(w *world, h, o int) []fault
		dark   time.Duration
		moves  int
		alarm  bool
	}{
		{"port of the holder", 3, lasts(120*sec, "portBlocked"), 10 * sec, 1, true},
		{"port of the holder, two nodes", 2, lasts(120*sec, "portBlocked"), 10 * sec, 1, true},
		{"port of the holder, five nodes", 5, lasts(120*sec, "portBlocked"), 10 * sec, 1, true},
		{"port of every host", 3, lasts(120*sec, "portBlockedAll"), ever, 0, true},
		{"port of another", 3, ofOther(120*sec, "portBlocked"), 0, 0, false},
		{"one of two witnesses lies", 3, ofOther(120*sec, "liarWitness"), 0, 0, false},
		{"two of four witnesses lie", 5, func(_ *world, h, _ int) []fault {
			return []fault{{kind: "liarWitness", i: (h + 1) % 5, dur: 120 * sec}, {kind: "liarWitness", i: (h + 2) % 5, dur: 120 * sec}}
		}, 0, 0, false},
		{"one of two witnesses is deaf", 3, ofOther(120*sec, "deafWitness"), 0, 0, false},
		{"API away", 3, lasts(120*sec, "etcd"), 0, 0, false},
		{"API hung", 3, lasts(120*sec, "hungAll"), 0, 0, false},
		{"no backend anywhere", 3, lasts(120*sec, "allUnhealthy"), 0, 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for seed := range uint64(6) {
				w, holder := settled(t, seed, tc.hosts)
				faults := tc.faults(w, holder, (holder+1)%tc.hosts)
				for i := range faults {
					faults[i].at = w.now
				}
				w.inject(faults...)
				w.run(119 * sec)
				o, most := &w.oracle, tc.moves
				if w.hosts[0].cfg.Preempt && most > 0 {
					most += tc.hosts - 2 // a lower Backup may be the first whose read of the Lease is answered, and is preempted by the next one
				}
				if tc.dark == ever && w.alone {
					most = tc.hosts - 1 // nobody can try the port of another before it has the address: each is tried once
				}
				_, alarmed := o.alarms[Unreachable]
				if o.moves > most || tc.dark != ever && o.dark.most > tc.dark || alarmed != tc.alarm || len(o.violations) > 0 {
					t.Errorf("seed %d: %d moves of %d, not served for %s of %s, alarm %t; %q", seed, o.moves, most, ms(o.dark.most), tc.dark, alarmed, o.violations)
				}
				o.moves = 0
				if w.run(60 * sec); o.moves > 0 && (!w.hosts[0].cfg.Preempt || o.moves > most+1) {
					t.Errorf("seed %d: %d moves after the fault", seed, o.moves)
				}
			}
		})
	}
}

// An epoch that nobody has counted up to moves nothing. One that leaves no room to count on is refused and healed, with an alarm:
// the Lease has an epoch of before.
func TestLeapsAreHealed(t *testing.T) {
	t.Parallel()
	for kind := range leapKinds {
		for seed := range uint64(10) {
			w, holder := settled(t, seed, 3)
			was := w.store.lease.Epoch
			w.inject(fault{kind: kind, at: w.now})
			w.run(60 * sec)
			o := &w.oracle
			if e := w.store.lease.Epoch; o.moves > 0 || o.dark.most > 0 || w.one() != holder || kind == "epochMax" && e > was+2 || len(o.violations) > 0 {
				t.Errorf("%s, seed %d: %d moves, none for %s, epoch %d after %d; %q", kind, seed, o.moves, ms(o.dark.most), e, was, o.violations)
			}
			if _, alarmed := o.alarms[Forged]; kind == "epochMax" && !alarmed {
				t.Errorf("%s, seed %d: no alarm", kind, seed)
			}
		}
	}
}
