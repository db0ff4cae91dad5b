// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/session"
)

// short is what counts as idle in these tests.
const short = 50 * time.Millisecond

// untilAll waits until as many connections are of a kind.
func (b *bench) untilAll(t *testing.T, count int, what string, is func(w *worker, c *connection) bool) {
	t.Helper()
	until(t, what, func() bool {
		var n atomic.Int64
		must(t, b.each(t.Context(), func(w *worker, _ int32, c *connection) {
			if is(w, c) {
				n.Add(1)
			}
		}))
		return int(n.Load()) == count
	})
}

// untilIdle waits until as many connections are idle.
func (b *bench) untilIdle(t *testing.T, count int) {
	t.Helper()
	b.untilAll(t, count, "they are idle", func(w *worker, c *connection) bool { return c.idle(w.now, short) })
}

// wantEnd holds that a connection ends as a server ends one that was idle: without a reset.
func wantEnd(t *testing.T, conn net.Conn) {
	t.Helper()
	must(t, conn.SetReadDeadline(time.Now().Add(patience)))
	if n, err := io.Copy(io.Discard, conn); n != 0 || err != nil {
		t.Errorf("%d bytes and %v, want the end", n, err)
	}
}

// The oldest idle connections of a server end, no more than asked for, and the figures and the list say why.
func TestOldestIdleConnectionsEnd(t *testing.T) {
	b := newRelay(t, defaults, newBackend(t, echo))
	all := map[string]net.Conn{}
	for range 6 {
		conn := dialTo(t, b.address)
		must(t, ask(conn))
		all[conn.LocalAddr().String()] = conn
	}
	b.untilIdle(t, 6)
	for i, c := range b.listed(t).Running {
		if i == 0 {
			if n, err := b.EndIdle(t.Context(), b.server(0), 2, short); n != 2 || err != nil {
				t.Fatalf("%d have ended, %v", n, err)
			}
		}
		if i < 2 {
			wantEnd(t, all[c.Client])
		} else {
			must(t, ask(all[c.Client]))
		}
	}
	if n, err := b.EndIdle(t.Context(), b.server(0), 10, time.Hour); n != 0 || err != nil {
		t.Errorf("%d have ended that are not idle for so long, %v", n, err)
	}
	other := b.Server(loopback)
	if n, err := b.EndIdle(t.Context(), other, 10, 0); n != 0 || err != nil {
		t.Errorf("%d of another server have ended, %v", n, err)
	}
	if n := b.server(0).Figures().Sessions.Ended[session.Rebalanced]; n != 2 {
		t.Errorf("%d are counted", n)
	}
	if list := b.listed(t); len(list.Ended) != 2 || list.Ended[0].Reason != "Rebalanced" || len(list.Running) != 4 {
		t.Errorf("the list is %+v", list)
	}
}

// A connection whose reader has not taken all is not idle, however long nothing was read; nor is one that one side has finished.
func TestWhatIsUnderWayIsNotIdle(t *testing.T) {
	const size = 64 << 20 // more than all buffers
	b := newRelay(t, defaults, newBackend(t, func(conn *net.TCPConn) {
		if first := make([]byte, 1); must2(io.ReadFull(conn, first)) && first[0] == 'd' {
			conn.Write(make([]byte, size))
		}
		io.Copy(io.Discard, conn)
	}))
	slow, half := dialTo(t, b.address), dialTo(t, b.address)
	must(t, slow.SetReadBuffer(4096))
	_, err := io.WriteString(slow, "d")
	must(t, err)
	_, err = io.WriteString(half, "h")
	must(t, err)
	must(t, half.CloseWrite())
	b.untilAll(t, 1, "the slow one takes no more", func(_ *worker, c *connection) bool { return !c.sides[client].writable })
	b.untilAll(t, 1, "the other is half closed", func(_ *worker, c *connection) bool { return c.Relays() && !c.Whole() })
	b.untilAll(t, 2, "nothing moves any more", func(w *worker, c *connection) bool {
		return max(c.sides[client].flow.at, c.sides[backend].flow.at)+short < w.now
	})
	for range 3 {
		if n, err := b.EndIdle(t.Context(), b.server(0), 10, short); n != 0 || err != nil {
			t.Errorf("%d have ended, %v", n, err)
		}
	}
}

func must2(_ int, err error) bool { return err == nil }

// A worker that has never had a connection ends none of another one's.
func TestIdleConnectionOfOneWorker(t *testing.T) {
	b := newRelayWith(t, 8, func(r *Relay) *Route { return routeTo(r, defaults, newBackend(t, echo)) })
	conn := dialTo(t, b.address)
	must(t, ask(conn))
	b.untilIdle(t, 1)
	if n, err := b.EndIdle(t.Context(), b.server(0), 4, short); n != 1 || err != nil {
		t.Fatalf("%d have ended, %v", n, err)
	}
	wantEnd(t, conn)
}
