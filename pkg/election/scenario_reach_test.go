// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"math/bits"
	"strings"
	"testing"
	"time"
)

// reachScenario is a fault of a settled cluster with a Lease: deaths, cuts of every kind, lying switches, loss, and an API that is
// away. The holder is host h, o another one.
type reachScenario struct {
	name   string
	hosts  int
	faults func(w *world, h, o int) []fault
	run    time.Duration // from the first fault on
	dark   time.Duration // no live host that the client reaches holds it, at most; any where it is negative
	dual   time.Duration // two that reach each other hold it, at most; any where it is negative
	moves  int           // at most; any where it is negative
	back   int           // moves more where nodes preempt
}

// boundLeft is how long a holder that is cut off with others keeps the address from the larger group.
const boundLeft = 7 * time.Second

const ever = -1 // no bound: the client is cut off from every host that may hold

// lasts makes faults of the holder, other of another host, each as long as given.
func lasts(d time.Duration, kinds ...string) func(*world, int, int) []fault {
	return func(_ *world, h, o int) (faults []fault) {
		for _, k := range kinds {
			faults = append(faults, fault{kind: k, dur: d, i: h, j: o})
		}
		return faults
	}
}

func ofOther(d time.Duration, kinds ...string) func(*world, int, int) []fault {
	return func(w *world, h, o int) []fault { return lasts(d, kinds...)(w, o, h) }
}

// together joins faults; those of before begin some seconds earlier.
func together(all ...func(*world, int, int) []fault) func(*world, int, int) []fault {
	return func(w *world, h, o int) (faults []fault) {
		for _, f := range all {
			faults = append(faults, f(w, h, o)...)
		}
		return faults
	}
}

func before(d time.Duration, of func(*world, int, int) []fault) func(*world, int, int) []fault {
	return func(w *world, h, o int) []fault {
		faults := of(w, h, o)
		for i := range faults {
			faults[i].at -= d
		}
		return faults
	}
}

// apart parts the holder, and others beside it, from the rest and the client.
func apart(beside int) func(*world, int, int) []fault {
	return func(w *world, h, _ int) []fault {
		mask := uint(0)
		for k := range beside + 1 {
			mask |= 1 << ((h + k) % len(w.hosts))
		}
		return []fault{{kind: "partition", dur: 600 * sec, mask: mask}}
	}
}

// thaws freezes the holder again and again for about as long as its silence is borne.
func thaws(w *world, h, _ int) (faults []fault) {
	for k := range 50 {
		a := w.hosts[h].cfg.AdvertisementInterval
		faults = append(faults, fault{kind: "freeze", i: h, at: time.Duration(k) * sec, dur: w.random(2*a, 3*a)})
	}
	return faults
}

// restless leaves one host after the other without a healthy backend for a while, again and again.
func restless(w *world, _, _ int) (faults []fault) {
	for i := range w.hosts {
		for at := w.random(0, 5*sec); at < 600*sec; at += w.random(4*sec, 12*sec) {
			faults = append(faults, fault{kind: "unhealthy", i: i, at: at, dur: w.random(300*msec, 2*sec)})
		}
	}
	return faults
}

const (
	death = takeover
	// meeting is for how long two have the addresses where one gives them over, or both took them at once: until an advertisement has
	// arrived, and the answer to it.
	meeting = 2 * lanDelay
)

