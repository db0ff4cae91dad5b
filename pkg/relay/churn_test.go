// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

// brief serves a connection and closes it, so that thousands of them hold nothing at the end.
func brief(conn *net.TCPConn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	first := make([]byte, 1)
	if _, err := io.ReadFull(conn, first); err != nil {
		return
	}
	switch first[0] {
	case 'e':
		conn.Write(first)
		io.Copy(conn, struct{ io.Reader }{conn})
	case 'r':
		conn.SetLinger(0)
	case 'w':
		conn.Write(randomBytes(200_000))
	}
}

// endings are the ways of a client, by what it asks for.
var endings = []func(conn *net.TCPConn){
	func(*net.TCPConn) {}, // it is closed at once
	func(conn *net.TCPConn) { conn.SetLinger(0) },
	func(conn *net.TCPConn) { conn.Write([]byte("f")); io.Copy(io.Discard, conn) },
	func(conn *net.TCPConn) { conn.Write([]byte("r")); io.Copy(io.Discard, conn) },
	func(conn *net.TCPConn) { conn.Write([]byte("w")) }, // it reads nothing of the answer
	func(conn *net.TCPConn) { conn.Write([]byte("w")); conn.SetLinger(0) },
	func(conn *net.TCPConn) { conn.Write([]byte("e")); conn.CloseWrite(); io.Copy(io.Discard, conn) },
	func(conn *net.TCPConn) { conn.Write(helloOf(300)); conn.CloseWrite() },
	func(conn *net.TCPConn) {
		conn.Write([]byte("e"))
		io.ReadFull(conn, make([]byte, 1))
		conn.Write(randomBytes(30_000))
		io.ReadFull(conn, make([]byte, 30_000))
	},
}

// churn makes connections of every ending until a time.
func churn(t testing.TB, address netip.AddrPort, clients int, end time.Time) (made int64) {
	var n atomic.Int64
	var all sync.WaitGroup
	for k := range clients {
		all.Go(func() {
			for i := k; time.Now().Before(end); i++ {
				conn, err := net.DialTimeout("tcp", address.String(), patience)
				if err != nil {
					if !errors.Is(err, syscall.ECONNRESET) {
						t.Error(err)
					}
					continue
				}
				conn.SetDeadline(time.Now().Add(patience))
				endings[i%len(endings)](conn.(*net.TCPConn))
				conn.Close()
				n.Add(1)
			}
		})
	}
	all.Wait()
	return n.Load()
}

// briefBackend is newBackend whose connections end with what serves them.
func briefBackend(t testing.TB) netip.AddrPort {
	t.Helper()
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(loopback))
	must(t, err)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := ln.AcceptTCP()
			if err != nil {
				return
			}
			all.Go(func() { brief(conn) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		all.Wait()
	})
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

// withoutFreePipes counts the open file descriptors, without the pipes that workers keep for the next connections.
func (b *bench) withoutFreePipes(t testing.TB) int {
	t.Helper()
	for k := range b.workers {
		b.inWorker(k, func(w *worker) {
			w.pipes.all -= len(w.pipes.free)
			w.pipes.close()
		})
	}
	return descriptors(t)
}

// Connections of every ending leave nothing, whatever is commanded meanwhile.
func TestChurnLeavesNothing(t *testing.T) {
	for _, workers := range []int{1, 2, 8} {
		good, other, refusing := briefBackend(t), briefBackend(t), closedPort(t)
		b := newRelayWith(t, workers, func(r *Relay) *Route {
			return routeTo(r, balance.Timeouts{Connect: time.Second, HalfClosed: 2 * time.Second}, good, refusing, other)
		})
		churn(t, b.address, 4, time.Now().Add(100*time.Millisecond)) // whatever is made once
		b.untilEmpty(t)
		before := b.withoutFreePipes(t)
		stop, routes := make(chan struct{}), []*Route{b.route.Load().Route}
		routes = append(routes, &Route{Timeouts: defaults, Pool: routeTo(b.Relay, defaults, good).Pool, Servers: routes[0].Servers[:1], PerLimit: 3, Limit: 5})
		var commands sync.WaitGroup
		commands.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond):
				}
				b.SetRoute(routes[i%2])
				must(t, b.CloseSessions(t.Context(), routes[0].Servers[i%3], session.BackendDown))
				must(t, b.EndSessions(t.Context(), []netip.Addr{netip.MustParseAddr("127.0.0.1")}))
				must(t, b.Accept(b.fd))
			}
		})
		made := churn(t, b.address, 8, time.Now().Add(700*time.Millisecond))
		close(stop)
		commands.Wait()
		b.untilEmpty(t)
		until(t, "no descriptor is left", func() bool { return b.withoutFreePipes(t) <= before })
		f := b.Figures()
		if f.Active != 0 || f.Refused > f.Accepted || made < 10 {
			t.Errorf("%d connections were made: %+v", made, f)
		}
		b.stop()
	}
}

// A listening socket that somebody else has shut is reported, and accepts again when it listens again.
func TestShut(t *testing.T) {
	b := newRelay(t, defaults, newBackend(t, echo))
	kept := dialTo(t, b.address)
	must(t, ask(kept))
	for range 3 {
		must(t, unix.Shutdown(b.fd, unix.SHUT_RDWR))
		if fd := <-b.shut; fd != b.fd {
			t.Errorf("socket %d was reported, want %d", fd, b.fd)
		}
		if conn, err := net.Dial("tcp", b.address.String()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a connection to a socket that is shut: %v, %v", conn, err)
		}
		must(t, unix.Listen(b.fd, 1000))
		b.address = localAddress(int32(b.fd)) // one that nobody has chosen is lost
		must(t, b.Accept(b.fd))
		for range 8 {
			must(t, ask(dialTo(t, b.address)))
		}
		must(t, ask(kept))
	}
	b.StopAccepting(b.fd)
	must(t, b.each(t.Context(), func(*worker, int32, *connection) {}))
	for len(b.shut) > 0 {
		<-b.shut
	}
	must(t, unix.Shutdown(b.fd, unix.SHUT_RDWR)) // who has stopped does not hear of it
	must(t, b.each(t.Context(), func(*worker, int32, *connection) {}))
	if len(b.shut) > 0 {
		t.Error("a socket that nobody accepts at was reported")
	}
}
