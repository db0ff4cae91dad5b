// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

// late starts a relay whose first dial meets a deaf server, so that what a client does before a backend has accepted is done.
func late(t testing.TB, serve func(*net.TCPConn)) *bench {
	t.Helper()
	timeouts := balance.Timeouts{Connect: 800 * time.Millisecond}
	return newRelay(t, timeouts, newBackend(t, serve), deafPort(t)) // the first turn begins with the second
}

// untilDialled waits until the dial of the first server is under way.
func (b *bench) untilDialled(t testing.TB) {
	t.Helper()
	until(t, "a server is dialled", func() bool { return b.server(1).Figures().Active == 1 })
}

// A client that asks and finishes before a backend has accepted gets its answer from the one that is dialled as well.
func TestClientFinishesBeforeABackendAccepts(t *testing.T) {
	b := late(t, func(conn *net.TCPConn) {
		all, err := io.ReadAll(conn)
		if err == nil {
			conn.Write(all)
			conn.CloseWrite()
		}
	})
	conn := dialTo(t, b.address)
	question := randomBytes(300_000)
	var wait sync.WaitGroup
	wait.Go(func() {
		conn.Write(question)
		conn.CloseWrite()
	})
	b.untilDialled(t)
	answer, err := io.ReadAll(conn)
	wait.Wait()
	if err != nil || !bytes.Equal(answer, question) {
		t.Errorf("the answer has %d bytes (%v), or others", len(answer), err)
	}
	if got := b.silent(); len(got) != 1 || got[0] != b.server(1).Address() {
		t.Errorf("blamed for silence: %v", got)
	}
	b.untilEmpty(t)
}

// A client that has gone by then leaves nothing, and no backend is blamed for that.
func TestClientIsGoneBeforeABackendAccepts(t *testing.T) {
	for name, goes := range map[string]func(*net.TCPConn){
		"closed":           func(conn *net.TCPConn) { conn.Close() },
		"reset":            resets,
		"reset after data": func(conn *net.TCPConn) { conn.Write(helloOf(400)); resets(conn) },
	} {
		t.Run(name, func(t *testing.T) {
			b := late(t, func(conn *net.TCPConn) {
				io.Copy(io.Discard, conn)
				conn.Close()
			})
			conn := dialTo(t, b.address)
			b.untilDialled(t)
			goes(conn)
			b.untilEmpty(t)
			if f := b.server(0).Figures(); f.Total != 1 || f.Failures != 0 || b.Figures().Refused != 0 {
				t.Errorf("the server that accepted: %+v, of the relay: %+v", f, b.Figures())
			}
			if got := b.silent(); len(got) != 1 {
				t.Errorf("blamed for silence: %v", got)
			}
		})
	}
}

// All servers are deaf: each is dialled once, as many as may be at the same time, and the client is refused when the last has had its time.
func TestAllServersAreDeaf(t *testing.T) {
	const connect = 400 * time.Millisecond
	b := newRelay(t, balance.Timeouts{Connect: connect}, deafPort(t), deafPort(t), deafPort(t), deafPort(t), deafPort(t))
	start := time.Now()
	wantReset(t, dialTo(t, b.address))
	if took := time.Since(start); took < connect || took > 5*connect {
		t.Errorf("it took %v", took)
	}
	for k, s := range *b.servers.Load() {
		if f := s.Figures(); f.Failures != 1 || f.Total != 0 || f.Peak != 1 {
			t.Errorf("server %d: %+v", k, f)
		}
	}
	if f := b.Figures(); f.RefusedBy[session.NoneAccepted] != 1 || len(b.silent()) == 0 {
		t.Errorf("%+v, blamed for silence: %v", f, b.silent())
	}
	b.untilEmpty(t)
}

// tryAsk asks over a new connection, which may be refused.
func tryAsk(t testing.TB, b *bench) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", b.address.String(), patience)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	return conn, ask(conn)
}

// No server ever has more connections than it may, however many come at once; one that ends makes room.
func TestLimitOfAServer(t *testing.T) {
	const limit = 5
	b := newRelayWith(t, 2, func(r *Relay) *Route {
		route := routeTo(r, defaults, newBackend(t, echo), newBackend(t, echo))
		route.PerLimit = limit
		return route
	})
	var served []net.Conn
	for range 4 * limit {
		conn, err := tryAsk(t, b)
		switch {
		case err == nil:
			served = append(served, conn)
		case !errors.Is(err, syscall.ECONNRESET):
			t.Error(err)
		}
	}
	if f := b.Figures(); len(served) != 2*limit || f.RefusedBy[session.ConnectionLimit] != 2*limit {
		t.Errorf("%d are served: %+v", len(served), f)
	}
	must(t, served[0].Close())
	until(t, "there is room", func() bool {
		_, err := tryAsk(t, b)
		return err == nil
	})
	for k := range 2 {
		if f := b.server(int32(k)).Figures(); f.Peak != limit {
			t.Errorf("server %d: %+v, want %d at most", k, f, limit)
		}
	}
}

// Much data is on its way each way when both sides finish.
func TestBothSidesFinishWithMuchToCome(t *testing.T) {
	up, down := randomBytes(3<<20), randomBytes(4<<20)
	for name, pipes := range map[string]bool{"with pipes": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			client, backend, b := paired(t, defaults)
			must(t, ask2(client, backend))
			if !pipes {
				b.withoutPipes(t)
				defer func() {
					for k := range b.workers {
						b.inWorker(k, func(w *worker) { w.pipes.all = 0 })
					}
				}()
			}
			var wait sync.WaitGroup
			for conn, what := range map[*net.TCPConn][]byte{client: up, backend: down} {
				wait.Go(func() {
					conn.Write(what)
					conn.CloseWrite()
				})
			}
			for conn, want := range map[*net.TCPConn][]byte{client: down, backend: up} {
				wait.Go(func() {
					if got, err := io.ReadAll(conn); err != nil || !bytes.Equal(got, want) {
						t.Errorf("%d bytes of %d came (%v), or others", len(got), len(want), err)
					}
				})
			}
			wait.Wait()
			until(t, "no connection is left", func() bool { return b.Figures().Active == 0 })
		})
	}
}

// Without a file descriptor, connections wait in the queue of the socket, and are accepted when there are some again. Those that
// are there go on.
func TestAcceptWithoutDescriptors(t *testing.T) {
	b := newRelay(t, defaults, newBackend(t, echo))
	kept := dialTo(t, b.address)
	must(t, ask(kept))
	waiting := dialTo(t, b.address) // so that the test needs none later
	must(t, ask(waiting))
	var enough unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &enough))
	next, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(next)
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: enough.Max}))
	err = unix.Connect(next, &unix.SockaddrInet4{Port: int(b.address.Port()), Addr: b.address.Addr().As4()})
	until(t, "a worker pauses", func() bool {
		paused := false
		for k := range b.workers {
			b.inWorker(k, func(w *worker) { paused = paused || len(w.pauses) > 0 })
		}
		return paused
	})
	served := errors.Join(ask(kept), ask(waiting))
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &enough))
	must(t, errors.Join(err, served))
	if n := b.Figures().Accepted; n != 2 {
		t.Errorf("%d connections are accepted, want 2", n)
	}
	until(t, "it is accepted", func() bool { return b.Figures().Accepted == 3 })
	said := 0
	for _, line := range b.logged() {
		if bytes.Contains([]byte(line), []byte("too many open files")) {
			said++
		}
	}
	if said != 1 {
		t.Errorf("it is said %d times, want once: %v", said, b.logged())
	}
}