var reachScenarios = []reachScenario{
	{"kill", 3, lasts(30*sec, "kill"), 60 * sec, death, meeting, 1, 2},
	// Who has no answer of the API may take the addresses a moment before one that has, and gives way.
	{"kill, API of another hung", 3, together(lasts(30*sec, "kill"), ofOther(10*sec, "hung")), 60 * sec, death + asked, meeting, 2, 2},
	{"kill, API hung for all", 3, lasts(30*sec, "kill", "hungAll"), 60 * sec, death + asked, meeting, 2, 2},
	{"kill, API slow for all", 3, lasts(30*sec, "kill", "slowAll"), 60 * sec, death + asked, meeting, 2, 2},
	{"kill, etcd elects a leader", 3, together(lasts(30*sec, "kill"), lasts(1500*msec, "leader")), 60 * sec, death + asked, meeting, 2, 2},
	{"etcd elects a leader", 3, lasts(1500*msec, "leader"), 60 * sec, 0, 0, 0, 0},
	{"freeze", 3, lasts(10*sec, "freeze"), 60 * sec, death, boundLive, 1, 2},
	{"pause of the VM", 3, lasts(10*sec, "pause"), 60 * sec, death, boundLive, 1, 2},
	{"power off", 3, lasts(30*sec, "power"), 60 * sec, death, meeting, 1, 2},
	{"link cut", 3, lasts(30*sec, "link"), 60 * sec, death, meeting, 1, 2},
	{"silent cut", 3, lasts(30*sec, "silentcut"), 60 * sec, 5 * sec, boundLive, 1, 2},
	{"silent cut, API alive", 3, lasts(30*sec, "blackhole"), 60 * sec, 5 * sec, boundLive, 1, 2},
	{"isolated Backup, API alive", 3, ofOther(60*sec, "blackhole"), 90 * sec, 0, 0, 0, 0},
	{"{1}|{2}, API on both sides", 3, apart(0), 700 * sec, 5 * sec, boundLive, 1, 1},
	{"{1}|{1}|{1}, API for all", 3, lasts(600*sec, "scatter"), 700 * sec, 5 * sec, boundLive, 3, 2},
	// A node that preempts comes back when the partition ends, and each side has one.
	{"{2}|{3}, API on both sides", 5, apart(1), 700 * sec, boundLeft, boundLive, 1, 4},
	{"{2}|{2}, API on both sides", 4, apart(1), 700 * sec, boundLeft, boundLive, 1, 4},
	{"two: holder cut off, API alive", 2, lasts(600*sec, "blackhole"), 700 * sec, 5 * sec, boundLive, 1, 1},
	{"two: Backup cut off, API alive", 2, ofOther(600*sec, "blackhole"), 700 * sec, 0, 0, 0, 0},
	{"two: frames between them cut", 2, lasts(600*sec, "cutPair"), 700 * sec, boundLeft, boundLive, 2, 1},
	{"two: power off", 2, lasts(30*sec, "power"), 60 * sec, death, meeting, 1, 1},
	{"two: kill", 2, lasts(30*sec, "kill"), 60 * sec, death, meeting, 1, 1},
	{"frames cut between holder and Backup", 3, lasts(600*sec, "cutPair"), 700 * sec, 0, 0, 0, 0},
	{"frames cut from holder to Backup", 3, lasts(600*sec, "cutOneway"), 700 * sec, 0, 0, 0, 0},
	{"frames cut from Backup to holder", 3, ofOther(600*sec, "cutOneway"), 700 * sec, 0, 0, 0, 0},
	// Where that holder preempts it may come back while nobody hears that it can't.
	{"transmitter of the holder dead", 3, lasts(60*sec, "txdead"), 90 * sec, 5 * sec, boundLive, 1, 4},
	{"112 filtered from holder to Backup", 3, lasts(600*sec, "oneway"), 700 * sec, 0, 0, 0, 0},
	{"112 filtered everywhere", 3, lasts(600*sec, "filter"), 700 * sec, 0, 0, 0, 0},
	{"112 filtered everywhere, then kill", 3, together(before(5*sec, lasts(60*sec, "filter")), lasts(30*sec, "kill")), 90 * sec, death + retryLive, boundProbes, 2, 2},
	{"112 and ARP filtered from holder to Backup", 3, lasts(600*sec, "deafOneway"), 700 * sec, 0, 0, 0, 0},
	{"112 and ARP filtered between a pair", 3, lasts(600*sec, "deafPair"), 700 * sec, 0, 0, 0, 0},
	{"25 % loss", 3, lasts(600*sec, "loss"), 700 * sec, 0, boundLive, 0, 0},
	// Where advertisements get lost that a holder is healthy again, it is relieved although it is: nobody is without an answer.
	{"25 % loss, backends come and go", 3, together(lasts(600*sec, "loss"), restless), 700 * sec, 0, boundLossy, 2, 2},
	// Of 300 checks of a witness three in a row may be lost, which looks like a closed port.
	{"40 % loss", 3, lasts(600*sec, "loss40"), 700 * sec, death, boundLossy, 1, 1},
	{"two: 25 % loss", 2, lasts(600*sec, "loss"), 700 * sec, 0, boundLive, 1, 0},
	{"two: 40 % loss", 2, lasts(600*sec, "loss40"), 700 * sec, death, boundLossy, 3, 0},
	{"25 % loss, then kill", 3, together(before(20*sec, lasts(60*sec, "loss")), lasts(30*sec, "kill")), 60 * sec, death + 2*sec, boundLossy, 2, 2},
	{"API away for 180 s", 3, lasts(180*sec, "etcd"), 240 * sec, 0, 0, 0, 0},
	{"API for one Backup only", 3, ofOther(60*sec, "apiOnlyFor"), 120 * sec, 0, boundLive, 1, 2},
	{"API for one isolated Backup only", 3, ofOther(60*sec, "apiOnlyFor", "blackhole"), 120 * sec, 0, boundLive, 1, 2},
	{"switch answers with the right address, power off", 3, together(before(5*sec, lasts(60*sec, "suppress")), lasts(30*sec, "power")), 90 * sec, boundDark, boundLive, 1, 2},
	{"router answers with its own address, power off", 3, together(before(5*sec, lasts(60*sec, "liarStrange")), lasts(30*sec, "power")), 90 * sec, boundDark, boundLive, 1, 2},
	{"switch answers everything, power off", 3, together(before(5*sec, lasts(60*sec, "liarRight")), lasts(30*sec, "power")), 90 * sec, boundDark + retryLive, boundLive, 1, 2},
	{"switch answers for its hosts, Backup cut off", 3, together(before(5*sec, lasts(600*sec, "liarOwn")), ofOther(590*sec, "uplink")), 700 * sec, 0, 0, 0, 0},
	{"Lease rolled back, then kill", 3, together(before(100*msec, lasts(0, "rollback")), lasts(30*sec, "kill")), 60 * sec, death, meeting, 1, 2},
	{"Lease deleted, then kill", 3, together(before(100*msec, lasts(0, "leaseDeleted")), lasts(30*sec, "kill")), 60 * sec, death, meeting, 1, 2},
	{"freezes of 2 A to 3 A for 50 s, with loss", 3, together(lasts(60*sec, "loss"), thaws), 90 * sec, death, boundLossy, ever, 0},
}

