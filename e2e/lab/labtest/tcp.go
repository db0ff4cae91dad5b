// SPDX-License-Identifier: Apache-2.0

package labtest

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// listen opens a listener of this host, on any port.
func listen(t testing.TB) (*net.TCPListener, netip.AddrPort) {
	t.Helper()
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	Must(t, err)
	return ln, ln.Addr().(*net.TCPAddr).AddrPort()
}

// Dial connects to an address. The connection has so much time for all that the test does with it.
func Dial(t testing.TB, timeout time.Duration, address netip.AddrPort) *net.TCPConn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address.String(), timeout)
	Must(t, err)
	t.Cleanup(func() { conn.Close() })
	Must(t, conn.SetDeadline(time.Now().Add(timeout)))
	return conn.(*net.TCPConn)
}

// Reset closes a connection with a reset instead of an orderly end.
func Reset(conn *net.TCPConn) {
	// Both fail only on a connection that is closed already.
	_ = conn.SetLinger(0)
	_ = conn.Close()
}

// WantReset waits for a connection to be reset.
func WantReset(t testing.TB, conn net.Conn) {
	t.Helper()
	if _, err := io.Copy(io.Discard, conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("connection ended with %v, want a reset", err)
	}
}

// Echoes reports whether what is sent on a connection comes back.
func Echoes(conn net.Conn) error {
	if _, err := conn.Write([]byte("x")); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, 1))
	return err
}

// ClosedPort returns an address at which nobody listens, and that nobody can take during the test.
func ClosedPort(t testing.TB) netip.AddrPort {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	Must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	Must(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	at, err := unix.Getsockname(fd)
	Must(t, err)
	in := at.(*unix.SockaddrInet4)
	return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), uint16(in.Port))
}

// Backend starts a backend that serves each connection with the function given, and leaves it as that has left it until the end of the
// test.
func Backend(t testing.TB, serve func(*net.TCPConn)) netip.AddrPort {
	t.Helper()
	ln, address := listen(t)
	Serve(t, ln, func(conn net.Conn) {
		serve(conn.(*net.TCPConn))
		<-t.Context().Done()
	})
	return address
}

// DeafPort returns an address whose kernel answers no connection any more: its queue is full, and nobody accepts.
func DeafPort(t testing.TB) netip.AddrPort {
	t.Helper()
	ln, address := listen(t)
	t.Cleanup(func() { ln.Close() })
	Must(t, socket.ControlConn(ln, func(fd int) error { return unix.Listen(fd, 0) }))
	for {
		conn, err := net.DialTimeout("tcp", address.String(), 200*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { conn.Close() })
	}
}
