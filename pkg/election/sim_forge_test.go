// SPDX-License-Identifier: Apache-2.0

package election

import (
	"maps"
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// A host beside the client that forges advertisements, and a hand that writes epochs into the Lease which nobody has counted
// up to.

// forgery is an advertisement of a host that is no node, whatever its source is.
type forgery struct{ Received }

// forgedKinds are the forged advertisements, by their priorities.
var forgedKinds = map[string]func(w *world, n int, f fault) uint8{
	"forgeOwner":   func(*world, int, fault) uint8 { return vrrp.PriorityOwner },
	"forgeClaims":  func(_ *world, n int, _ fault) uint8 { return lowestClaim + uint8(n%claims) },
	"forgeNext":    func(w *world, _ int, _ fault) uint8 { return claimPriority(w.store.lease.Epoch + 1) }, // it has listened
	"forgeChosen":  func(_ *world, _ int, f fault) uint8 { return uint8(1 + f.mask%(lowestClaim-1)) },
	"forgeRelease": func(*world, int, fault) uint8 { return vrrp.PriorityRelease },
}

// leapKinds are the epochs that somebody writes into the Lease.
var leapKinds = map[string]func(w *world) int{
	"epochMax":  func(*world) int { return math.MaxInt32 },
	"epochLeap": func(w *world) int { return w.store.lease.Epoch + 1<<20 },
}

// meddle is a fault of this file.
func (w *world) meddle(f fault) {
	if forgedKinds[f.kind] != nil {
		w.forge(f)
		return
	}
	w.leap(leapKinds[f.kind](w))
}

// forge sends forged advertisements of one kind: to host i alone, or to all where the fault names none, from the address of host
// j, or from addresses that no host has.
func (w *world) forge(f fault) {
	end, every := w.now+f.dur, time.Second/time.Duration(f.rate)
	w.forging++
	var send func(n int)
	send = func(n int) {
		if w.now >= end {
			w.forging--
			return
		}
		adv := vrrp.Advertisement{Priority: forgedKinds[f.kind](w, n, f)}
		for _, to := range w.hosts {
			if source := w.forger(f, n); (f.i == nobody || f.i == to.id) && w.reachable(to.id) && source != to.addr && !w.lost() {
				adv.Version, adv.Interval = to.cfg.Version, to.cfg.AdvertisementInterval
				w.after(time.Millisecond, func() { to.packet(forgery{Received{Source: source, Advertisement: adv}}) })
			}
		}
		w.after(every, func() { send(n + 1) })
	}
	send(0)
}

// forger is the source of a forged advertisement: a host, one unknown address, or another one each time.
func (w *world) forger(f fault, n int) netip.Addr {
	switch {
	case f.j < len(w.hosts):
		return address(f.j)
	case f.j == len(w.hosts):
		return netip.AddrFrom4([4]byte{192, 0, 2, 200})
	}
	return netip.AddrFrom4([4]byte{192, 0, 2, byte(201 + n%50)})
}

// leap writes an epoch into the Lease that nobody has counted up to. What the holder claims after it may be lower.
func (w *world) leap(epoch int) {
	s := &w.store
	if l := s.lease; l.Version != "" {
		l.Epoch = min(epoch, math.MaxInt32)
		s.leapt = l.Epoch
		w.forget()
		w.put(l)
	}
}

// drawForged draws what forged advertisements are like.
func (w *world) drawForged(f *fault) {
	f.mask = uint(w.asks.Uint32())
	f.rate = []int{1, 1, 10, 10, 10, 50}[w.asks.IntN(6)]
	f.j = w.asks.IntN(len(w.hosts) + 2)
	if w.asks.IntN(3) > 0 {
		f.i = nobody
	}
}

// Whatever is cut, lies or is blocked, the invariants hold, and the address comes to rest.
func TestSimulationReach(t *testing.T) { simulate(t, 30, reachNames(), runReach) }

// Whatever somebody beside the client forges, and whatever the hosts report of the holder.
func TestSimulationForged(t *testing.T) { simulate(t, 30, forgedNames(), runReach) }

// runReach runs a world of random faults with a Lease, with or without a gateway, and with or without a peer that can try a port.
func runReach(seed uint64, from []string, spoil func(*world), trace func(string)) *world {
	w := randomWorld(seed, true, spoil)
	w.desert, w.alone = seed/7%3 == 0 && len(w.hosts[0].cfg.Peers) > 0, seed/5%2 == 0 // who knows nobody at all cannot know that it is cut off
	return runWorld(sharing(w), from, trace)
}

// reachNames are the faults of reach, beside those without which none of them is a danger.
func reachNames() []string {
	others := []string{"kill", "freeze", "pause", "power", "link", "blackhole", "partition", "stop", "filter", "oneway", "unhealthy", "loss", "etcd", "hung", "slowAll"}
	return slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(reachKinds)), others...)))
}

// forgedNames are the forged advertisements that the Lease outvotes, and the faults in which they are a danger.
func forgedNames() []string {
	others := []string{"kill", "freeze", "power", "blackhole", "stop", "filter", "unhealthy", "etcd", "hung", "leaseDeleted", "liarWitness", "portBlocked"}
	forged := slices.DeleteFunc(slices.Collect(maps.Keys(forgedKinds)), func(k string) bool { return k == "forgeRelease" })
	return slices.Sorted(slices.Values(slices.Concat(forged, slices.Collect(maps.Keys(leapKinds)), others)))
}