// reachWorld has hosts that have settled. It is nil where none holds before the fault.
func reachWorld(seed uint64, hosts int, interval time.Duration, desert bool) *world {
	p := params{seed: seed, hosts: hosts, hybrid: true, desert: desert, alone: seed%2 == 0, fence: fences(seed), interval: interval, each: func(i int, c *Config) {
		c.Preempt = seed%3 == 0
		if c.AdvertisementInterval = interval; interval < time.Second {
			c.Lifetime = time.Second
		}
		if seed%4 != 0 {
			c.Priority += uint8((i*7 + int(seed)) % hosts * 10)
		}
	}}
	if interval < time.Second {
		p.fence = func(int) bool { return true } // its bounds are those of fences
	}
	w := newWorld(p)
	if w.run(40 * sec); w.one() == nobody {
		return nil
	}
	return w
}

// runReach runs a scenario once. Two holders, and none, count from the first fault on.
func (sc *reachScenario) runReach(seed uint64, interval time.Duration, trace func(string)) *world {
	w := reachWorld(seed, sc.hosts, interval, false)
	if w == nil {
		return nil
	}
	holder := w.one()
	other := (holder + 1 + int(seed)%(sc.hosts-1)) % sc.hosts
	at := w.now + 21*sec + w.random(0, 2*sec)
	faults := sc.faults(w, holder, other)
	for i := range faults {
		faults[i].at += at
	}
	if w.trace = trace; trace != nil {
		w.zero = at
	}
	w.inject(faults...)
	w.run(at - w.now - time.Microsecond)
	w.oracle.any, w.oracle.dark, w.oracle.moves = watch{}, watch{}, 0
	w.run(sc.run)
	w.oracle.end(w)
	return w
}

