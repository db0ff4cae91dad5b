// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/balance"
)

// headerOf is what a backend gets first on the connection of a client.
func headerOf(conn *net.TCPConn, to netip.AddrPort) []byte {
	return balance.ProxyProtocolV2.AppendHeader(nil, conn.LocalAddr().(*net.TCPAddr).AddrPort(), to)
}

// newGreetingRelay starts a relay whose servers get the header of the PROXY protocol.
func newGreetingRelay(t *testing.T, backends ...netip.AddrPort) *bench {
	t.Helper()
	return newRelayWith(t, 2, func(r *Relay) *Route {
		route := routeTo(r, defaults, backends...)
		for _, s := range route.Servers {
			s.SetProxyProtocol(balance.ProxyProtocolV2)
		}
		return route
	})
}

// reads returns what comes from a connection.
func reads(t *testing.T, conn net.Conn, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if got, err := io.ReadFull(conn, b); err != nil {
		t.Fatalf("%d bytes of %d: %v", got, n, err)
	}
	return b
}

// The backend learns who the client is before its first byte, also from a client that says nothing, or finishes at once.
func TestBackendIsGreeted(t *testing.T) {
	accepted := make(chan *net.TCPConn, 10)
	b := newGreetingRelay(t, newBackend(t, func(conn *net.TCPConn) { accepted <- conn }))
	for name, speaks := range map[string]func(client, backend *net.TCPConn){
		"the client": func(client, backend *net.TCPConn) {
			_, err := io.WriteString(client, "question")
			must(t, err)
			if got := reads(t, backend, 8); string(got) != "question" {
				t.Errorf("after the header came %q", got)
			}
		},
		"the backend": func(client, backend *net.TCPConn) {
			_, err := io.WriteString(backend, "hello")
			must(t, err)
			if got := reads(t, client, 5); string(got) != "hello" {
				t.Errorf("the client got %q", got)
			}
		},
		"nobody": func(client, backend *net.TCPConn) {
			must(t, client.CloseWrite())
			if rest, err := io.ReadAll(backend); err != nil || len(rest) > 0 {
				t.Errorf("after the header came %q, %v", rest, err)
			}
		},
	} {
		client := dialTo(t, b.address)
		backend := withDeadline(t, <-accepted)
		if got, want := reads(t, backend, len(headerOf(client, b.address))), headerOf(client, b.address); !bytes.Equal(got, want) {
			t.Errorf("%s speaks: the header is %q, want %q", name, got, want)
		}
		speaks(client, backend)
		must(t, client.Close())
		must(t, backend.Close())
	}
	b.untilEmpty(t)
	if f := b.server(0).Figures(); f.Sent != 8 || f.Received != 5 {
		t.Errorf("%d bytes were sent and %d received: a header is not from a client", f.Sent, f.Received)
	}
}

// A backend that takes over a connection gets a header of its own, before what the client has sent to the one before it.
func TestNextBackendIsGreeted(t *testing.T) {
	failing := newBackend(t, func(conn *net.TCPConn) {
		io.ReadFull(conn, make([]byte, balance.MaxProxyHeader-23)) // the header, and the first byte
		resets(conn)
	})
	accepted := make(chan *net.TCPConn, 1)
	b := newGreetingRelay(t, newBackend(t, func(conn *net.TCPConn) { accepted <- conn }), failing) // the first turn begins with the second
	client := dialTo(t, b.address)
	_, err := client.Write([]byte("\x16")) // as a ClientHello begins
	must(t, err)
	backend := withDeadline(t, <-accepted)
	want := append(headerOf(client, b.address), '\x16')
	if got := reads(t, backend, len(want)); !bytes.Equal(got, want) {
		t.Errorf("it has got %q, want %q", got, want)
	}
}

// Where the header does not reach a backend, nothing else does.
func TestNothingWithoutTheHeader(t *testing.T) {
	w := idleWorker(t)
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(ends[0])
	defer unix.Close(ends[1])
	for err == nil { // it takes nothing more
		_, err = unix.Write(ends[0], make([]byte, 4096))
	}
	c := &connection{sides: [2]side{{fd: int32(ends[1])}, {fd: int32(ends[0])}}}
	if w.greet(c) || c.sides[backend].held || c.errno != int32(unix.EAGAIN) {
		t.Errorf("the header was sent to who takes nothing; %+v", c.sides[backend])
	}
	for n := 1; n > 0; { // there is room now
		n, _ = unix.Read(ends[1], make([]byte, 1<<20))
	}
	if n, errno := send(int32(ends[0]), []byte("x")); errno != unix.EPIPE {
		t.Errorf("%d bytes were sent without a header (%v)", n, errno)
	}
}

// A haproxy that accepts the PROXY protocol finds the address of the client in the header: it passes it on in words.
func TestHAProxyReadsTheHeader(t *testing.T) {
	if _, err := exec.LookPath("haproxy"); err != nil {
		t.Fatalf("%v: install haproxy", err)
	}
	accepted := make(chan *net.TCPConn, 10)
	behind := newBackend(t, func(conn *net.TCPConn) { accepted <- conn })
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		ln, err := net.Listen("tcp", host+":0")
		must(t, err)
		front := ln.Addr().(*net.TCPAddr).AddrPort()
		startHAProxy(t, ln.(*net.TCPListener), fmt.Sprintf(`
defaults
 mode tcp
 timeout connect 10s
 timeout client 10s
 timeout server 10s
listen apiserver
 bind fd@3 accept-proxy
 server behind %s send-proxy
`, behind))
		b := newGreetingRelay(t, front)
		client := dialTo(t, b.address)
		_, err = io.WriteString(client, "question")
		must(t, err)
		at := client.LocalAddr().(*net.TCPAddr).AddrPort()
		want := fmt.Sprintf("PROXY TCP4 %s %s %d %d\r\nquestion", at.Addr(), b.address.Addr(), at.Port(), b.address.Port())
		if got := reads(t, withDeadline(t, <-accepted), len(want)); string(got) != want {
			t.Errorf("haproxy passes on %q, want %q", got, want)
		}
	}
}

// startHAProxy starts haproxy with a listening socket as its descriptor 3.
func startHAProxy(t *testing.T, ln *net.TCPListener, configuration string) {
	t.Helper()
	listening, err := ln.File()
	must(t, err)
	must(t, ln.Close())
	defer listening.Close()
	name := filepath.Join(t.TempDir(), "haproxy.cfg")
	must(t, os.WriteFile(name, []byte(configuration), 0o600))
	cmd := exec.CommandContext(t.Context(), "haproxy", "-db", "-f", name)
	cmd.ExtraFiles = []*os.File{listening}
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Wait() }) // the end of the context kills it
}
