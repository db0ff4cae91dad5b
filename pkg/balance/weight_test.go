// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/harbinger-ha/harbinger/pkg/balance"
)

// weighted returns healthy backends of some weights.
func weighted(weights ...int) []balance.Candidate {
	backends := healthy(len(weights))
	for i, w := range weights {
		backends[i].Weight = w
	}
	return backends
}

func TestWeightsAreShares(t *testing.T) {
	for _, policy := range policies {
		for _, weights := range [][]int{{1, 1, 1}, {1, 2, 3}, {256, 128, 1}, {5, 5}, {7}} {
			const n = 7700
			count, all := spread(balance.Config{Policy: policy, Backends: weighted(weights...)}, n), 0
			for _, w := range weights {
				all += w
			}
			for i, w := range weights {
				if want := float64(n*w) / float64(all); math.Abs(float64(count[i])-want) > 150 {
					t.Errorf("%s by weights %v: %v, of which %d should get %.0f", policy, weights, count, i, want)
				}
			}
		}
	}
}

// Turns of one backend do not come in a row where those of others can lie between.
func TestWeightedTurnsAreSmooth(t *testing.T) {
	for _, tt := range []struct{ weights, want []int }{
		{[]int{5, 1, 1}, []int{0, 0, 1, 0, 2, 0, 0}},
		{[]int{100, 200}, []int{1, 0, 1}},
		{[]int{3, 3}, []int{0, 1}},
	} {
		p := balance.New(balance.Config{Policy: balance.RoundRobin, Backends: weighted(tt.weights...)})
		for turn := range 3 * uint64(len(tt.want)) {
			want := tt.want[turn%uint64(len(tt.want))]
			if i, ok := p.Pick(balance.Request{Now: now, Turn: turn, Active: none}); !ok || i != want {
				t.Errorf("weights %v: turn %d went to %d, want %d", tt.weights, turn, i, want)
			}
		}
	}
}

// Whatever the weights: after a whole round each backend has had as many turns as its weight says.
func TestEachRoundIsFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights, all := rapid.SliceOfN(rapid.IntRange(1, 40), 1, balance.MaxBackends).Draw(t, "weights"), 0
		for _, w := range weights {
			all += w
		}
		if count := spread(balance.Config{Policy: balance.RoundRobin, Backends: weighted(weights...)}, all); !slices.Equal(count, weights) {
			t.Fatalf("weights %v got %v", weights, count)
		}
	})
}

// More weight for one backend moves clients to it, and no client from one of the others to another.
func TestWeightMovesNobodyElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(1, balance.MaxWeight-1), 2, 6).Draw(t, "weights")
		before := balance.New(balance.Config{Policy: balance.SourceHash, Backends: weighted(weights...)})
		heavier := rapid.IntRange(0, len(weights)-1).Draw(t, "heavier")
		weights[heavier] = rapid.IntRange(weights[heavier]+1, balance.MaxWeight).Draw(t, "weight")
		after := balance.New(balance.Config{Policy: balance.SourceHash, Backends: weighted(weights...)})
		for c := range 100 {
			r := balance.Request{Now: now, Client: client(c), Active: none}
			i, _ := before.Pick(r)
			if j, _ := after.Pick(r); j != i && j != heavier {
				t.Fatalf("client %d moved from %d to %d", c, i, j)
			}
		}
	})
}

// A backend without weight takes connections only where no other one does, before those whose health is not known.
func TestWithoutWeight(t *testing.T) {
	for _, policy := range policies {
		backends := weighted(0, 1, 0, 1)
		backends[3].Backup = true
		pick := func() int {
			i, ok := balance.New(balance.Config{Policy: policy, Backends: backends}).Pick(balance.Request{Now: now, Client: client(1), Active: none})
			if !ok {
				return -1
			}
			return i
		}
		backends[2].Backup = true
		for _, want := range []int{1, 3, 0, 2, -1} {
			got := pick()
			if got != want {
				t.Errorf("%s: %d, want %d", policy, got, want)
			}
			if got >= 0 {
				backends[got].Healthy = false
			}
		}
	}
}

// A backend that comes back gets a part of what its weight says.
func TestSlowStartOfAWeight(t *testing.T) {
	for policy, want := range map[balance.Policy]int{balance.RoundRobin: 2000, balance.LeastConnections: 3000} { // of its turns, and of its connections
		backends := weighted(4, 1, 1)
		backends[0].HealthySince = now.Add(-30 * time.Second)
		count := spread(balance.Config{Policy: policy, Backends: backends, SlowStart: time.Minute}, 6000)
		if math.Abs(float64(count[0]-want)) > 100 {
			t.Errorf("%s: half of a weight of 4 beside two of 1 got %v, of which %d should be its own", policy, count, want)
		}
	}
}

// A preferred backend takes all new connections while it is healthy and has room. No preference makes a backup more than that.
func TestPreferred(t *testing.T) {
	for _, policy := range policies {
		backends := weighted(9, 1, 9, 0)
		for _, i := range []int{1, 2, 3} {
			backends[i].Preferred = true
		}
		backends[2].Backup = true
		count := func() []int {
			return spread(balance.Config{Policy: policy, Backends: backends, ConnectionLimit: 10}, 15)
		}
		if got := count(); !slices.Equal(got, []int{5, 10, 0, 0}) {
			t.Errorf("%s: %v, want the preferred one full before the other", policy, got)
		}
		backends[1].Healthy, backends[1].Undecided = false, true
		if got := count(); !slices.Equal(got, []int{10, 0, 5, 0}) {
			t.Errorf("%s: %v, want none of one whose health is in doubt", policy, got)
		}
	}
}
