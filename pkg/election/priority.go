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
	healthy  bool
	ever     bool
	since    time.Time
	distress bool
	sound    time.Time // since when there is no distress
}

// changed notes what the balancer reports.
func (h *health) changed(now time.Time, healthy bool) {
	if h.since.IsZero() || h.healthy != healthy {
		h.healthy, h.since = healthy, now
	}
	if healthy && !h.ever {
		h.ever, h.distress, h.sound = true, false, now
	}
}

// due returns when the distress begins or ends, zero where it does neither.
func (h *health) due() time.Time {
	switch {
	case h.since.IsZero() || h.healthy != h.distress:
		return time.Time{}
	case h.healthy:
		return h.since.Add(distressEnds)
	}
	return h.since.Add(DistressAfter)
}

// tick begins or ends the distress where that is due.
func (h *health) tick(now time.Time) {
	if due := h.due(); !due.IsZero() && !now.Before(due) {
		h.distress, h.sound = !h.healthy, now
	}
}
