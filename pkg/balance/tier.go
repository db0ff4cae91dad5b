// SPDX-License-Identifier: Apache-2.0

package balance

// A tier is a set of backends of which none goes before another one. Backends are named by their index in Config.Backends.
type tier struct {
	backends []int
	turns    []uint8 // of RoundRobin, each by the place in backends: each backend has as many as its weight, and they come round
}

// share is the part of the connections that a backend is due, beside the shares of the others of its tier.
func (b Backend) share() float64 { return float64(max(b.Weight, 1)) }

// takeTurns gives each backend its turns, those of one as far apart as they can be: the turn is that of the backend which is due the
// most, and has the others to wait for afterwards (smooth weighted round robin, as nginx does it).
func (t *tier) takeTurns(candidates []Candidate) {
	weights, all := make([]int, len(t.backends)), 0
	for place, i := range t.backends {
		weights[place] = max(candidates[i].Weight, 1)
	}
	for common, place := divisor(weights), 0; place < len(weights); place++ {
		weights[place] /= common
		all += weights[place]
	}
	due := make([]int, len(weights))
	for range all {
		next := 0
		for place := range due {
			if due[place] += weights[place]; due[place] > due[next] {
				next = place
			}
		}
		due[next] -= all
		t.turns = append(t.turns, uint8(next))
	}
}

// turn returns the backend that has a turn, or one of those after it. The turn may be the last number there is.
func (t *tier) turn(turn uint64, later int) int {
	round := uint64(len(t.turns))
	return t.backends[t.turns[(turn%round+uint64(later))%round]]
}

// divisor returns the greatest common divisor of some numbers above zero.
func divisor(all []int) int {
	common := 0
	for _, n := range all {
		for n > 0 {
			common, n = n, common%n
		}
	}
	return common
}
