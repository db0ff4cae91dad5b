// SPDX-License-Identifier: Apache-2.0

// Package balance is the pure part of the balancer: what it does (Settings), and which backend takes a connection (Pool). A
// Pool never changes once made, so any number of goroutines may pick from it. The package counts no connections, checks no
// health and never reads a clock: the caller passes in what is known.
package balance

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
)

// A Candidate is a backend with what is known of its health.
type Candidate struct {
	Backend
	Healthy      bool      // takes connections
	Undecided    bool      // takes connections where no backend is healthy
	NotReady     bool      // answers that it is not ready: takes connections where no backend is either
	Late         bool      // accepts connections and does not answer in time: the last resort
	HealthySince time.Time // where slow start counts from
}

// Config describes a Pool.
type Config struct {
	Policy          Policy
	Backends        []Candidate
	SlowStart       time.Duration // how long a backend takes to get its full share; 0: none
	ConnectionLimit int           // per backend; 0: none
}

// A Pool is an immutable set of backends with a policy.
type Pool struct {
	cfg   Config
	tiers [][]int // indices of Config.Backends; a tier is used only when those before it have nothing to offer
}

// New returns the pool that cfg describes. Where no backend is healthy it fails open: to those that accept connections.
func New(cfg Config) *Pool {
	p := &Pool{cfg: cfg, tiers: make([][]int, 2*ranks)}
	closed := slices.ContainsFunc(cfg.Backends, func(b Candidate) bool { return b.Healthy })
	for i, b := range cfg.Backends {
		rank := b.rank()
		if rank == ranks || rank >= notReady && closed {
			continue
		}
		tier := 2 * rank
		if b.Backup {
			tier++
		}
		p.tiers[tier] = append(p.tiers[tier], i)
	}
	return p
}

// The ranks of candidates. One is used only when those before it have nothing to offer.
const (
	healthy = iota
	undecided
	notReady
	late
	ranks // none: not used at all
)

func (b Candidate) rank() int {
	switch {
	case b.Healthy:
		return healthy
	case b.Undecided:
		return undecided
	case b.NotReady:
		return notReady
	case b.Late:
		return late
	}
	return ranks
}

// Usable reports whether some backend may take connections.
func (p *Pool) Usable() bool {
	for _, tier := range p.tiers {
		if len(tier) > 0 {
			return true
		}
	}
	return false
}

// A Request describes the connection that needs a backend. Backends are named by their index in Config.Backends.
type Request struct {
	Now    time.Time
	Client netip.Addr
	Turn   uint64          // differs from one connection to the next
	Active func(i int) int // connections that backend i has
	Tried  []int           // backends that failed this connection
}

// Pick returns the index of the backend for a connection, and false where there is none.
func (p *Pool) Pick(r Request) (int, bool) {
	for _, tier := range p.tiers {
		if i, ok := p.pick(tier, r); ok {
			return i, true
		}
	}
	return 0, false
}

// pick returns the backend of the lowest cost in the tier. The turn decides where it starts to look, and so between
// equals.
func (p *Pool) pick(tier []int, r Request) (best int, found bool) {
	var lowest float64
	for k := range tier {
		i := tier[(r.Turn%uint64(len(tier))+uint64(k))%uint64(len(tier))] // the turn may be the last number there is
		if !p.admits(i, r) {
			continue
		}
		if cost := p.cost(i, k, r); !found || cost < lowest {
			best, lowest, found = i, cost, true
		}
	}
	return best, found
}

// admits reports whether backend i may take the connection.
func (p *Pool) admits(i int, r Request) bool {
	for _, t := range r.Tried {
		if t == i {
			return false
		}
	}
	return p.cfg.ConnectionLimit == 0 || r.Active(i) < p.cfg.ConnectionLimit
}

// cost is what the policy compares; place is how far the backend is from its turn.
func (p *Pool) cost(i, place int, r Request) float64 {
	b := p.cfg.Backends[i]
	switch p.cfg.Policy {
	case SourceHash:
		return -float64(hash(r.Client, b.Address)) // rendezvous hashing: the highest wins, whoever else comes and goes
	case RoundRobin:
		if p.weight(b, r.Now) < unit(mix(r.Turn)) {
			return float64(place + len(p.cfg.Backends)) // passes on its turn
		}
		return float64(place)
	default:
		return float64(r.Active(i)+1) / p.weight(b, r.Now)
	}
}

// minimumWeight lets a backend that has just become healthy take something.
const minimumWeight = 0.05

// weight is the share of its due that a backend gets during slow start, above 0 and up to 1.
func (p *Pool) weight(b Candidate, now time.Time) float64 {
	age := now.Sub(b.HealthySince)
	if age >= p.cfg.SlowStart {
		return 1
	}
	return max(minimumWeight, float64(age)/float64(p.cfg.SlowStart))
}

// hash combines a client with a backend.
func hash(client netip.Addr, backend netip.AddrPort) uint64 {
	a, b := client.Unmap().As16(), backend.Addr().Unmap().As16()
	h := uint64(backend.Port())
	for _, part := range [...][]byte{a[:8], a[8:], b[:8], b[8:]} {
		h = mix(h ^ binary.BigEndian.Uint64(part))
	}
	return h
}

// mix is the finalizer of splitmix64: every bit of x changes half the bits of the result.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// unit maps x to [0,1).
func unit(x uint64) float64 { return float64(x>>11) / (1 << 53) }
