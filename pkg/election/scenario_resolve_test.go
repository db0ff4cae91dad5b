// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"testing"
	"time"
)

// aFrame is for how long a host may answer beside another that has just begun to: the longest time of a frame, and of a turn of a process.
const aFrame = 6 * time.Millisecond

// Whoever asks for the address is answered by one host, also where two have it for a while: as one leaves, and when a holder that was
// cut off is joined again.
func TestOneHostAnswersWhoAsks(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		fault fault
		vrrp  bool // without a Lease
		wide  bool // the cut is over before it shows
	}{
		{fault{kind: "stop"}, false, false},
		{fault{kind: "stop"}, true, false},
		{fault{kind: "silentcut", dur: 250 * msec}, false, true},
		{fault{kind: "silentcut", dur: 1300 * msec}, false, false},
		{fault{kind: "silentcut", dur: 1300 * msec}, true, false},
		{fault{kind: "silentcut", dur: 10 * sec}, false, false},
		{fault{kind: "silentcut", dur: 10 * sec}, true, false},
		{fault{kind: "blackhole", dur: 1300 * msec}, false, false},
		{fault{kind: "blackhole", dur: 10 * sec}, false, false},
		{fault{kind: "link", dur: 2 * sec}, false, false},
	} {
		for _, interval := range []time.Duration{20 * msec, 200 * msec} {
			t.Run(fmt.Sprintf("%s for %s, without a Lease %t, %s", tc.fault.kind, tc.fault.dur, tc.vrrp, interval), func(t *testing.T) {
				for seed := range uint64(seeds(t, 4)) {
					bound := aFrame
					if tc.wide {
						bound += interval
					}
					oneAnswers(t, seed, tc.fault, tc.vrrp, interval, bound)
				}
			})
		}
	}
}

func oneAnswers(t *testing.T, seed uint64, f fault, vrrp bool, interval, bound time.Duration) {
	w := newWorld(params{seed: seed, hosts: 3, hybrid: !vrrp, fence: func(int) bool { return true }, interval: interval, together: true, each: func(_ int, c *Config) {
		c.AdvertisementInterval, c.Lifetime, c.Preempt = interval, time.Second, false
	}})
	w.run(20 * sec)
	holder := w.one()
	if holder == nobody {
		t.Fatalf("seed %d: none holds before the fault", seed)
	}
	var lines []string
	w.trace = func(line string) { lines = append(lines, line) }
	w.zero = w.now + sec
	f.i, f.at = holder, w.zero+w.random(0, sec)
	w.inject(f)
	w.run(sec)
	w.oracle.any, w.oracle.double, w.oracle.dark, w.oracle.moves = watch{}, watch{}, watch{}, 0
	w.run(30 * sec)
	w.oracle.end(w)
	for _, h := range w.hosts {
		if h.held && h.refuses {
			t.Errorf("seed %d: %s does not answer who asks for the address", seed, name(h.id))
		}
	}
	if o := &w.oracle; o.double.most > bound || len(o.violations) > 0 {
		t.Errorf("seed %d: two answer for %s of %s, two hold for %s, none for %s; %v", seed, ms(o.double.most), bound, ms(o.any.most), ms(o.dark.most), o.violations)
		for _, line := range last(lines, 30) {
			t.Log(line)
		}
	}
}

// Where no node knows its peers and the gateway is away, the holder reaches nobody. That the others ask for the address shows it that
// frames pass: it answers again, and stays.
func TestHolderWithoutAGatewayIsAsked(t *testing.T) {
	t.Parallel()
	for _, interval := range []time.Duration{20 * msec, 200 * msec, sec} {
		for seed := range uint64(seeds(t, 8)) {
			w := newWorld(params{seed: seed, hosts: 3, hybrid: true, fence: func(int) bool { return true }, interval: interval, together: true, each: func(_ int, c *Config) {
				c.AdvertisementInterval, c.Lifetime, c.Preempt, c.Peers = interval, Lifetime(interval), false, nil
			}})
			w.run(20 * sec)
			holder := w.one()
			w.inject(fault{kind: "partition", at: w.now, dur: 30 * sec, mask: 1<<3 - 1})
			w.run(20 * sec)
			if w.one() != holder || w.hosts[holder].refuses || w.oracle.moves > 0 {
				t.Errorf("%s, seed %d: %s held, %b hold, refuses %t, moves %d", interval, seed, name(holder), w.holders(), w.hosts[holder].refuses, w.oracle.moves)
			}
			w.run(30 * sec)
			if w.oracle.end(w); w.one() != holder || len(w.oracle.violations) > 0 {
				t.Errorf("%s, seed %d: after it %b hold, %v", interval, seed, w.holders(), w.oracle.violations)
			}
		}
	}
}
