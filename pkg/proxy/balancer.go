// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"

	"github.com/harbinger-ha/harbinger/pkg/health"
)

// A Balancer is the body of the balancer process. While no backend can take connections, its listening sockets refuse
// them.
type Balancer struct {
	conn       *net.UnixConn
	frontends  []*frontend
	dispatcher *dispatcher

	commands chan command
	results  chan result
	statuses chan chan Status // asks for a status
	changed  chan struct{}    // holds a signal when the status has something new
	drained  chan struct{}    // closed when the last connection has ended after a drain

	// The loop alone uses these.
	monitor   *monitor
	listening bool
	draining  bool
	settle    int       // number of the newest command to settle
	settles   time.Time // the sessions that it waits for began before; zero: it waits for none
	end       int       // number of the newest command to end sessions

	accepting sync.WaitGroup // acceptors
	sessions  sync.WaitGroup // connections
}

// NewBalancer returns a Balancer that gets its commands over conn. newChecker makes the health check of a backend.
func NewBalancer(log logr.Logger, conn *net.UnixConn, listeners []*net.TCPListener, newChecker func(netip.AddrPort, health.Config) Checker) *Balancer {
	b := &Balancer{
		conn:       conn,
		dispatcher: newDispatcher(log),
		commands:   make(chan command),
		results:    make(chan result),
		statuses:   make(chan chan Status),
		changed:    make(chan struct{}, 1), // one signal is as good as many
		drained:    make(chan struct{}),
		monitor:    newMonitor(log, newChecker),
	}
	for _, ln := range listeners {
		b.frontends = append(b.frontends, newFrontend(log, ln))
	}
	return b
}

// errDrained ends the goroutines of a balancer that has nothing left to do.
var errDrained = errors.New("drained")

// Run serves until ctx is cancelled, the keeper is gone, or the keeper asked it to drain and the last connection has ended. It
// resets the connections that are left.
func (b *Balancer) Run(ctx context.Context) error {
	defer b.close()
	group, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() {
		_ = b.conn.SetDeadline(time.Unix(1, 0)) // fails only when it is closed, as wanted
	})
	defer stop()
	group.Go(func() error { return receive(ctx, b.conn, b.commands) })
	group.Go(func() error { return b.report(ctx) })
	group.Go(func() error { return b.loop(ctx, group) })
	if err := group.Wait(); !errors.Is(err, errDrained) && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// close waits for the last connections and closes everything else.
func (b *Balancer) close() {
	b.accepting.Wait()
	b.sessions.Wait()
	b.monitor.close()
	for _, f := range b.frontends {
		f.listener.Close()
	}
	b.conn.Close()
}

