// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/harbinger-ha/harbinger/pkg/balance"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

var policies = []balance.Policy{balance.RoundRobin, balance.LeastConnections, balance.SourceHash}

// address returns the address of backend i.
func address(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 6443)
}

func client(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})
}

// healthy returns n healthy backends.
func healthy(n int) []balance.Candidate {
	var backends []balance.Candidate
	for i := range n {
		backends = append(backends, balance.Candidate{Backend: balance.Backend{Address: address(i)}, Healthy: true})
	}
	return backends
}

func none(int) int { return 0 }

// spread makes n connections that all stay open and returns how many each backend got.
func spread(cfg balance.Config, n int) []int {
	p := balance.New(cfg)
	count := make([]int, len(cfg.Backends))
	active := func(i int) int { return count[i] }
	for turn := range n {
		i, ok := p.Pick(balance.Request{Now: now, Client: client(turn), Turn: uint64(turn), Active: active})
		if ok {
			count[i]++
		}
	}
	return count
}

func TestPoliciesSpreadEvenly(t *testing.T) {
	for _, policy := range policies {
		t.Run(string(policy), func(t *testing.T) {
			const n, tolerance = 3000, 100
			count := spread(balance.Config{Policy: policy, Backends: healthy(3)}, n)
			for i, got := range count {
				if math.Abs(float64(got-n/3)) > tolerance {
					t.Errorf("backend %d got %d of %v", i, got, count)
				}
			}
		})
	}
}

func TestRoundRobinTakesTurns(t *testing.T) {
	p := balance.New(balance.Config{Policy: balance.RoundRobin, Backends: healthy(3)})
	for turn := range uint64(9) {
		if i, _ := p.Pick(balance.Request{Now: now, Turn: turn, Active: none}); i != int(turn%3) {
			t.Errorf("turn %d went to %d", turn, i)
		}
	}
}

func TestLeastConnectionsTakesTheLeast(t *testing.T) {
	p := balance.New(balance.Config{Policy: balance.LeastConnections, Backends: healthy(3)})
	active := []int{5, 4, 6}
	for turn := range uint64(3) {
		if i, _ := p.Pick(balance.Request{Now: now, Turn: turn, Active: func(i int) int { return active[i] }}); i != 1 {
			t.Errorf("turn %d went to %d", turn, i)
		}
	}
}

// TestSourceHashMovesNobodyElse takes a backend away: only its own clients may move.
func TestSourceHashMovesNobodyElse(t *testing.T) {
	before := balance.Config{Policy: balance.SourceHash, Backends: healthy(5)}
	after := balance.Config{Policy: balance.SourceHash, Backends: slices.Clone(before.Backends)}
	after.Backends[2].Healthy = false
	p, q := balance.New(before), balance.New(after)
	for c := range 1000 {
		r := balance.Request{Now: now, Client: client(c), Turn: uint64(c), Active: none}
		i, _ := p.Pick(r)
		r.Turn += 7 // plays no part
		if j, _ := q.Pick(r); i != 2 && j != i {
			t.Errorf("client %d moved from %d to %d", c, i, j)
		}
	}
}

func TestSourceHashTakesAMappedAddressForTheSame(t *testing.T) {
	p := balance.New(balance.Config{Policy: balance.SourceHash, Backends: healthy(5)})
	for c := range 100 {
		i, _ := p.Pick(balance.Request{Now: now, Client: client(c), Active: none})
		j, _ := p.Pick(balance.Request{Now: now, Client: netip.AddrFrom16(client(c).As16()), Active: none})
		if i != j {
			t.Errorf("client %d goes to %d and %d", c, i, j)
		}
	}
}

func TestTiers(t *testing.T) {
	primary := balance.Candidate{Backend: balance.Backend{Address: address(0)}}
	backup := balance.Candidate{Backend: balance.Backend{Address: address(1), Backup: true}}
	with := func(b balance.Candidate, healthy, undecided bool) balance.Candidate {
		b.Healthy, b.Undecided = healthy, undecided
		return b
	}
	open := func(b balance.Candidate, notReady bool) balance.Candidate {
		b.NotReady, b.Late = notReady, !notReady
		return b
	}
	for _, test := range []struct {
		name     string
		backends []balance.Candidate
		want     []int // in the order in which they are tried
	}{
		{"primary before backup", []balance.Candidate{with(backup, true, false), with(primary, true, false)}, []int{1, 0}},
		{"healthy backup before undecided primary", []balance.Candidate{with(primary, false, true), with(backup, true, false)}, []int{1, 0}},
		{"undecided primary before undecided backup", []balance.Candidate{with(backup, false, true), with(primary, false, true)}, []int{1, 0}},
		{"unhealthy never", []balance.Candidate{with(primary, false, false), with(backup, false, false)}, nil},
		{"not ready, where none is healthy", []balance.Candidate{open(backup, true), open(primary, true)}, []int{1, 0}},
		{"late, where none is healthy", []balance.Candidate{open(backup, false), open(primary, false)}, []int{1, 0}},
		{"not ready before late", []balance.Candidate{open(primary, false), open(backup, true)}, []int{1, 0}},
		{"undecided before not ready", []balance.Candidate{open(primary, true), with(backup, false, true)}, []int{1, 0}},
		{"neither beside a healthy one", []balance.Candidate{open(primary, true), open(primary, false), with(backup, true, false)}, []int{2}},
		{"dead beside one that accepts", []balance.Candidate{with(primary, false, false), open(backup, false)}, []int{1}},
		{"nothing", nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := balance.New(balance.Config{Policy: balance.RoundRobin, Backends: test.backends})
			var got []int
			var tried balance.Set
			for {
				i, ok := p.Pick(balance.Request{Now: now, Active: none, Tried: tried})
				if !ok {
					break
				}
				got, tried = append(got, i), tried.With(i)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if p.Usable() != (len(test.want) > 0) {
				t.Errorf("usable is %t", p.Usable())
			}
		})
	}
}

