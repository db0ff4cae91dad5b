// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// A Refusal is why a connection of a client was reset that the balancer had accepted.
type Refusal string

// The reasons.
const (
	// NoBackend says that no backend was there that may take connections.
	NoBackend Refusal = "NoBackend"
	// ConnectionLimit says that the balancer, or each backend, had as many connections as it may have.
	ConnectionLimit Refusal = "ConnectionLimit"
	// BackendFailed says that none of the backends that were tried took the connection.
	BackendFailed Refusal = "BackendFailed"
	// ClientFailed says that the connection of the client could not be used.
	ClientFailed Refusal = "ClientFailed"
)

// Refusals returns all reasons.
func Refusals() []Refusal { return []Refusal{NoBackend, ConnectionLimit, BackendFailed, ClientFailed} }

// refusals count connections by the reason for which they were refused. It has a counter for every reason from the start.
type refusals map[Refusal]*atomic.Uint64

func newRefusals() refusals {
	counts := refusals{}
	for _, why := range Refusals() {
		counts[why] = new(atomic.Uint64)
	}
	return counts
}

// read returns the counts, and their sum.
func (r refusals) read() (by map[Refusal]uint64, all uint64) {
	by = map[Refusal]uint64{}
	for why, count := range r {
		by[why] = count.Load()
		all += by[why]
	}
	return by, all
}

// A level is a number that rises and falls, and its peak. Its methods may be called by any number of goroutines.
type level struct{ value, highest atomic.Int64 }

// enter adds one, unless there are limit already; 0 is no limit.
func (l *level) enter(limit int) bool {
	n := l.value.Add(1)
	if limit > 0 && n > int64(limit) {
		l.value.Add(-1)
		return false
	}
	for peak := l.highest.Load(); n > peak && !l.highest.CompareAndSwap(peak, n); peak = l.highest.Load() {
	}
	return true
}

func (l *level) leave()    { l.value.Add(-1) }
func (l *level) now() int  { return int(l.value.Load()) }
func (l *level) peak() int { return int(l.highest.Load()) }

// A rate counts what happens in each second since a start. Its methods may be called by any number of goroutines.
type rate struct {
	start time.Time // its monotonic reading aligns the seconds: nobody can set it back

	mu      sync.Mutex
	second  int64 // that which runs
	running int   // what has happened in it
	last    int   // what happened in the one before
	highest int
}

// add counts one that happens now.
func (r *rate) add(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn(now)
	r.running++
	r.highest = max(r.highest, r.running)
}

// read returns how many there were in the last second that is over, and the most there ever were in one.
func (r *rate) read(now time.Time) (last, peak int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn(now)
	return r.last, r.highest
}

// turn begins a new second where one is due. Who comes late with an older time is counted in the second that runs.
func (r *rate) turn(now time.Time) {
	second := int64(now.Sub(r.start) / time.Second)
	switch passed := second - r.second; {
	case passed <= 0:
		return
	case passed == 1:
		r.last = r.running
	default:
		r.last = 0
	}
	r.second, r.running = second, 0
}

// servers are all that were ever backends of this process, so that what they have counted is not lost with them: sessions go on, and
// a backend may come back. They are as many as the cluster had control plane nodes.
type servers map[netip.AddrPort]*server

// bytes returns how many bytes all of them were sent, and have sent.
func (s servers) bytes() (sent, received uint64) {
	for _, server := range s {
		sent += server.sent.Load()
		received += server.received.Load()
	}
	return sent, received
}
