// SPDX-License-Identifier: Apache-2.0

package socket_test

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// from is a connection from an address.
type from struct {
	net.Conn
	source string
	closed *bool
}

func (f from) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(f.source))
}

func (f from) Close() error {
	*f.closed = true
	return nil
}

// queue is a listener with connections that wait.
type queue struct {
	net.Listener
	mu      sync.Mutex
	waiting []net.Conn
}

var errEmpty = errors.New("no more")

func (q *queue) Accept() (net.Conn, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return nil, errEmpty
	}
	conn := q.waiting[0]
	q.waiting = q.waiting[1:]
	return conn, nil
}

// connect has a host connect so often. It returns the connections that were accepted; the others must have been closed.
func connect(t *testing.T, q *queue, ln net.Listener, source string, times int) (accepted []net.Conn) {
	t.Helper()
	closed := make([]bool, times)
	for i := range times {
		q.waiting = append(q.waiting, from{source: source, closed: &closed[i]})
	}
	for {
		conn, err := ln.Accept()
		if errors.Is(err, errEmpty) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		accepted = append(accepted, conn)
	}
	refused := 0
	for _, c := range closed {
		if c {
			refused++
		}
	}
	if refused+len(accepted) != times {
		t.Errorf("%s: %d accepted and %d closed of %d", source, len(accepted), refused, times)
	}
	return accepted
}

func TestLimit(t *testing.T) {
	q := &queue{}
	ln := socket.Limit(q, 10, 4)
	want := func(n int, got []net.Conn) {
		t.Helper()
		if len(got) != n {
			t.Errorf("%d connections are open, want %d", len(got), n)
		}
	}
	first := connect(t, q, ln, "192.0.2.1:1000", 1000)
	want(4, first)
	want(4, connect(t, q, ln, "[::ffff:192.0.2.2]:1000", 5))
	want(0, connect(t, q, ln, "192.0.2.2:1001", 5)) // the same
	want(2, connect(t, q, ln, "[2001:db8::1]:1000", 5))
	want(0, connect(t, q, ln, "192.0.2.4:1000", 5))
	// Whoever is here has room.
	want(6, connect(t, q, ln, "127.0.0.1:1000", 6))
	want(4, connect(t, q, ln, "[::1]:1000", 6))
	for range 2 { // twice counts once
		_ = first[0].Close()
	}
	want(1, connect(t, q, ln, "192.0.2.4:1000", 5))
	for _, conn := range first[1:] {
		_ = conn.Close()
	}
	want(3, connect(t, q, ln, "192.0.2.1:1000", 5))
}

// What waits behind very many connections of a host is served at once.
func TestLimitOfAListener(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := socket.Limit(inner, 2, 1)
	defer ln.Close()
	var clients []net.Conn
	for range 20 {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		clients = append(clients, c)
	}
	for range 2 {
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	go func() { _, _ = ln.Accept() }() // ends with the listener
	for i, c := range clients[2:] {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("connection %d is open", i)
		}
	}
}