// One that is full is no reason to use those that are not ready: that would hide the limit.
func TestFullIsNotUnhealthy(t *testing.T) {
	backends := append(healthy(1), balance.Candidate{Backend: balance.Backend{Address: address(1)}, NotReady: true})
	if count := spread(balance.Config{Policy: balance.LeastConnections, Backends: backends, ConnectionLimit: 10}, 100); !slices.Equal(count, []int{10, 0}) {
		t.Errorf("backends got %v", count)
	}
}

func TestConnectionLimit(t *testing.T) {
	for _, policy := range policies {
		count := spread(balance.Config{Policy: policy, Backends: healthy(3), ConnectionLimit: 10}, 100)
		if !slices.Equal(count, []int{10, 10, 10}) {
			t.Errorf("%s: backends got %v", policy, count)
		}
	}
}

// TestSlowStart gives a backend that came back halfway about half of its share.
func TestSlowStart(t *testing.T) {
	for _, policy := range []balance.Policy{balance.RoundRobin, balance.LeastConnections} {
		for _, test := range []struct {
			age  time.Duration
			want float64 // of an even share
		}{
			{0, 0.05},
			{30 * time.Second, 0.5},
			{time.Minute, 1},
			{time.Hour, 1},
		} {
			backends := healthy(3)
			backends[0].HealthySince = now.Add(-test.age)
			count := spread(balance.Config{Policy: policy, Backends: backends, SlowStart: time.Minute}, 3000)
			got := float64(count[0]) / (float64(count[1]+count[2]) / 2)
			if math.Abs(got-test.want) > 0.15 {
				t.Errorf("%s after %v: got %.2f of its share, want %.2f: %v", policy, test.age, got, test.want, count)
			}
		}
	}
}

// TestPickTriesEachOnce draws pools at random and retries as a proxy does: each usable backend comes once, the healthy
// ones first.
func TestPickTriesEachOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var backends []balance.Candidate
		usable := 0
		for i := range rapid.IntRange(0, 6).Draw(t, "backends") {
			b := balance.Candidate{
				Backend: balance.Backend{Address: address(i), Backup: rapid.Bool().Draw(t, "backup")},
				Healthy: rapid.Bool().Draw(t, "healthy"), Undecided: rapid.Bool().Draw(t, "undecided"),
				HealthySince: now.Add(-time.Duration(rapid.IntRange(0, 100).Draw(t, "age")) * time.Second),
			}
			if b.Healthy || b.Undecided {
				usable++
			}
			backends = append(backends, b)
		}
		p := balance.New(balance.Config{
			Policy: rapid.SampledFrom(policies).Draw(t, "policy"), Backends: backends, SlowStart: time.Minute,
		})
		r := balance.Request{Now: now, Client: client(rapid.IntRange(0, 999).Draw(t, "client")), Turn: rapid.Uint64().Draw(t, "turn"), Active: none}
		var tried []int
		for {
			i, ok := p.Pick(r)
			if !ok {
				break
			}
			if r.Tried.Has(i) {
				t.Fatalf("backend %d was picked twice", i)
			}
			if n := len(tried); n > 0 && backends[i].Healthy && !backends[tried[n-1]].Healthy {
				t.Fatalf("healthy backend %d came after %v", i, tried)
			}
			tried, r.Tried = append(tried, i), r.Tried.With(i)
		}
		if len(tried) != usable || r.Tried.Len() != usable {
			t.Fatalf("tried %v of %d usable backends", tried, usable)
		}
	})
}

// The turn goes round its last number.
func TestPickAtTheLastTurn(t *testing.T) {
	var backends []balance.Candidate
	for i := range 3 {
		backends = append(backends, balance.Candidate{Backend: balance.Backend{Address: address(i)}, Healthy: true, HealthySince: now})
	}
	p := balance.New(balance.Config{Policy: balance.RoundRobin, Backends: backends})
	r := balance.Request{Now: now, Client: client(0), Turn: math.MaxUint64, Active: none}
	for range backends {
		i, ok := p.Pick(r)
		if !ok || r.Tried.Has(i) {
			t.Fatalf("picked %d, %t after %b", i, ok, r.Tried)
		}
		r.Tried = r.Tried.With(i)
	}
}

func BenchmarkPick(b *testing.B) {
	for _, policy := range policies {
		b.Run(string(policy), func(b *testing.B) {
			p := balance.New(balance.Config{Policy: policy, Backends: healthy(5)})
			r := balance.Request{Now: now, Client: client(1), Active: none}
			b.ReportAllocs()
			for b.Loop() {
				r.Turn++
				p.Pick(r)
			}
		})
	}
}
