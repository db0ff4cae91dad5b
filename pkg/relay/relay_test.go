// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

func TestRelayPassesAFinishOnAndKeepsTheOtherDirection(t *testing.T) {
	client, backend, b := paired(t, defaults)
	io.WriteString(client, "question")
	must(t, client.CloseWrite())
	question, err := io.ReadAll(backend)
	must(t, err)
	if string(question) != "question" {
		t.Errorf("backend got %q", question)
	}
	io.WriteString(backend, "answer")
	must(t, backend.CloseWrite())
	answer, err := io.ReadAll(client)
	must(t, err)
	if string(answer) != "answer" {
		t.Errorf("client got %q", answer)
	}
	until(t, "no connection is left", func() bool { return b.Figures().Active == 0 })
}

func TestRelayPassesAResetOn(t *testing.T) {
	for name, swap := range map[string]bool{"from client": false, "from backend": true} {
		t.Run(name, func(t *testing.T) {
			one, other, b := paired(t, defaults)
			must(t, ask2(one, other)) // else the reset of a backend moves the client
			if swap {
				one, other = other, one
			}
			io.WriteString(one, "last words")
			resets(one)
			got, err := io.ReadAll(other)
			if string(got) != "last words" && len(got) > 0 || err == nil {
				t.Errorf("it got %q and %v, want what was sent at most, and a reset", got, err)
			}
			until(t, "no connection is left", func() bool { return b.Figures().Active == 0 })
		})
	}
}

// ask2 passes a byte each way.
func ask2(client, backend *net.TCPConn) error {
	for _, pair := range [][2]*net.TCPConn{{client, backend}, {backend, client}} {
		if _, err := pair[0].Write([]byte("x")); err != nil {
			return err
		}
		if _, err := io.ReadFull(pair[1], make([]byte, 1)); err != nil {
			return err
		}
	}
	return nil
}

func TestRelayResetsASideThatSendsToNobody(t *testing.T) {
	client, backend, b := paired(t, defaults)
	must(t, ask2(client, backend))
	must(t, backend.CloseWrite())
	_, err := io.ReadAll(client) // the finish has passed
	must(t, err)
	must(t, backend.Close())
	for err == nil { // until the backend's kernel has answered
		_, err = client.Write(make([]byte, 1000))
	}
	until(t, "no connection is left", func() bool { return b.Figures().Active == 0 })
}

func TestRelayEndsASilentHalfClosedConnection(t *testing.T) {
	timeouts := defaults
	timeouts.HalfClosed = 200 * time.Millisecond
	client, backend, _ := paired(t, timeouts)
	must(t, client.CloseWrite())
	for range 5 { // a busy one goes on beyond the time
		<-time.After(100 * time.Millisecond)
		_, err := backend.Write([]byte("x"))
		must(t, err)
		_, err = io.ReadFull(client, make([]byte, 1))
		must(t, err)
	}
	start := time.Now()
	wantReset(t, client)
	if took := time.Since(start); took < 100*time.Millisecond || took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

// A slow reader gets every byte, be it that there is no pipe for what it does not take.
func TestRelayKeepsEveryByteForASlowReader(t *testing.T) {
	sent := make([]byte, 16<<20)
	rand.Read(sent)
	for name, most := range map[string]int{"with pipes": mostPipes, "without": 0} {
		for direction, swap := range map[string]bool{"up": false, "down": true} {
			t.Run(name+", "+direction, func(t *testing.T) {
				from, to, b := paired(t, defaults)
				must(t, ask2(from, to))
				if swap {
					from, to = to, from
				}
				if most == 0 {
					b.withoutPipes(t)
				}
				var wait sync.WaitGroup
				wait.Go(func() {
					from.Write(sent)
					from.CloseWrite()
				})
				var got bytes.Buffer
				for buffer := make([]byte, 1<<10); got.Len() < len(sent); { // many small reads
					n, err := to.Read(buffer)
					must(t, err)
					got.Write(buffer[:n])
				}
				wait.Wait()
				if !bytes.Equal(got.Bytes(), sent) {
					t.Error("bytes were changed")
				}
			})
		}
	}
}

// withoutPipes has all workers believe that others have their pipes.
func (b *bench) withoutPipes(t testing.TB) {
	t.Helper()
	for k := range b.workers {
		b.inWorker(k, func(w *worker) {
			w.pipes.close()
			w.pipes.all = mostPipes
		})
	}
}

// Readers that take nothing hold no more pipes than there may be, and others are served beside them.
func TestManySlowReaders(t *testing.T) {
	answer := make([]byte, 32<<20)
	b := newRelayWith(t, 1, func(r *Relay) *Route {
		return routeTo(r, defaults, newBackend(t, func(conn *net.TCPConn) {
			first := make([]byte, 1)
			io.ReadFull(conn, first)
			if first[0] == 'x' {
				conn.Write(first)
				return
			}
			conn.Write(answer)
		}))
	})
	for range mostPipes + 20 {
		_, err := dialTo(t, b.address).Write([]byte("much"))
		must(t, err)
	}
	until(t, "all are at the backend", func() bool { return b.server(0).Figures().Total == mostPipes+20 })
	for range 20 {
		must(t, ask(dialTo(t, b.address)))
	}
	b.inWorker(0, func(w *worker) {
		w.table.each(func(_ int32, c *connection) {
			if kept := c.sides[client].memory() + c.sides[backend].memory(); kept > mostKeptOfSlow {
				t.Errorf("a slow reader holds %d KB of the kernel's memory", kept>>10)
			}
		})
	})
	b.inWorker(0, func(w *worker) {
		if w.pipes.all > mostPipes || w.pipes.all < mostPipes/2 {
			t.Errorf("%d pipes, want as many as there may be", w.pipes.all)
		}
	})
}

// inWorker calls ask in a worker, and returns when that has returned.
func (b *bench) inWorker(k int, ask func(w *worker)) {
	done := make(chan struct{})
	w := b.workers[k]
	w.do(func() {
		defer close(done)
		ask(w)
	})
	<-done
}

// mostKeptOfSlow is what the two sockets of a connection may hold whose reader takes nothing: it was 13 MB where nothing bounds it.
const mostKeptOfSlow = 2 << 20

// memory returns how many bytes wait in a socket, to be read and to be sent.
func (s *side) memory() uint32 {
	var info [9]uint32 // SK_MEMINFO_VARS
	size := uint32(unsafe.Sizeof(info))
	_, _, _ = unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(s.fd), unix.SOL_SOCKET, unix.SO_MEMINFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	return info[0] + info[5] // SK_MEMINFO_RMEM_ALLOC, SK_MEMINFO_WMEM_QUEUED
}

// descriptors counts the open file descriptors of this process.
func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(entries)
}

