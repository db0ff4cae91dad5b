// SPDX-License-Identifier: Apache-2.0

package labtest

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
)

// A Relay passes on TCP connections until it lets those that are open fall silent: they stay open, and what is sent on them
// is lost, as behind a host that lost its power.
type Relay struct {
	Address  netip.AddrPort
	Accepted atomic.Int32 // connections so far

	mu   sync.Mutex
	open []*muted
}

// muted is a connection that can swallow what it is given.
type muted struct {
	net.Conn
	silent atomic.Bool
}

func (m *muted) Write(p []byte) (int, error) {
	if m.silent.Load() {
		return len(p), nil
	}
	return m.Conn.Write(p)
}

// NewRelay returns a relay to an address.
func NewRelay(t testing.TB, to string) *Relay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	Must(t, err)
	r := &Relay{Address: ln.Addr().(*net.TCPAddr).AddrPort()}
	Serve(t, ln, func(conn net.Conn) {
		r.Accepted.Add(1)
		if other, err := net.Dial("tcp", to); err == nil {
			r.pass(&muted{Conn: conn}, &muted{Conn: other})
		}
	})
	return r
}

// pass relays both ways until one end closes.
func (r *Relay) pass(a, b *muted) {
	r.mu.Lock()
	r.open = append(r.open, a, b)
	r.mu.Unlock()
	defer b.Close()
	var back sync.WaitGroup
	defer back.Wait()
	back.Go(func() {
		_, _ = io.Copy(a, b) // one of the ends was closed
		a.Close()
	})
	_, _ = io.Copy(b, a)
	b.Close()
}

// Silence lets the open connections fall silent.
func (r *Relay) Silence() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.open {
		m.silent.Store(true)
	}
}
