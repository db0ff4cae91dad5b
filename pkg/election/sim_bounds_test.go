// SPDX-License-Identifier: Apache-2.0

package election

import (
	"cmp"
	"time"
)

// bounds of the invariants, for advertisements of 1 s and a lifetime of 2 s. Where VRRP alone has another bound than the
// Lease, a comment says why. Those with other advertisements are of type bounds.
const (
	lanDelay     = 50 * time.Millisecond                 // d: one way, with the scheduling of a live process
	boundLive    = time.Second + lanDelay                // S1: until the next advertisement is heard
	boundBlind   = AnnounceEvery + 1500*time.Millisecond // S2: until an announcement is heard
	boundLossy   = boundBlind + AnnounceEvery            // S2 on a LAN that loses frames: one announcement more
	boundDead    = 2*time.Second + KernelSlack           // S3: until the kernel has dropped what nobody refreshes
	boundLeaving = 100 * time.Millisecond                // the planned stop, in which both serve
	boundProbes  = 2 * LongestProbe                      // S2: two probes that overlap
	boundDark    = 5500 * time.Millisecond               // L1: the timer of the lowest priority, a retry and two probes; the Lease adds its calls
	boundCache   = AnnounceEvery + lanDelay              // the client's neighbour cache, after quiescence
	boundMuddy   = 10 * time.Second                      // S3: how long the LAN must have been sound for a zombie to be known
	boundStable  = 25 * time.Second                      // S9: no move later than this after the last fault
	boundAnswer  = 50 * time.Millisecond                 // an API that is well answers so fast
	boundNoticed = 500 * time.Millisecond                // until the process knows of the health of its backends
	boundAsked   = 2 * AnswerTimeout                     // L1, L2: what the Lease adds where the API hangs
	boundSeized  = 16 * time.Second                      // L3: the timer, 8 s of grace, 2 s for the old holder to see it, and the questions
)

// bounds are those that follow the advertisements.
type bounds struct {
	live    time.Duration // S1: until the next advertisement is heard
	lost    time.Duration // S1 where the Lease was deleted or rolled back a moment ago: a read and a write of each of the two settle it
	unread  time.Duration // S1 of a confirmed holder whose read of the Lease has no answer (F25)
	healed  time.Duration // S1 of one that leaves, and meets a holder whom it could not hear before
	stopped time.Duration // both leave, and neither could hear the other while one was Active
	dead    time.Duration // S3: until the kernel has dropped what nobody refreshes, or the fences of all hosts are closed
	dark    time.Duration // L1
	healthy time.Duration // L2
}

// boundsOf returns the bounds of a world. Where its hosts have advertisements of their own they are those of the slowest.
func boundsOf(p params) bounds {
	a := cmp.Or(p.interval, time.Second)
	b := bounds{live: a + lanDelay, lost: max(a, 4*boundAnswer) + lanDelay, unread: a + max(a*9/10, AnswerTimeout) + lanDelay, healed: a + lanDelay + linger, stopped: 4*a + leaveSlack, dead: Lifetime(a) + KernelSlack}
	down := 4 * a // of the lowest priority
	if p.interval > 0 {
		if p.fenced() {
			b.dead = FenceTimeout(a, true) + lanDelay
		}
		down = max(down, b.dead)
		if p.hybrid {
			down = max(down, 2*time.Second+retryRefused) // a Lease that must be stale
		}
	}
	b.dark = min(boundDark, down+2*reprobeForeign+2*LongestProbe+400*time.Millisecond) // a foreign host may have gone
	sound := boundNoticed + distressEnds + DistressPatience + a + lanDelay             // of a Backup that was in distress with the holder
	b.healthy = max(b.dark+1500*time.Millisecond, sound)
	return b
}

// fenced reports whether every host has a fence.
func (p params) fenced() bool {
	for i := range p.hosts {
		if p.fence == nil || !p.fence(i) {
			return false
		}
	}
	return true
}