func TestIdleConnectionHoldsTwoDescriptors(t *testing.T) {
	b := newRelay(t, defaults, newBackend(t, echo))
	for range 8 {
		must(t, ask(dialTo(t, b.address))) // whatever each worker makes once
	}
	before := descriptors(t)
	const count = 20
	for range count {
		must(t, ask(dialTo(t, b.address))) // it has been in use
	}
	// Two are the test's own ends.
	if got := descriptors(t) - before; got != 4*count {
		t.Errorf("%d connections hold %d descriptors, want %d", count, got, 4*count)
	}
}

// The options of a connection are those of the route; a client inherits them from the listening socket, and a backend gets them when
// the connection has lasted for a while.
func TestKeepAliveAsksTheKernel(t *testing.T) {
	client, backend, b := paired(t, defaults)
	must(t, ask2(client, backend))
	want := append([]option{noDelay}, keepAlive(15*time.Second)...)
	if len(want) != 6 || want[1].value != 15 || want[2].value != 5 || want[5].value != 60_000 {
		t.Errorf("options %v", want)
	}
	until(t, "both sides have the options", func() bool {
		all := 0
		for k := range b.workers {
			b.inWorker(k, func(w *worker) {
				w.table.each(func(_ int32, c *connection) {
					for _, o := range want {
						for side := range c.sides {
							if got, err := unix.GetsockoptInt(int(c.sides[side].fd), o.level, o.name); got == o.value && err == nil {
								all++
							}
						}
					}
				})
			})
		}
		return all == 2*len(want)
	})
}

// Sessions are spread over the workers, also where they come all at once.
func TestWorkersShareSessions(t *testing.T) {
	b := newRelay(t, defaults, newBackend(t, echo))
	const count = 40
	for range count {
		must(t, ask(dialTo(t, b.address)))
	}
	for k, w := range b.workers {
		if n := w.sessions.Load(); n < count/2-spread || n > count/2+spread {
			t.Errorf("worker %d has %d of %d sessions", k, n, count)
		}
	}
}

func TestRefusalsAreCountedByTheirReason(t *testing.T) {
	timeouts := balance.Timeouts{Connect: 200 * time.Millisecond}
	full := func(r *Relay) *Route {
		route := routeTo(r, timeouts, closedPort(t), closedPort(t))
		route.PerLimit = 1
		for _, server := range route.Servers {
			server.active.enter(0)
		}
		return route
	}
	to := func(backends ...netip.AddrPort) func(r *Relay) *Route {
		return func(r *Relay) *Route { return routeTo(r, timeouts, backends...) }
	}
	for name, tt := range map[string]struct {
		route func(*Relay) *Route
		want  session.Cause
	}{
		"no backend":             {to(), session.NoBackend},
		"backends that refuse":   {to(closedPort(t), closedPort(t)), session.NoneAccepted},
		"a backend that is deaf": {to(deafPort(t)), session.NoneAccepted},
		"backends that are full": {full, session.ConnectionLimit},
		"too many connections": {func(r *Relay) *Route {
			route := routeTo(r, timeouts, closedPort(t))
			route.Limit = 1
			r.active.enter(0)
			return route
		}, session.ConnectionLimit},
	} {
		t.Run(name, func(t *testing.T) {
			b := newRelayWith(t, 2, tt.route)
			conn, err := net.Dial("tcp", b.address.String())
			if err == nil {
				defer conn.Close()
				wantReset(t, conn)
			}
			until(t, "it is counted", func() bool {
				f := b.Figures()
				return f.Refused == 1 && f.RefusedBy[tt.want] == 1 && len(f.RefusedBy) == len(session.Refusals()) && f.Accepted == 1
			})
		})
	}
}

// BenchmarkPingPong asks and answers through a relay, which costs most with small messages: a read and a write of each for each way.
func BenchmarkPingPong(b *testing.B) {
	for _, size := range []int{64, 1 << 10, bufferSize} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			client := dialTo(b, newRelay(b, defaults, newBackend(b, echo)).address)
			must(b, client.SetDeadline(time.Time{}))
			message := make([]byte, size)
			b.SetBytes(int64(2 * size))
			for b.Loop() {
				if _, err := client.Write(message); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(client, message); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
