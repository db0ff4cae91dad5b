// SPDX-License-Identifier: Apache-2.0

package election

import "time"

// Three classes of priority are on the wire: 1 to 10 in distress, the configured one, and 240 to 254 for the holder of a
// Lease, which is not made yet.

// priority is what this node advertises, and what its timers count with.
func (e *Election) priority() uint8 {
	if e.health.distress && e.rules.distress {
		// The order of the configured priorities stays within the class.
		return min(e.cfg.Priority, 1+uint8(int(e.cfg.Priority)*(highestDistress-1)/255))
	}
	return e.cfg.Priority
}

func inDistress(priority uint8) bool {
	return priority >= lowestPriority && priority <= highestDistress
}

// health is whether the balancer has a healthy backend, with hysteresis: a node is in distress after a while without, and
// no more after a longer while with one. The first healthy backend after the start counts at once.
type health struct {
	healthy  bool
	ever     bool
	since    time.Time
	distress bool
}

func (h *health) changed(now time.Time, healthy bool) {
	if h.since.IsZero() || h.healthy != healthy {
		h.healthy, h.since = healthy, now
	}
	if healthy && !h.ever {
		h.ever, h.distress = true, false
	}
}

// due is when the distress begins or ends, zero where it does neither.
func (h *health) due() time.Time {
	switch {
	case h.since.IsZero() || h.healthy != h.distress:
		return time.Time{}
	case h.healthy:
		return h.since.Add(distressEnds)
	}
	return h.since.Add(distressAfter)
}

func (h *health) tick(now time.Time) {
	if due := h.due(); !due.IsZero() && !now.Before(due) {
		h.distress = !h.healthy
	}
}

// rules are the rules beyond VRRP. All are on; the simulation takes one out at a time to show what it is for.
type rules struct {
	probe           bool // a takeover by silence asks the virtual address first
	fence           bool // a holder that ran late steps down
	distress        bool // a node without a healthy backend gives way
	claims          bool // another's claim by ARP or neighbour discovery is answered
	makeBeforeBreak bool // a planned stop serves until its successor is heard
}

func allRules() rules {
	return rules{probe: true, fence: true, distress: true, claims: true, makeBeforeBreak: true}
}
