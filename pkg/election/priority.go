// SPDX-License-Identifier: Apache-2.0

package election

import "time"

// Three classes of priority are on the wire: 1 to 10 in distress, the configured one, and 240 to 254 for the holder of the
// Lease. The epoch of the Lease counts round in it: a claim is newer than those up to seven before it (row 24).
const (
	lowestClaim = 240
	claims      = 15
	newerClaims = 7
)

// claimPriority returns the priority that the holder of an epoch advertises.
func claimPriority(epoch int) uint8 { return lowestClaim + uint8(epoch%claims) }

func inClaim(priority uint8) bool { return priority >= lowestClaim && priority < lowestClaim+claims }

// newer reports whether the claim of one priority comes after that of another.
func newer(a, b uint8) bool {
	d := (int(a) - int(b) + claims) % claims
	return d >= 1 && d <= newerClaims
}

// priority returns what this node advertises and what its timers count with.
func (e *Election) priority() uint8 {
	if e.health.distress {
		// The order of the configured priorities stays within the class.
		return min(e.cfg.Priority, 1+uint8(int(e.cfg.Priority)*(highestDistress-1)/255))
	}
	if e.arbiter.claim.epoch > 0 {
		return claimPriority(e.arbiter.claim.epoch)
	}
	return e.cfg.Priority
}

func inDistress(priority uint8) bool {
	return priority >= lowestPriority && priority <= highestDistress
}

// health is whether the balancer has a healthy backend, with hysteresis: a node is in distress after a while without
// one, and out of it after a longer while with one. The first healthy backend after the start counts at once.
type health struct {
	healthy   bool
	ever      bool
	since     time.Time
	lacking   bool      // without a healthy backend
	lacks     time.Time // since when, or since when not
	shunned   time.Time // until when this node counts as one that clients do not reach; zero: it does not
	explained bool      // a rehearsal has shown why
	reported  time.Time // when that was last said
	distress  bool
	sound     time.Time // since when there is no distress
}

// changed notes what the balancer reports.
func (h *health) changed(now time.Time, healthy bool) {
	if h.since.IsZero() || h.healthy != healthy {
		h.healthy, h.since = healthy, now
	}
	if healthy && !h.ever {
		h.ever, h.lacking = true, false
		h.judge(now)
	}
}

// lasts reports whether the distress is to cost this node its Lease: it lasts almost as long as the Backups are patient with it. A
// short outage of the API, in which no question fell, moves nothing.
func (h *health) lasts(now time.Time, renewal time.Duration) bool {
	return h.distress && (!h.shunned.IsZero() || now.Sub(h.lacks) >= DistressPatience-renewal)
}

// shun puts a node in distress that clients do not reach (row 40); reached ends that.
func (h *health) shun(now time.Time)    { h.shunned = now.Add(shunFor) }
func (h *health) reached(now time.Time) { h.shunned = when(!h.shunned.IsZero(), now) }

// rehearsed notes what a rehearsal found. That this node would be reached ends the distress only if a rehearsal has shown before
// why it was not: it does not see every fault, and a node that is found unreachable as a holder again and again must not flap.
func (h *health) rehearsed(now time.Time, reached bool) {
	switch {
	case !reached:
		h.shun(now)
		h.explained = true
	case h.explained:
		h.reached(now)
	}
}

// judge puts the two reasons of distress together.
func (h *health) judge(now time.Time) {
	if due(now, h.shunned) {
		h.shunned = time.Time{}
	}
	if distress := h.lacking || !h.shunned.IsZero(); distress != h.distress {
		h.distress, h.sound = distress, now
	}
}

// due returns when the distress begins or ends, zero where it does neither.
func (h *health) due() time.Time {
	if !h.shunned.IsZero() && !h.distress {
		return h.since // at once
	}
	return first(h.turns(), h.shunned)
}

// turns returns when the state of the backends has lasted long enough to count, zero where it counts already.
func (h *health) turns() time.Time {
	switch {
	case h.since.IsZero() || h.healthy != h.lacking:
		return time.Time{}
	case h.healthy:
		return h.since.Add(distressEnds)
	}
	return h.since.Add(DistressAfter)
}

// tick begins or ends the distress where that is due.
func (h *health) tick(now time.Time) {
	if due(now, h.turns()) {
		h.lacking, h.lacks = !h.healthy, now
	}
	h.judge(now)
}
