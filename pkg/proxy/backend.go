// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// A server is a backend with the connections that it has.
type server struct {
	address  netip.AddrPort
	active   level         // connections, those being dialled included
	total    atomic.Uint64 // connections established
	failures atomic.Uint64 // dials failed
	sent     atomic.Uint64 // bytes from clients to it; what is sent again to another backend counts once
	received atomic.Uint64 // bytes from it to clients

	mu     sync.Mutex
	ctx    context.Context // of all connections to the server; replaced when it comes back
	cancel context.CancelFunc
}

func newServer(ctx context.Context, address netip.AddrPort) *server {
	s := &server{address: address}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s
}

// sessions returns the context that ends with the connections to the server.
func (s *server) sessions() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ctx
}

// closeSessions resets all connections to the server, and stops dialling it.
func (s *server) closeSessions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel()
}

// openSessions allows connections to the server again.
func (s *server) openSessions(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		s.ctx, s.cancel = context.WithCancel(ctx)
	}
}

// A link is a connection that a server has accepted.
type link struct {
	*net.TCPConn
	server *server
	stop   func() bool
}

// enter counts the link as one in use, and has lose called when the sessions of the server are closed.
func (l *link) enter(lose func()) {
	l.server.total.Add(1)
	l.stop = context.AfterFunc(l.server.sessions(), lose)
}

// leave counts it out.
func (l *link) leave() {
	l.stop()
	l.server.active.leave()
}

// dial connects to the server. It passes the connection to begun before it asks the server for it.
func (s *server) dial(ctx context.Context, timeouts balance.Timeouts, begun func(syscall.RawConn)) (*net.TCPConn, error) {
	dialer := net.Dialer{Timeout: timeouts.Connect, KeepAlive: -1, Control: func(_, _ string, raw syscall.RawConn) error {
		begun(raw)
		return nil
	}}
	dialer.SetMultipathTCP(false)
	// Not DialTCP: with netip addresses it binds to a local port before the kernel knows the destination, and then there
	// are no more connections than local ports, to all backends together.
	conn, err := dialer.DialContext(ctx, "tcp", s.address.String())
	if err != nil {
		return nil, err
	}
	tcp := conn.(*net.TCPConn)
	if err := keepAlive(tcp, timeouts.KeepAlive); err != nil {
		reset(tcp)
		return nil, err
	}
	return tcp, nil
}

// Multiples of Timeouts.KeepAlive: how often to ask a silent host, and after how long without an answer it is dead. The
// latter also ends a connection whose receiver takes nothing for that long, which is why it is long.
const (
	keepAliveProbes = 3
	userTimeout     = 4
)

// keepAlive makes the kernel notice that the host at the other end is dead, also where data is waiting to be sent.
func keepAlive(conn *net.TCPConn, idle time.Duration) error {
	if idle == 0 {
		return conn.SetKeepAlive(false)
	}
	err := conn.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: idle, Interval: idle / keepAliveProbes, Count: keepAliveProbes})
	if err != nil {
		return err
	}
	return socket.ControlConn(conn, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(userTimeout*idle/time.Millisecond))
	})
}

// unreachable reports whether an error shows that the other host or process does not answer at all. An unwanted answer, or a lack
// of resources on this host, is no such error.
func unreachable(err error) bool {
	if timedOut(err) {
		return true
	}
	for _, sign := range []error{
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE, syscall.EHOSTUNREACH, syscall.ENETUNREACH,
		syscall.EHOSTDOWN, io.EOF, io.ErrUnexpectedEOF,
	} {
		if errors.Is(err, sign) {
			return true
		}
	}
	return false
}

// timedOut reports whether an error says that something took too long.
func timedOut(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}
