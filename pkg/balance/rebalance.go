// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"math"
	"slices"
	"time"
)

// Rebalance says how sessions move to a backend that has come back.
type Rebalance struct {
	PerSecond int `json:"perSecond"` // idle sessions of the others that end in a second, at most; 0: none
}

const (
	// IdleAfter is for how long a session has carried nothing that may end to be opened again elsewhere.
	IdleAfter = 5 * time.Second
	// rebalanceEvery is how often sessions end.
	rebalanceEvery = time.Second
	// evenWithin is the part of its share by which a backend may differ from it.
	evenWithin = 10
)

// A Rebalancing decides how many sessions end, so that their clients connect again, to a backend that has come back too. The zero value
// waits for one. It ends when the shares are even, and when as many sessions have ended as there were at its begin: then something
// else keeps them uneven.
type Rebalancing struct {
	due   time.Time // of the next look; zero: never
	begun bool
	left  int // sessions that may end still
	ended int
}

// Came says that a backend has come back, and from when on it takes its full share of new connections.
func (r *Rebalancing) Came(from time.Time) {
	if from.After(r.due) {
		r.due = from
	}
	r.begun = false
}

// Deadline returns when Step has something to do; zero means never.
func (r *Rebalancing) Deadline() time.Time { return r.due }

// Step returns of which backend of a pool how many sessions are to end, the oldest idle ones, which Ended answers; none is no backend.
// Active says how many connections a backend has.
func (r *Rebalancing) Step(now time.Time, p *Pool, active func(i int) int, perSecond int) (from, count int) {
	if r.due.IsZero() || now.Before(r.due) {
		return 0, 0
	}
	from, excess, all := p.excess(active)
	if !r.begun {
		r.begun, r.left = true, all
	}
	if count = min(perSecond, excess, r.left); count <= 0 {
		r.due = time.Time{}
		return 0, 0
	}
	r.due = now.Add(rebalanceEvery)
	return from, count
}

// Ended says how many sessions have ended by the last Step. Where none was idle, the next look is when one may be.
func (r *Rebalancing) Ended(now time.Time, count int) {
	r.left, r.ended = r.left-count, r.ended+count
	if count == 0 {
		r.due = now.Add(IdleAfter)
	}
}

// Over returns once, when it is over, how many sessions have ended.
func (r *Rebalancing) Over() (ended int) {
	if r.due.IsZero() {
		ended, r.ended = r.ended, 0
	}
	return ended
}

// excess returns the healthy backend with the most connections beyond its share, how many of them others would take, and how many
// connections there are. It is 0 where every backend has its share, within a tenth, or one connection of a backend of
// the least weight. The share of a backend that gets new
// connections goes by its weight; a backup, or one that is not preferred, has none while others serve. A weight of 0 keeps what it has.
func (p *Pool) excess(active func(i int) int) (most, count, all int) {
	if len(p.tiers) == 0 || p.cfg.Backends[p.tiers[0].backends[0]].rank() != healthy {
		return 0, 0, 0
	}
	takers, weights, least := p.tiers[0].backends, 0.0, math.Inf(1)
	counts := func(i int, b Candidate) bool {
		return b.rank() == healthy && (b.Weight > 0 || slices.Contains(takers, i))
	}
	for i, b := range p.cfg.Backends {
		if counts(i, b) {
			all += active(i)
		}
		if slices.Contains(takers, i) {
			weights, least = weights+b.share(), min(least, b.share())
		}
	}
	var highest, room float64
	uneven := false
	for i, b := range p.cfg.Backends {
		if !counts(i, b) {
			continue
		}
		due, takes := 0.0, slices.Contains(takers, i)
		switch {
		case takes && p.cfg.Policy == LeastConnections: // so that the next connection costs the same everywhere
			due = max(0, float64(all+len(takers))*b.share()/weights-1)
		case takes:
			due = float64(all) * b.share() / weights
		}
		beyond := float64(active(i)) - due
		free := math.Inf(1)
		if p.cfg.ConnectionLimit > 0 {
			free = float64(max(0, p.cfg.ConnectionLimit-active(i)))
		}
		uneven = uneven || free > 0 && math.Abs(beyond) > max(1, b.share()/least, due/evenWithin)
		if beyond > highest {
			most, highest = i, beyond
		}
		if takes {
			room += max(0, min(-beyond, free))
		}
	}
	if !uneven {
		return most, 0, all
	}
	return most, int(math.Ceil(min(highest, room))), all
}
