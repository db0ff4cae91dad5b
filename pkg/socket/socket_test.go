// SPDX-License-Identifier: Apache-2.0

package socket_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/socket"
)

func TestControlReturnsTheErrorOfItsFunction(t *testing.T) {
	ln := listen(t, "tcp", "127.0.0.1:0")
	want := errors.New("of the function")
	if err := socket.ControlConn(ln.(*net.TCPListener), func(fd int) error {
		if _, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil {
			t.Errorf("not the file descriptor of the socket: %v", err)
		}
		return want
	}); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func TestControlOfAClosedSocketRunsNothing(t *testing.T) {
	ln := listen(t, "tcp", "127.0.0.1:0")
	ln.Close()
	ran := false
	if err := socket.ControlConn(ln.(*net.TCPListener), func(int) error { ran = true; return nil }); err == nil || ran {
		t.Errorf("ran: %v, error %v", ran, err)
	}
	if err := socket.ControlConn(new(net.TCPConn), nil); err == nil {
		t.Error("no error for a connection without a file descriptor")
	}
}

// The addresses are reserved for documentation: no host has them.
func TestFreeBind(t *testing.T) {
	for _, address := range []string{"192.0.2.1:0", "[2001:db8::1]:0"} {
		if ln, err := net.Listen("tcp", address); err == nil {
			ln.Close()
			t.Fatalf("this host has %s, or ip_nonlocal_bind is set", address)
		}
		lc := net.ListenConfig{Control: socket.FreeBind}
		ln, err := lc.Listen(t.Context(), "tcp", address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		ln.Close()
	}
}

func TestPeerOf(t *testing.T) {
	ln := listen(t, "unix", "@harbinger-test-peer-user")
	client, err := net.Dial("unix", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, end := range []net.Conn{client, conn} {
		peer, err := socket.PeerOf(end.(*net.UnixConn))
		if err != nil || peer != (socket.Peer{User: os.Geteuid(), Process: os.Getpid()}) {
			t.Errorf("the other end is %+v, %v", peer, err)
		}
		if text := peer.String(); !strings.HasPrefix(text, fmt.Sprintf("user %d (process %d, ", os.Geteuid(), os.Getpid())) {
			t.Errorf("the other end is %q", text)
		}
	}
	if text := (socket.Peer{User: 65534}).String(); text != "user 65534" {
		t.Errorf("a process that is not visible is %q", text)
	}
	tcp := listen(t, "tcp", "127.0.0.1:0")
	tcp.Close()
	if _, err := socket.PeerOf(tcp.(*net.TCPListener)); err == nil {
		t.Error("a closed socket has a process at the other end")
	}
}

func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// What came in distinguishes a refusal from an error that this host has made itself, and outlives the connection.
func TestSegmentsOfAConnection(t *testing.T) {
	ln := listen(t, "tcp", "127.0.0.1:0")
	closed := listen(t, "tcp", "127.0.0.1:0")
	closed.Close()
	for address, refused := range map[string]bool{ln.Addr().String(): false, closed.Addr().String(): true} {
		duplicate := -1
		dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
			return socket.Control(raw, func(fd int) (err error) {
				duplicate, err = socket.Duplicate(fd)
				return err
			})
		}}
		conn, err := dialer.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		if refused != errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s: %v", address, err)
		}
		if passed, err := socket.SegmentsOf(duplicate); err != nil || passed.In == 0 || passed.Out == 0 {
			t.Errorf("%s: %+v, %v", address, passed, err)
		}
		if err := unix.Close(duplicate); err != nil {
			t.Error(err)
		}
	}
	if _, err := socket.SegmentsOf(-1); !errors.Is(err, unix.EBADF) {
		t.Errorf("of no socket: %v", err)
	}
	if _, err := socket.Duplicate(-1); !errors.Is(err, unix.EBADF) {
		t.Errorf("no socket is duplicated: %v", err)
	}
}
