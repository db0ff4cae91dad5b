// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/harbinger-ha/harbinger/pkg/balance"
)

// rebalanced plays a Rebalancing in virtual time: each session that it ends is opened again at once, if its client comes back. It returns
// how many connections each backend has in the end, and how many have ended in each step.
func rebalanced(t interface{ Fatalf(string, ...any) }, cfg balance.Config, before []int, perSecond int, back bool) (count, ended []int) {
	var r balance.Rebalancing
	pool, at := balance.New(cfg), now
	count = slices.Clone(before)
	active := func(i int) int { return count[i] }
	turn := uint64(0)
	r.Came(at.Add(cfg.SlowStart))
	for r.Deadline(); !r.Deadline().IsZero(); {
		if at = r.Deadline(); at.Sub(now) > 24*time.Hour {
			t.Fatalf("it does not end: %v of %v", count, before)
		}
		i, n := r.Step(at, pool, active, perSecond)
		if n == 0 {
			continue
		}
		if n > perSecond || n > count[i] {
			t.Fatalf("%d sessions of %d are to end in a second", n, count[i])
		}
		ended = append(ended, n)
		count[i] -= n
		for range n {
			if turn++; back {
				k, ok := pool.Pick(balance.Request{Now: at, Client: client(int(turn)), Turn: turn, Active: active})
				if !ok {
					t.Fatalf("no backend for a client that comes back")
				}
				count[k]++
			}
		}
		r.Ended(at, n)
	}
	return count, ended
}

func TestSessionsMoveToWhatHasComeBack(t *testing.T) {
	backup := weighted(1, 1, 1)
	backup[2].Backup = true
	drained := weighted(1, 1, 1)
	drained[0].Admin = balance.Drain
	local := weighted(1, 1)
	local[0].Preferred = true
	down := weighted(1, 1, 1)
	down[0].Healthy, down[0].NotReady = false, true
	for name, tt := range map[string]struct {
		backends     []balance.Candidate
		limit        int
		before, want []int
	}{
		"two of three had all":          {weighted(1, 1, 1), 0, []int{90, 90, 0}, []int{63, 63, 54}},
		"they are even":                 {weighted(1, 1, 1), 0, []int{60, 62, 58}, []int{60, 62, 58}},
		"within one":                    {weighted(1, 1), 0, []int{2, 0}, []int{2, 0}},
		"a few":                         {weighted(1, 1), 0, []int{4, 0}, []int{2, 2}},
		"none at all":                   {weighted(1, 1), 0, []int{0, 0}, []int{0, 0}},
		"by weight":                     {weighted(3, 1), 0, []int{0, 80}, []int{60, 20}},
		"a weight of none keeps its":    {weighted(0, 1, 1), 0, []int{50, 40, 0}, []int{50, 22, 18}},
		"a backup gives all back":       {backup, 0, []int{0, 0, 12}, []int{6, 6, 0}},
		"what is drained goes on":       {drained, 0, []int{70, 40, 0}, []int{70, 22, 18}},
		"the local one gets all":        {local, 0, []int{0, 30}, []int{30, 0}},
		"what is not ready keeps its":   {down, 0, []int{70, 40, 0}, []int{70, 22, 18}},
		"there is room for a few":       {weighted(1, 1), 10, []int{40, 0}, []int{30, 10}},
		"there is room for none":        {weighted(1, 1), 10, []int{40, 10}, []int{40, 10}},
		"only one is there":             {weighted(1), 0, []int{40}, []int{40}},
		"no backend is there any more":  {nil, 0, nil, nil},
		"the last one is not healthy":   {down[:1], 0, []int{9}, []int{9}},
		"a thousand, to within a tenth": {weighted(1, 1), 0, []int{1000, 500}, []int{823, 677}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := balance.Config{Policy: balance.LeastConnections, Backends: tt.backends, ConnectionLimit: tt.limit}
			got, ended := rebalanced(t, cfg, tt.before, 3, true)
			if !slices.Equal(got, tt.want) {
				t.Errorf("%v became %v by %v, want %v", tt.before, got, ended, tt.want)
			}
		})
	}
}

// The look begins after the slow start, comes every second while sessions end, and later where none was idle; the next return begins anew.
func TestPaceOfARebalancing(t *testing.T) {
	var r balance.Rebalancing
	pool, count := balance.New(balance.Config{Backends: weighted(1, 1)}), []int{20, 0}
	active := func(i int) int { return count[i] }
	step := func(at time.Duration) int {
		_, n := r.Step(now.Add(at), pool, active, 4)
		return n
	}
	if step(time.Hour) != 0 || !r.Deadline().IsZero() {
		t.Error("it begins before anything has come back")
	}
	r.Came(now.Add(10 * time.Second))
	if step(9*time.Second) != 0 || step(10*time.Second) != 4 {
		t.Error("it does not begin when it is to")
	}
	r.Ended(now.Add(10*time.Second), 4)
	if step(10900*time.Millisecond) != 0 || step(11*time.Second) != 4 {
		t.Error("the next step is not a second later")
	}
	if r.Ended(now.Add(11*time.Second), 0); !r.Deadline().Equal(now.Add(11*time.Second + balance.IdleAfter)) {
		t.Errorf("where none was idle the next look is at %v", r.Deadline())
	}
	if r.Over() != 0 {
		t.Error("it is over before it is")
	}
	count = []int{10, 10}
	if step(time.Minute) != 0 || !r.Deadline().IsZero() || r.Over() != 4 || r.Over() != 0 {
		t.Error("it is not over once")
	}
	if r.Came(now.Add(2 * time.Minute)); r.Deadline().IsZero() {
		t.Error("the next return begins nothing")
	}
	if _, n := r.Step(now.Add(time.Hour), pool, func(i int) int { return 10 * i }, 0); n != 0 || !r.Deadline().IsZero() {
		t.Error("sessions end although none is to")
	}
}

// Whatever there is at the begin, it ends, no more sessions end than there were, and where clients come back the shares are even.
func TestRebalancingEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := rapid.SliceOfN(rapid.IntRange(0, 300), 1, 6).Draw(t, "before")
		weights := rapid.SliceOfN(rapid.IntRange(1, 4), len(before), len(before)).Draw(t, "weights")
		cfg := balance.Config{Policy: rapid.SampledFrom([]balance.Policy{balance.RoundRobin, balance.LeastConnections}).Draw(t, "policy"), Backends: weighted(weights...)}
		back := rapid.Bool().Draw(t, "back")
		after, ended := rebalanced(t, cfg, before, rapid.IntRange(1, 20).Draw(t, "perSecond"), back)
		all, sum, weight := 0, 0, 0
		for i, n := range before {
			all, weight = all+n, weight+weights[i]
		}
		for _, n := range ended {
			sum += n
		}
		if sum > all {
			t.Fatalf("%d of %d sessions have ended", sum, all)
		}
		if !back || cfg.Policy == balance.RoundRobin && sum == all {
			return
		}
		for i, n := range after {
			due := float64(all*weights[i]) / float64(weight)
			if cfg.Policy == balance.LeastConnections { // its cost counts the next connection
				due = max(0, float64((all+len(before))*weights[i])/float64(weight)-1)
			}
			if beyond := float64(n) - due; max(beyond, -beyond) > max(1, float64(weights[i])/float64(slices.Min(weights)), due/10)+1e-9 {
				t.Fatalf("%v became %v with weights %v: backend %d is due %.1f", before, after, weights, i, due)
			}
		}
	})
}