// report sends the status on every change and as a heartbeat. The loop makes the status: where it hangs, so does the
// heartbeat.
func (b *Balancer) report(ctx context.Context) error {
	timer := time.NewTimer(heartbeat)
	defer timer.Stop()
	reply := make(chan Status, 1) // the loop does not wait for us
	for {
		if err := give(ctx, b.statuses, reply); err != nil {
			return err
		}
		status := <-reply
		if err := send(b.conn, report{protocolVersion, status}); err != nil {
			return errors.Join(ctx.Err(), err)
		}
		next := heartbeat
		if status.Settling > 0 {
			next = settleEvery
		}
		timer.Reset(next)
		select {
		case <-timer.C:
		case <-b.changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// loop owns the monitor.
func (b *Balancer) loop(ctx context.Context, group *errgroup.Group) error {
	b.monitor.probe = func(p *prober, timeout time.Duration) {
		group.Go(func() error { return b.probe(ctx, p, timeout) })
	}
	accept, stopAccepting := context.WithCancel(ctx)
	defer stopAccepting()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		changed, awaits := false, false
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-b.drained:
			return errDrained
		case reply := <-b.statuses:
			reply <- b.status(time.Now())
		case c := <-b.commands:
			changed = true
			b.monitor.apply(ctx, time.Now(), c.Settings)
			b.monitor.doubt(time.Now(), c.Doubt)
			b.takeLeave(c)
			if c.Drain && !b.draining {
				b.draining = true
				stopAccepting()
				awaits = true
			}
		case r := <-b.results:
			changed = b.monitor.checked(time.Now(), r)
		case s := <-b.dispatcher.signs:
			changed = b.monitor.shown(time.Now(), s)
		case <-timer.C:
		}
		if changed {
			if err := b.publish(ctx, accept); err != nil {
				return err
			}
		}
		if awaits { // now that the acceptors have begun, where the first command asks for the end
			group.Go(b.awaitSessions)
		}
		b.monitor.tick(time.Now())
		if d := b.monitor.deadline(); !d.IsZero() {
			timer.Reset(time.Until(d))
		}
	}
}

// probe makes one check.
func (b *Balancer) probe(ctx context.Context, p *prober, timeout time.Duration) error {
	return give(ctx, b.results, p.check(ctx, timeout, func() {
		_ = give(ctx, b.results, result{prober: p, silent: true}) // fails only at the end
	}))
}

// publish makes connections go where settings and health say. The first time, it begins to accept them. It closes
// connections last: their clients come back at once.
func (b *Balancer) publish(ctx, accept context.Context) error {
	b.monitor.openSessions(ctx)
	route := b.monitor.route()
	first := b.dispatcher.route.Swap(route) == nil
	if err := b.setListening(route.pool.Usable() && !b.draining, first); err != nil {
		return err
	}
	if first {
		for _, f := range b.frontends {
			b.accepting.Go(func() { f.accept(accept, func(conn *net.TCPConn) { b.admit(ctx, conn) }) })
		}
	}
	b.monitor.closeSessions()
	select {
	case b.changed <- struct{}{}:
	default:
	}
	return nil
}

// setListening makes the listening sockets accept or refuse. What the process before this one did to them is unknown.
func (b *Balancer) setListening(on, first bool) error {
	if on == b.listening && !first {
		return nil
	}
	b.listening = on
	for _, f := range b.frontends {
		change := f.refuse
		if on {
			change = f.listen
		}
		if err := change(); err != nil {
			return err
		}
	}
	return nil
}

// admit starts the relaying of an accepted connection.
func (b *Balancer) admit(ctx context.Context, conn *net.TCPConn) {
	if b.dispatcher.admit(conn) {
		b.sessions.Go(func() { b.dispatcher.serve(ctx, conn) })
	}
}

// takeLeave prepares the move of the virtual addresses to another host. Its sessions cannot follow: they are reset, so that their
// clients connect again at once, to the other host.
func (b *Balancer) takeLeave(c command) {
	if c.Settle > b.settle {
		b.settle, b.settles = c.Settle, time.Now()
	}
	if c.End > b.end {
		b.end, b.settles = c.End, time.Time{}
		for _, r := range b.dispatcher.relays.by(c.Settings.VirtualAddresses, time.Now()) {
			r.breakWith(errMoved)
		}
	}
}

// errMoved ends the sessions of a virtual address that leaves this host.
var errMoved = errors.New("the virtual address moves to another host")

// settling returns how many sessions a planned move waits for.
func (b *Balancer) settling() int {
	if b.settles.IsZero() {
		return 0
	}
	n := b.dispatcher.relays.transferring(b.monitor.settings.VirtualAddresses, b.settles, time.Now())
	if n == 0 {
		b.settles = time.Time{} // the wait is over: no later report looks at all sessions
	}
	return n
}

// awaitSessions waits for the last connection once no more are accepted.
func (b *Balancer) awaitSessions() error {
	b.accepting.Wait()
	b.sessions.Wait()
	close(b.drained)
	return nil
}

// status is what the keeper gets.
func (b *Balancer) status(now time.Time) Status {
	d := b.dispatcher
	s := Status{
		PID:      os.Getpid(),
		Backends: b.monitor.status(now),
		Accepted: d.accepted.Load(),
		Active:   d.active.now(), Peak: d.active.peak(),
		Settle: b.settle, Settling: b.settling(), End: b.end,
	}
	s.RefusedBy, s.Refused = d.refused.read()
	s.Rate, s.PeakRate = d.rate.read(now)
	s.Received, s.Sent = b.monitor.servers.bytes()
	return s
}
