// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// relay passes on TCP connections, until it lets those that are open fall silent.
type relay struct {
	listener net.Listener
	mu       sync.Mutex
	open     []*muted
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

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r := &relay{listener: listener}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			conn, err := net.Dial("tcp", to)
			if err != nil {
				from.Close()
				continue
			}
			r.pass(&all, &muted{Conn: from}, &muted{Conn: conn})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		r.each(func(m *muted) { m.Close() })
		all.Wait()
	})
	return r
}

func (r *relay) pass(all *sync.WaitGroup, a, b *muted) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = append(r.open, a, b)
	for _, ends := range [][2]*muted{{a, b}, {b, a}} {
		all.Go(func() {
			_, _ = io.Copy(ends[0], ends[1]) // one of the ends was closed
			ends[0].Close()
		})
	}
}

func (r *relay) each(do func(*muted)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.open {
		do(m)
	}
}

func (r *relay) silence() { r.each(func(m *muted) { m.silent.Store(true) }) }
