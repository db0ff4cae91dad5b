// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"container/heap"
	"io"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/session"
)

// The places of a table are used again, each by a connection with a serial of its own, and stay where they are.
func TestTable(t *testing.T) {
	table := newTable()
	const count = 3*chunk + 1
	at, serials := map[int32]*connection{}, map[int32]int32{}
	for range count {
		i := table.add()
		c := table.at(i)
		if at[i] != nil || !c.live || c.server != -1 || c.opening != -1 {
			t.Fatalf("place %d is in use, or has %+v", i, c)
		}
		at[i], serials[i] = c, c.serial
		c.turn, c.queued, c.timer = 7, true, time.Second
	}
	for i, c := range at {
		if table.at(i) != c {
			t.Fatalf("place %d has moved", i)
		}
	}
	seen := 0
	table.each(func(i int32, _ *connection) {
		seen++
		if i%2 == 0 {
			table.remove(i) // while they are looked at
		}
	})
	if seen != count || table.taken() != count/2 {
		t.Errorf("%d were seen, %d are left", seen, table.taken())
	}
	for range count - count/2 {
		i := table.add()
		if c := table.at(i); c != at[i] || c.serial == serials[i] || c.queued || c.timer != 0 || c.turn != 0 {
			t.Fatalf("place %d has something of another connection: %+v", i, c)
		}
	}
	if len(table.chunks) != 4 || table.taken() != count {
		t.Errorf("%d chunks for %d connections", len(table.chunks), table.taken())
	}
}

// taken counts the places that are in use.
func (t *table) taken() (n int) {
	t.each(func(int32, *connection) { n++ })
	return n
}

// idleWorker returns a worker that does not run, with the route given by the timeouts.
func idleWorker(t testing.TB) *worker {
	t.Helper()
	r, err := New(Config{Workers: 1})
	must(t, err)
	r.SetRoute(routeTo(r, defaults))
	w := r.workers[0]
	w.route = r.route.Load()
	t.Cleanup(w.close)
	return w
}

func TestAlarmsComeInTheirOrder(t *testing.T) {
	var all alarms
	for _, at := range []time.Duration{5, 3, 9, 1, 7, 3} {
		heap.Push(&all, alarm{at: at})
	}
	for _, want := range []time.Duration{1, 3, 3, 5, 7, 9} {
		if got := heap.Pop(&all).(alarm).at; got != want {
			t.Errorf("alarm at %d, want %d", got, want)
		}
	}
}

// An alarm of a connection that has gone wakes none that has its place, and one that comes too early wakes nobody.
func TestStaleAlarm(t *testing.T) {
	w := idleWorker(t)
	begin := func(at time.Duration) (int32, *connection) {
		w.now = at
		i := w.table.add()
		c := w.table.at(i)
		for k := range c.dials {
			c.dials[k] = dial{fd: -1, server: -1}
		}
		c.sides[client].fd, c.sides[backend].fd = -1, -1
		w.feed(c, session.Event{Kind: session.Dialling}, nil)
		w.feed(c, session.Event{Kind: session.DialAccepted}, nil)
		return i, c
	}
	i, c := begin(time.Second)
	w.feed(c, session.Event{Kind: session.ClientSent, Over: true}, nil) // doubted half a second later
	w.arm(i, c)
	w.table.remove(i)
	i2, c2 := begin(1400 * time.Millisecond)
	w.feed(c2, session.Event{Kind: session.ClientSent, Over: true}, nil)
	w.arm(i2, c2)
	if i2 != i || len(w.alarms) != 2 {
		t.Fatalf("places %d and %d, %d alarms", i, i2, len(w.alarms))
	}
	w.now = 1500 * time.Millisecond
	w.ring()
	if len(w.alarms) != 1 || c2.timer != 1900*time.Millisecond || c2.Deadline(w.route.timing) != c2.timer {
		t.Errorf("%d alarms are left, that of the connection at %v", len(w.alarms), c2.timer)
	}
	w.feed(c2, session.Event{Kind: session.BackendSent}, nil) // nothing is due any more
	w.now = 2 * time.Second
	w.ring()
	if len(w.alarms) != 0 || c2.timer != 0 || w.timeout() != -1 {
		t.Errorf("%d alarms are left, that of the connection at %v, and the worker waits for %v", len(w.alarms), c2.timer, w.timeout())
	}
	w.table.remove(i2)
}

// An event of a descriptor that was closed in the same turn does nothing to the connection that has its number now.
func TestStaleEvent(t *testing.T) {
	client, backend, b := paired(t, defaults)
	must(t, ask2(client, backend))
	for k := range b.workers {
		b.inWorker(k, func(w *worker) {
			w.table.each(func(_ int32, c *connection) {
				for _, s := range c.sides {
					w.handle(&unix.EpollEvent{Events: unix.EPOLLERR | unix.EPOLLHUP, Fd: s.fd, Pad: w.owners[s.fd].generation - 1}, true)
				}
				if !c.live {
					t.Error("the event of another one has ended the connection")
				}
			})
		})
	}
	must(t, ask2(client, backend))
}

// To stop accepting at a number that is a connection's by now does nothing to that.
func TestStopAcceptingWhatWasClosed(t *testing.T) {
	client, backend, b := paired(t, defaults)
	must(t, ask2(client, backend))
	for k := range b.workers {
		b.inWorker(k, func(w *worker) {
			w.table.each(func(_ int32, c *connection) { w.unlisten(c.sides[0].fd) })
		})
	}
	must(t, ask2(client, backend))
	must(t, client.CloseWrite())
	_, err := io.ReadAll(backend)
	must(t, err)
}

// A connection that has moved all that a turn allows goes on in the next one, and its place may be another's by then.
func TestQueueOfTheNextTurn(t *testing.T) {
	w := idleWorker(t)
	i := w.table.add()
	c := w.table.at(i)
	w.again(i, c)
	w.again(i, c)
	if len(w.queue) != 1 || w.timeout() != 0 {
		t.Errorf("queue %v, and the worker waits for %v", w.queue, w.timeout())
	}
	w.table.remove(i)
	other := w.table.at(w.table.add())
	w.goOn()
	if len(w.queue) != 0 || other.queued {
		t.Errorf("queue %v", w.queue)
	}
	w.table.remove(i)
}

// Sources that do not come back are forgotten, however many there are, also when the log has said something about each.
func TestManySourcesAreForgotten(t *testing.T) {
	s := newSources()
	now := time.Second
	address := netip.MustParseAddr("fd00::")
	const minutes, each = 10, leastSources
	for range minutes {
		for range each {
			address = address.Next()
			s.enter(address, 0)
			s.mayLog(address, now)
			s.leave(address, now)
		}
		now += nameEvery
	}
	if n := len(s.all); n > 4*each {
		t.Errorf("%d of %d sources are kept", n, minutes*each)
	}
	s = newSources() // one of the first minute
	s.enter(address, 0)
	if s.leave(address, time.Second); len(s.all) != 0 {
		t.Error("a source that the log has said nothing about is kept")
	}
	s.enter(address, 0)
	s.mayLog(address, now)
	if s.leave(address, now); len(s.all) != 1 || s.enter(address, 1) != true || s.enter(address, 1) {
		t.Error("a source of which the log has spoken is forgotten at once, or has another limit")
	}
}
