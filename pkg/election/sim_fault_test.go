// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"math/bits"
	"slices"
	"time"
)

// fault is something bad that happens to host i, or between i and j, at a time and for a time.
type fault struct {
	kind    string
	at, dur time.Duration
	i, j    int
	rate    int  // of forged advertisements, a second
	mask    uint // of the hosts on side 1 of a partition, or of those that a fault meets
}

// kinds are the faults, begun (on) and ended (off).
var kinds = map[string]func(w *world, f fault, on bool){
	"kill": func(w *world, f fault, on bool) { // of everything; the kubelet starts it again
		if h := w.hosts[f.i]; on {
			h.kill()
		} else {
			h.start()
		}
	},
	"freeze": func(w *world, f fault, on bool) {
		h := w.hosts[f.i]
		h.frozen = on && h.running
		h.wake()
	},
	"pause": func(w *world, f fault, on bool) { w.hosts[f.i].setPaused(on) },
	"power": func(w *world, f fault, on bool) {
		h := w.hosts[f.i]
		if h.powered = !on; on {
			h.kill()
			h.remove()
		} else {
			w.after(w.random(time.Second, 4*time.Second), h.start)
		}
	},
	"link": func(w *world, f fault, on bool) { // with loss of the carrier
		h := w.hosts[f.i]
		h.port, h.carrier, h.offline = !on, !on, on
		w.examine()
		h.event(LinkChanged{Up: !on})
	},
	"blackhole": func(w *world, f fault, on bool) { w.hosts[f.i].port = !on && w.hosts[f.i].carrier },
	"oneway":    func(w *world, f fault, on bool) { w.filter[f.i][f.j] = on && f.i != f.j },
	"filter": func(w *world, _ fault, on bool) {
		for a := range w.hosts {
			for b := range w.hosts {
				w.filter[a][b] = on && a != b
			}
		}
	},
	"partition": func(w *world, f fault, on bool) {
		for i := range w.hosts {
			if w.side[i] = 0; on {
				w.side[i] = int(f.mask >> i & 1)
			}
			// The smaller side is cut off from the API, too, unless that has another network.
			w.hosts[i].offline = on && f.j != 0 && uint(w.side[i]) == w.minority(f.mask)
		}
		w.examine()
	},
	"unhealthy": func(w *world, f fault, on bool) { w.setIll(w.hosts[f.i], on) },
	"allUnhealthy": func(w *world, _ fault, on bool) {
		for _, h := range w.hosts {
			w.setIll(h, on)
		}
	},
	"stop": func(w *world, f fault, on bool) { // and start it again
		if h := w.hosts[f.i]; on && h.running {
			h.restart = f.dur
			h.event(Shutdown{})
		}
	},
	"loss": func(w *world, _ fault, on bool) {
		if w.loss = 0; on {
			w.loss = 0.25
		}
	},
	"foreign": func(w *world, _ fault, on bool) {
		w.foreign, w.intruded = on, w.now
		w.intrude()
	},
	"delete": func(w *world, f fault, on bool) {
		if h := w.hosts[f.i]; on && h.held {
			h.remove()
			h.event(AddressLost{})
		}
	},
}

func (w *world) setIll(h *host, ill bool) {
	h.ill = ill
	w.examine()
}

// minority is the side of a partition with fewer hosts.
func (w *world) minority(mask uint) uint {
	if 2*bits.OnesCount(mask) <= len(w.hosts) {
		return 1
	}
	return 0
}

// inject lets faults happen.
func (w *world) inject(faults ...fault) {
	for _, f := range faults {
		w.after(f.at-w.now, func() {
			w.disturb("%s begins", f)
			f.do(w, true)
		})
		if f.dur > 0 {
			w.after(f.at+f.dur-w.now, func() {
				w.disturb("%s ends", f)
				f.do(w, false)
			})
		}
	}
}

// everywhere are the kinds that meet no host in particular.
var everywhere = []string{"filter", "allUnhealthy", "loss", "foreign", "etcd", "leader", "hungAll", "slowAll", "leaseDeleted", "rollback", "denyAll", "suppress", "proxy",
	"shatter", "loss40", "portBlockedAll", "liarStrange", "liarRight", "liarOwn", "epochMax", "epochLeap"}

func (f fault) String() string {
	switch {
	case forgedKinds[f.kind] != nil:
		return fmt.Sprintf("%s from %d to %d, %d/s", f.kind, f.j, f.i, f.rate)
	case slices.Contains(everywhere, f.kind):
		return f.kind
	case f.kind == "partition":
		return fmt.Sprintf("partition %b", f.mask)
	case f.kind == "cutPair", f.kind == "cutOneway", f.kind == "deafPair", f.kind == "deafOneway":
		return f.kind + " " + name(f.i) + " " + name(f.j)
	case f.kind == "oneway":
		return fmt.Sprintf("filter from %s to %s", name(f.i), name(f.j))
	}
	return f.kind + " " + name(f.i)
}

func (f fault) do(w *world, on bool) {
	for _, of := range []map[string]func(*world, fault, bool){kinds, channelKinds, reachKinds, apiKinds} {
		if do := of[f.kind]; do != nil {
			do(w, f, on)
			return
		}
	}
	if on {
		w.meddle(f)
	}
}

// randomFaults draws overlapping faults between 15 and 60 s.
func (w *world) randomFaults(from []string) (faults []fault) {
	for range 2 + w.rng.IntN(9) {
		f := fault{
			kind: from[w.rng.IntN(len(from))], at: w.random(15*time.Second, time.Minute),
			dur: w.random(500*time.Millisecond, 20*time.Second),
			i:   w.rng.IntN(len(w.hosts)), j: w.rng.IntN(len(w.hosts)), mask: uint(w.rng.IntN(1 << len(w.hosts))),
		}
		if forgedKinds[f.kind] != nil {
			w.drawForged(&f)
		}
		if f.kind == "leader" {
			f.dur = w.random(200*time.Millisecond, 1500*time.Millisecond)
		}
		if channelKinds[f.kind] != nil || reachKinds[f.kind] != nil {
			f.dur *= 2 // rules stay
		}
		faults = append(faults, f)
	}
	slices.SortFunc(faults, func(a, b fault) int { return int(a.at - b.at) })
	return faults
}

// allKinds are the faults that need no API.
func allKinds() (names []string) {
	for k := range kinds {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}

// holders are the live hosts that hold the address, as a mask.
func (w *world) holders() (mask uint) {
	for i, h := range w.hosts {
		if h.shows() && h.live() {
			mask |= 1 << i
		}
	}
	return mask
}

// one is the only holder.
func (w *world) one() int {
	if m := w.holders(); bits.OnesCount(m) == 1 {
		return bits.TrailingZeros(m)
	}
	return nobody
}
