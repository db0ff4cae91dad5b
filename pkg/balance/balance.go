// SPDX-License-Identifier: Apache-2.0

// Package balance is the pure part of the balancer: what it does (Settings), and which backend takes a connection (Pool). A
// Pool never changes once made, so any number of goroutines may pick from it. The package counts no connections, checks no
// health and never reads a clock: the caller passes in what is known.
package balance

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"time"
)

// A Candidate is a backend with what is known of its health.
type Candidate struct {
	Backend
	Preferred    bool       // goes before the others
	Admin        AdminState // takes connections only where it says so
	Healthy      bool       // takes connections
	Undecided    bool       // takes connections where no backend is healthy
	NotReady     bool       // answers that it is not ready: takes connections where no backend is either
	Late         bool       // accepts connections and does not answer in time: the last resort
	HealthySince time.Time  // where slow start counts from
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
	tiers []tier // none of them empty; one is used only when those before it have nothing to offer
}

// New returns the pool that cfg describes. Where no backend is healthy it fails open: to those that accept connections.
func New(cfg Config) *Pool {
	p := &Pool{cfg: cfg, tiers: make([]tier, classes*ranks)}
	closed := slices.ContainsFunc(cfg.Backends, func(b Candidate) bool { return b.rank() == healthy })
	for i, b := range cfg.Backends {
		rank := b.rank()
		if rank == ranks || rank >= notReady && closed {
			continue
		}
		t := &p.tiers[classes*rank+b.class()]
		t.backends = append(t.backends, i)
	}
	p.tiers = slices.DeleteFunc(p.tiers, func(t tier) bool { return len(t.backends) == 0 })
	for i := range p.tiers {
		if cfg.Policy == RoundRobin {
			p.tiers[i].takeTurns(cfg.Backends)
		}
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
	case !b.Admin.Takes():
		return ranks
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

// The classes of candidates of a rank. One is used only when those before it have nothing to offer.
const (
	preferred = iota
	ordinary
	backup
	weightless
	weightlessBackup
	classes
)

func (b Candidate) class() int {
	switch {
	case b.Weight > 0 && b.Backup:
		return backup
	case b.Weight > 0 && b.Preferred:
		return preferred
	case b.Weight > 0:
		return ordinary
	case b.Backup:
		return weightlessBackup
	}
	return weightless
}

// Usable reports whether some backend may take connections.
func (p *Pool) Usable() bool { return len(p.tiers) > 0 }

// First returns the backends that take connections before all others: those of the first tier.
func (p *Pool) First() (backends []Backend) {
	if !p.Usable() {
		return nil
	}
	for _, i := range p.tiers[0].backends {
		backends = append(backends, p.cfg.Backends[i].Backend)
	}
	return backends
}

// Rendezvous returns the backend of a part of all clients, of which there is one at least: whoever else comes and goes, the part stays
// with its backend.
func Rendezvous(part uint32, backends []Backend) Backend {
	client := netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, part))) // a part is hashed as a client is
	return slices.MinFunc(backends, func(a, b Backend) int { return cmp.Compare(rendezvous(client, a), rendezvous(client, b)) })
}

// rendezvous is the cost of a backend for a client in weighted rendezvous hashing: whoever else comes and goes plays no part.
func rendezvous(client netip.Addr, b Backend) float64 {
	return math.Log(unit(hash(client, b.Address))) / -b.share()
}

// A Request describes the connection that needs a backend. Backends are named by their index in Config.Backends.
type Request struct {
	Now    time.Time
	Client netip.Addr
	Turn   uint64          // differs from one connection to the next
	Active func(i int) int // connections that backend i has
	Tried  Set             // backends that failed this connection
}

// A Set holds numbers from 0 to SetSize-1: indices of backends, or what stands for them.
type Set [2]uint64

// SetSize is how many numbers a Set distinguishes: as many as there are backends while all are replaced by others.
const SetSize = 2 * MaxBackends

// With returns the set with i.
func (s Set) With(i int) Set {
	s[i/64] |= 1 << (i % 64)
	return s
}

// Has reports whether i is in the set.
func (s Set) Has(i int) bool { return s[i/64]>>(i%64)&1 == 1 }

// Len returns how many there are.
func (s Set) Len() int { return bits.OnesCount64(s[0]) + bits.OnesCount64(s[1]) }

// Pick returns the index of the backend for a connection, and false where there is none.
func (p *Pool) Pick(r Request) (int, bool) {
	for _, tier := range p.tiers {
		if i, ok := p.pick(tier, r); ok {
			return i, true
		}
	}
	return 0, false
}

// pick returns a backend of a tier.
func (p *Pool) pick(t tier, r Request) (int, bool) {
	if p.cfg.Policy == RoundRobin {
		return p.next(t, r)
	}
	return p.best(t, r)
}

// next returns the backend whose turn it is, or that of the next turn where it has to pass.
func (p *Pool) next(t tier, r Request) (first int, found bool) {
	var seen Set
	for k := 0; seen.Len() < len(t.backends); k++ {
		i := t.turn(r.Turn, k)
		if seen.Has(i) {
			continue
		}
		if seen = seen.With(i); !p.admits(i, r) {
			continue
		}
		if p.slowed(p.cfg.Backends[i], r.Now) >= unit(mix(r.Turn)) {
			return i, true
		}
		if !found {
			first, found = i, true
		}
	}
	return first, found
}

// best returns the backend of the lowest cost. The turn decides where it starts to look, and so between equals.
func (p *Pool) best(t tier, r Request) (best int, found bool) {
	var lowest float64
	first := int(r.Turn % uint64(len(t.backends)))
	for k := range t.backends {
		i := t.backends[(first+k)%len(t.backends)]
		if !p.admits(i, r) {
			continue
		}
		if cost := p.cost(i, r); !found || cost < lowest {
			best, lowest, found = i, cost, true
		}
	}
	return best, found
}

// admits reports whether backend i may take the connection.
func (p *Pool) admits(i int, r Request) bool {
	return !r.Tried.Has(i) && (p.cfg.ConnectionLimit == 0 || r.Active(i) < p.cfg.ConnectionLimit)
}

// cost is what the policy compares.
func (p *Pool) cost(i int, r Request) float64 {
	b := p.cfg.Backends[i]
	if p.cfg.Policy == SourceHash {
		return rendezvous(r.Client, b.Backend)
	}
	return float64(r.Active(i)+1) / (p.slowed(b, r.Now) * b.share())
}

// leastSlowed lets a backend that has just become healthy take something.
const leastSlowed = 0.05

// slowed is the part of its share that a backend gets during slow start, above 0 and up to 1.
func (p *Pool) slowed(b Candidate, now time.Time) float64 {
	age := now.Sub(b.HealthySince)
	if age >= p.cfg.SlowStart {
		return 1
	}
	return max(leastSlowed, float64(age)/float64(p.cfg.SlowStart))
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

// unit maps x to what lies between 0 and 1.
func unit(x uint64) float64 { return (float64(x>>11) + 0.5) / (1 << 53) }
