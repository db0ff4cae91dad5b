// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A session is transferring while one side has sent something in the last transferWindow, and either the other side has been
// silent for as long, or it has sent more than transferBytes since the other side spoke. So a download is transferring, and a
// client that asks one small question after another is not: it may ask the next one elsewhere.
const (
	transferWindow = time.Second
	transferBytes  = 16 << 10
)

// A flow is what one side of a session has sent.
type flow struct {
	at     atomic.Int64 // when it last sent something, in Unix nanoseconds
	burst  atomic.Int64 // bytes since the other side spoke
	before atomic.Int64 // bytes of the burst before
}

// sent notes that this side sends, and so ends the burst of the other one.
func (f *flow) sent(n int, other *flow) {
	f.at.Store(time.Now().UnixNano())
	f.burst.Add(int64(n))
	if burst := other.burst.Swap(0); burst > 0 {
		other.before.Store(burst)
	}
}

// transfers reports whether this side transfers something at a time.
func (f *flow) transfers(now time.Time, other *flow) bool {
	recently := func(f *flow) bool { return now.Sub(time.Unix(0, f.at.Load())) < transferWindow }
	return recently(f) && (!recently(other) || max(f.burst.Load(), f.before.Load()) > transferBytes)
}

// transferring reports whether bytes flow in a session, either way.
func (r *relay) transferring(now time.Time) bool {
	return r.fromClient.transfers(now, &r.fromBackend) || r.fromBackend.transfers(now, &r.fromClient)
}

// clientSide returns the address that the client of a session has connected to.
func (r *relay) clientSide() netip.Addr {
	return r.client.LocalAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
}

// relays are the sessions that are relayed now. Its methods may be called by any number of goroutines.
type relays struct {
	mu  sync.Mutex
	all map[*relay]time.Time // when each began
}

func (s *relays) add(r *relay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[*relay]time.Time{}
	}
	s.all[r] = time.Now()
}

func (s *relays) remove(r *relay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, r)
}

// by returns the sessions that came in by one of some addresses and began before a time.
func (s *relays) by(addresses []netip.Addr, before time.Time) (found []*relay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r, began := range s.all {
		if began.Before(before) && slices.Contains(addresses, r.clientSide()) {
			found = append(found, r)
		}
	}
	return found
}

// transferring returns how many of the sessions that came in by one of some addresses, and began before a time, transfer
// something now.
func (s *relays) transferring(addresses []netip.Addr, before, now time.Time) (n int) {
	for _, r := range s.by(addresses, before) {
		if r.transferring(now) {
			n++
		}
	}
	return n
}