// A partition of 2 to 5 hosts into two groups, the holder in either, the client and the gateway in the first. The majority - or
// the half with the gateway - has the address, nobody else takes it, and the end of the partition costs nothing.
func TestReachPartitions(t *testing.T) {
	t.Parallel()
	for hosts := 2; hosts <= 5; hosts++ {
		for mask := uint(1); mask < 1<<hosts-1; mask++ {
			for oneAPI := range 2 {
				if seeds(t, 1) > 1 || oneAPI == int(mask)%2 { // few of them take the one or the other
					partitioned(t, hosts, mask, oneAPI)
				}
			}
		}
	}
}

func partitioned(t *testing.T, hosts int, mask uint, oneAPI int) {
	name := fmt.Sprintf("%0*b of %d, API for all %t", hosts, mask, hosts, oneAPI == 0)
	seed := uint64(mask)*2 + uint64(oneAPI)
	w := reachWorld(seed, hosts, time.Second, false)
	if w == nil {
		t.Fatalf("%s: none holds before the fault", name)
	}
	var lines []string
	w.trace = func(line string) { lines = append(lines, line) }
	w.zero = w.now + sec
	larger := ^mask & (1<<hosts - 1) // with the gateway
	if 2*bits.OnesCount(mask) > hosts {
		larger = mask
	}
	holder := w.one()
	lone := bits.OnesCount(larger) == hosts-1 && larger != mask // it reaches neither a peer nor the gateway
	w.inject(fault{kind: "partition", at: w.zero, dur: 120 * sec, mask: mask, j: oneAPI})
	w.run(sec)
	gone, served, was, moves := time.Duration(0), w.now, uint(1)<<holder, 0
	for end := w.now + 119*sec; w.now < end; w.run(50 * msec) {
		if now := w.holders() & larger; now != 0 {
			if served = w.now; now != was {
				was, moves = now, moves+1
			}
		}
		gone = max(gone, w.now-served)
	}
	bound := boundLeft
	switch {
	case larger>>holder&1 == 1:
		bound = 0
	case lone && oneAPI == 0:
		bound = 5 * sec
	}
	held := w.holders() & larger
	w.run(sec + msec)
	w.oracle.dark, w.oracle.moves, w.oracle.holder = watch{}, 0, bits.TrailingZeros(was)
	w.run(60 * sec)
	w.oracle.end(w)
	returns := 0
	if w.hosts[0].cfg.Preempt {
		returns = hosts + 1 // each to a host that ranks higher, in the larger group and then among all
	}
	most := returns
	if bound > 0 {
		most++
	}
	if o := &w.oracle; gone > bound || bits.OnesCount(held) != 1 || moves+o.moves > most || o.dark.most > 100*msec || len(o.violations) > 0 {
		t.Errorf("%s (seed %d), held by %d: the larger group is without it for %s of %s, then holds %b; %d moves of %d, then none for %s; %s\n%s", name, seed, holder, ms(gone), bound, held,
			moves+o.moves, most, ms(o.dark.most), strings.Join(o.violations, "; "), strings.Join(last(lines, 40), "\n"))
	}
}
