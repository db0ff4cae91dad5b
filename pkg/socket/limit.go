// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"net"
	"net/netip"
	"sync"
)

// Limit returns a listener of which at most total connections are open at a time, and perSource of one address. A connection
// above that is reset. Connections of this host itself have a total of their own: whatever others do, its kubelet gets an answer.
func Limit(ln net.Listener, total, perSource int) net.Listener {
	return &limited{Listener: ln, total: total, perSource: perSource, open: map[netip.Addr]int{}}
}

type limited struct {
	net.Listener
	total, perSource int

	mu     sync.Mutex
	others int                // connections of other hosts
	open   map[netip.Addr]int // connections by source
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		source := sourceOf(conn)
		if l.enter(source) {
			return &limitedConn{Conn: conn, leave: sync.OnceFunc(func() { l.leave(source) })}, nil
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // without it the connection would be closed as well, with more to remember of it
		}
		_ = conn.Close() // nobody has it
	}
}

// sourceOf returns the address of the other end; that of this host is the same by any loopback address.
func sourceOf(conn net.Conn) netip.Addr {
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	source := tcp.AddrPort().Addr().Unmap()
	if source.IsLoopback() {
		return netip.IPv6LinkLocalAllNodes() // stands for all of them: no connection comes from a group
	}
	return source
}

// enter counts a connection in, where there is room for it.
func (l *limited) enter(source netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	here := source.IsMulticast()
	switch {
	case here && l.open[source] >= l.total:
		return false
	case !here && (l.others >= l.total || l.open[source] >= l.perSource):
		return false
	case !here:
		l.others++
	}
	l.open[source]++
	return true
}

// leave counts it out.
func (l *limited) leave(source netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !source.IsMulticast() {
		l.others--
	}
	if l.open[source]--; l.open[source] == 0 {
		delete(l.open, source)
	}
}

// limitedConn is a connection that is counted until it is closed.
type limitedConn struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
