// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

// Config describes a Relay. Its functions are called by any worker, and must not wait.
type Config struct {
	Log     logr.Logger
	Workers int // above 0
	// Sign takes evidence about a server from the connections of clients.
	Sign func(*Server, health.Event)
	// Shut is called with a listening socket that does not listen any more although nobody has called StopAccepting.
	Shut func(fd int)
}

// A Relay serves the connections of clients. Its methods may be called by any number of goroutines, once SetRoute has been called.
type Relay struct {
	cfg     Config
	start   time.Time
	workers []*worker
	route   atomic.Pointer[route]
	stopped atomic.Bool

	servers atomic.Pointer[[]*Server] // by their numbers
	adding  sync.Mutex

	turn     atomic.Uint64
	active   level
	accepted atomic.Uint64
	rate     rate // of those accepted
	refused  refusals
	sources  sources
	fullSaid atomic.Int64 // when the log said that there are too many connections; 0: never
	short    atomic.Bool  // the last accept failed for want of something

	records   chan record
	unwritten atomic.Int64 // records that found no room

	idle     chan struct{} // holds a signal when no connection is left
	draining atomic.Bool
}

// route is a Route, and what is made of it once.
type route struct {
	*Route
	timing    session.Timing
	keepAlive []option
	activeOf  func(int) int
}

// New returns a Relay that serves nothing yet.
func New(cfg Config) (*Relay, error) {
	r := &Relay{
		cfg: cfg, start: time.Now().Add(-time.Second), // no time of a session is zero
		refused: newRefusals(), sources: newSources(), records: make(chan record, mostRecords), idle: make(chan struct{}, 1),
	}
	r.servers.Store(new([]*Server))
	for range cfg.Workers {
		w, err := newWorker(r)
		if err != nil {
			for _, made := range r.workers {
				made.close()
			}
			return nil, err
		}
		r.workers = append(r.workers, w)
	}
	return r, nil
}

// clock returns the time of sessions.
func (r *Relay) clock() time.Duration { return time.Since(r.start) }

// Server makes a server of an address. It lasts as long as the Relay, so that what it has counted is not lost: sessions go on when
// its backend is none any more, and it may come back.
func (r *Relay) Server(address netip.AddrPort) *Server {
	r.adding.Lock()
	defer r.adding.Unlock()
	all := *r.servers.Load()
	s := &Server{address: address, id: int32(len(all))}
	all = append(slices.Clone(all), s)
	r.servers.Store(&all)
	return s
}

func (r *Relay) server(id int32) *Server { return (*r.servers.Load())[id] }

// SetRoute changes where new connections go, and how all are treated.
func (r *Relay) SetRoute(to *Route) {
	r.route.Store(&route{Route: to, timing: to.timing(), keepAlive: keepAlive(to.Timeouts.KeepAlive), activeOf: to.active})
}

// Run serves until ctx ends. It resets the connections that are left then.
func (r *Relay) Run(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		r.stopped.Store(true)
		for _, w := range r.workers {
			w.do(func() {})
		}
	})
	defer stop()
	var all, written sync.WaitGroup
	written.Go(r.log)
	for _, w := range r.workers {
		all.Go(w.run)
	}
	all.Wait()
	for _, w := range r.workers {
		w.close() // now that no other worker hands over a connection
	}
	close(r.records)
	written.Wait()
}

// Accept begins to accept the connections of a listening socket, which stays that of the caller. Its options, which its connections
// inherit, become those of the route.
func (r *Relay) Accept(fd int) error {
	for _, o := range append([]option{noDelay, unsent}, r.route.Load().keepAlive...) {
		if errno := setOption(int32(fd), o); errno != 0 {
			return errno
		}
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	for _, w := range r.workers {
		w.do(func() {
			w.unlisten(int32(fd))
			w.listen(int32(fd))
		})
	}
	return nil
}

// StopAccepting ends that.
func (r *Relay) StopAccepting(fd int) {
	for _, w := range r.workers {
		w.do(func() { w.unlisten(int32(fd)) })
	}
}

// each calls do for every connection, and returns when that is done, or when ctx ends: where the Relay has stopped, nobody does it.
func (r *Relay) each(ctx context.Context, do func(w *worker, i int32, c *connection)) error {
	return r.ask(ctx, func(_ int, w *worker) {
		w.table.each(func(i int32, c *connection) { do(w, i, c) })
	})
}

// ask has each worker do something, and returns as each does.
func (r *Relay) ask(ctx context.Context, do func(k int, w *worker)) error {
	done := make(chan struct{}, len(r.workers))
	for k, w := range r.workers {
		w.do(func() {
			do(k, w)
			done <- struct{}{}
		})
	}
	for range r.workers {
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// CloseSessions resets the connections to a server, and the dials of it. Those that another server may take go on there.
func (r *Relay) CloseSessions(ctx context.Context, s *Server, why session.Cause) error {
	return r.each(ctx, func(w *worker, i int32, c *connection) { w.lose(i, c, s.id, why) })
}

// EndSessions resets the connections that came in by one of some addresses.
func (r *Relay) EndSessions(ctx context.Context, addresses []netip.Addr) error {
	return r.each(ctx, func(w *worker, i int32, c *connection) {
		if slices.Contains(addresses, localAddress(c.sides[client].fd).Addr()) {
			w.step(i, c, session.Event{Kind: session.Ended, Cause: session.AddressMoved})
		}
	})
}

// Transferring returns how many of the connections that came in by one of some addresses, and were accepted before a time, transfer
// something now.
func (r *Relay) Transferring(ctx context.Context, addresses []netip.Addr, before time.Time) (int, error) {
	var n atomic.Int64
	limit := before.Sub(r.start)
	err := r.each(ctx, func(w *worker, _ int32, c *connection) {
		if c.accepted < limit && c.transferring(w.now) && slices.Contains(addresses, localAddress(c.sides[client].fd).Addr()) {
			n.Add(1)
		}
	})
	return int(n.Load()), err
}

// Drained returns a channel that has a signal when no connection is left. Nothing may be accepted any more.
func (r *Relay) Drained(ctx context.Context) (<-chan struct{}, error) {
	// By then each worker has counted in what it had accepted.
	if err := r.each(ctx, func(*worker, int32, *connection) {}); err != nil {
		return nil, err
	}
	r.draining.Store(true)
	r.signalIdle()
	return r.idle, nil
}

// left is called when a connection has ended.
func (r *Relay) left() {
	if r.active.leave() == 0 && r.draining.Load() {
		r.signalIdle()
	}
}

func (r *Relay) signalIdle() {
	if r.active.now() > 0 {
		return
	}
	select {
	case r.idle <- struct{}{}:
	default: // one signal is as good as many
	}
}

// idlest returns the worker with the fewest sessions.
func (r *Relay) idlest() *worker {
	least := r.workers[0]
	for _, w := range r.workers[1:] {
		if w.sessions.Load() < least.sessions.Load() {
			least = w
		}
	}
	return least
}

// Figures are what a Relay has counted.
type Figures struct {
	Accepted, Refused uint64 // connections, and those of them that were refused
	RefusedBy         map[session.Cause]uint64
	Active, Peak      int // connections now, and the most there ever were
	Rate, PeakRate    int // connections accepted in the last second, and the most in one
}

// Figures returns what it has counted.
func (r *Relay) Figures() Figures {
	f := Figures{Accepted: r.accepted.Load(), Active: r.active.now(), Peak: r.active.peak()}
	f.RefusedBy, f.Refused = r.refused.read()
	f.Rate, f.PeakRate = r.rate.read(r.clock())
	return f
}
