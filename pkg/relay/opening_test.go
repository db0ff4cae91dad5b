// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

// helloOf returns a record that begins as one with a ClientHello, with so many bytes of any content.
func helloOf(size int) []byte {
	b := randomBytes(size)
	copy(b, []byte{22, 3, 1, 0, 0, 1})
	binary.BigEndian.PutUint16(b[3:], uint16(size-5))
	return b
}

func randomBytes(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// wantEcho writes in pieces and waits for all of it to come back.
func wantEcho(t testing.TB, conn net.Conn, sent []byte, piece int) {
	t.Helper()
	for rest := sent; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
		_, err := conn.Write(rest[:min(piece, len(rest))])
		must(t, err)
	}
	got := make([]byte, len(sent))
	if n, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d bytes of %d came back (%v), or others", n, len(sent), err)
	}
}

// untilEmpty waits until nothing is left of the connections of a relay: none is counted anywhere, and no worker keeps anything of one.
func (b *bench) untilEmpty(t testing.TB) {
	t.Helper()
	until(t, "no connection is left", func() bool { return b.Figures().Active == 0 })
	for _, s := range *b.servers.Load() {
		if n := s.Figures().Active; n != 0 {
			t.Errorf("server %v has %d connections", s.Address(), n)
		}
	}
	for k := range b.workers {
		b.inWorker(k, func(w *worker) {
			kept := len(w.openings.all) - len(w.openings.free)
			if n := w.sessions.Load(); n != 0 || w.table.taken() != 0 || kept != 0 || w.pipes.all != len(w.pipes.free) {
				t.Errorf("worker %d has %d sessions, %d places, %d openings, and %d of %d pipes are lent", k, n, w.table.taken(), kept,
					w.pipes.all-len(w.pipes.free), w.pipes.all)
			}
			if w.silent.count != 0 {
				t.Errorf("worker %d counts %d silent clients", k, w.silent.count)
			}
			for fd, o := range w.owners {
				if o.role != none && o.role != waking && o.role != listening {
					t.Errorf("worker %d still owns descriptor %d", k, fd)
				}
			}
		})
	}
}

// The second backend gets what the first one had got, in whatever way that failed and the client wrote.
func TestHelloMovesAsItWas(t *testing.T) {
	takes := func(size int, then func(*net.TCPConn)) func(*net.TCPConn) {
		return func(conn *net.TCPConn) {
			io.ReadFull(conn, make([]byte, size))
			then(conn)
		}
	}
	finishes := func(conn *net.TCPConn) { conn.CloseWrite() }
	closes := func(conn *net.TCPConn) { conn.Close() }
	const size = 3000
	for name, fails := range map[string]func(*net.TCPConn){
		"resets after all":        takes(size, resets),
		"resets after a part":     takes(size/2, resets),
		"finishes after all":      takes(size, finishes),
		"closes after all":        takes(size, closes),
		"closes after a part":     takes(10, closes), // a reset, as it has not read all
		"resets before the first": resets,
	} {
		for _, piece := range []int{1, 700, size} {
			t.Run(name, func(t *testing.T) {
				b := newRelay(t, defaults, newBackend(t, fails), newBackend(t, echo))
				for range 6 {
					conn := dialTo(t, b.address)
					wantEcho(t, conn, helloOf(size), piece)
					wantEcho(t, conn, randomBytes(100_000), 100_000)
					must(t, conn.CloseWrite())
					if rest, err := io.ReadAll(conn); len(rest) > 0 || err != nil {
						t.Errorf("at the end came %d bytes, %v", len(rest), err)
					}
				}
				b.untilEmpty(t)
			})
		}
	}
}

// Another dial may have begun by the time that a backend takes the connection over.
func TestHelloIsSentAgainAfterAHedge(t *testing.T) {
	timeouts := balance.Timeouts{Connect: 400 * time.Millisecond}
	b := newRelay(t, timeouts, newBackend(t, func(conn *net.TCPConn) {
		io.ReadFull(conn, make([]byte, 500))
		resets(conn)
	}), deafPort(t), newBackend(t, echo))
	for range 3 { // each begins with another backend
		wantEcho(t, dialTo(t, b.address), helloOf(500), 500)
	}
}

// What a client has sent is kept only as long as another backend may need it, and the room for it is used again.
func TestOpeningsAreKeptDuringTheOpening(t *testing.T) {
	var answers atomic.Bool
	b := newRelayWith(t, 1, func(r *Relay) *Route {
		return routeTo(r, defaults, newBackend(t, func(conn *net.TCPConn) {
			if answers.Load() {
				echo(conn)
			}
		}))
	})
	kept := func() (kept, places int) {
		b.inWorker(0, func(w *worker) {
			kept, places = len(w.openings.all)-len(w.openings.free), len(w.openings.all)
		})
		return kept, places
	}
	const count = 10
	for range count {
		_, err := dialTo(t, b.address).Write(helloOf(500))
		must(t, err)
	}
	until(t, "the relay keeps what they have sent", func() bool { n, _ := kept(); return n == count })
	answers.Store(true)
	must(t, b.CloseSessions(t.Context(), b.server(0), session.BackendDown)) // there is no other one
	until(t, "it keeps it no longer", func() bool { n, _ := kept(); return n == 0 })
	for range 2 * count {
		wantEcho(t, dialTo(t, b.address), helloOf(500), 500)
		_, err := dialTo(t, b.address).Write(randomBytes(bufferSize)) // it begins as no ClientHello
		must(t, err)
	}
	until(t, "all is passed on", func() bool { return b.server(0).Figures().Sent == count*500+2*count*(500+bufferSize) })
	if n, places := kept(); n != 0 || places > count {
		t.Errorf("%d openings are kept in %d places, want none in %d", n, places, count)
	}
}

// A place that has held much gives that back.
func TestOpeningsGiveBackRoom(t *testing.T) {
	var o openings
	first, _ := o.add(-1, []byte("one"))
	other, all := o.add(-1, randomBytes(mostKept+1))
	if first == other || len(all) != mostKept+1 {
		t.Fatalf("places %d and %d, %d bytes", first, other, len(all))
	}
	if place, all := o.add(first, []byte("two")); place != first || string(all) != "onetwo" {
		t.Errorf("place %d has %q", place, all)
	}
	o.drop(other)
	o.drop(first)
	if cap(o.all[other]) != 0 || cap(o.all[first]) == 0 {
		t.Errorf("room of %d and %d bytes is left", cap(o.all[first]), cap(o.all[other]))
	}
	for range 2 {
		place, all := o.add(-1, []byte("x"))
		if string(all) != "x" || place != first && place != other {
			t.Errorf("place %d has %q", place, all)
		}
	}
	if len(o.all) != 2 || len(o.free) != 0 {
		t.Errorf("%d places, %d free", len(o.all), len(o.free))
	}
}
