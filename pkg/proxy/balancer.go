// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/relay"
)

// A Balancer is the body of the balancer process. While no backend can take connections, its listening sockets refuse
// them.
type Balancer struct {
	conn      *net.UnixConn
	frontends []*frontend
	relay     *relay.Relay
	signs     chan sign // evidence about backends from the connections of clients
	shut      chan int  // descriptors of listening sockets that somebody else has shut
	revive    chan *frontend

	commands chan command
	results  chan result
	reports  chan chan report // asks for a report
	changed  chan struct{}    // holds a signal when the status has something new
	drained  <-chan struct{}  // has a signal when the last connection has ended after a drain; nil before

	// The loop alone uses these.
	monitor   *monitor
	listening *bool            // nil: nobody has decided yet
	timeouts  balance.Timeouts // that the listening sockets know
	draining  bool
	settle    int                      // number of the newest command to settle
	settles   time.Time                // the sessions that it waits for began before; zero: it waits for none
	end       int                      // number of the newest command to end sessions
	list      int                      // number of the newest command to list connections
	listed    *v1alpha1.ConnectionList // that it asked for, until it is reported
}

// A sign is evidence about a server from the connections of clients.
type sign struct {
	server *relay.Server
	event  health.Event
}

// NewBalancer returns a Balancer that gets its commands over conn. newChecker makes the health check of a backend.
func NewBalancer(log logr.Logger, conn *net.UnixConn, listeners []*Listener, newChecker func(balance.Backend, health.Config) Checker) (*Balancer, error) {
	b := &Balancer{
		conn:     conn,
		signs:    make(chan sign, 64), // those beyond these say the same
		shut:     make(chan int, len(listeners)*Workers()),
		revive:   make(chan *frontend),
		commands: make(chan command),
		results:  make(chan result),
		reports:  make(chan chan report),
		changed:  make(chan struct{}, 1), // one signal is as good as many
	}
	var err error
	b.relay, err = relay.New(relay.Config{Log: log, Workers: Workers(), Sign: b.sign, Shut: func(fd int) { b.shut <- fd }})
	if err != nil {
		return nil, err
	}
	b.monitor = newMonitor(log, b.relay.Server, newChecker)
	for _, ln := range listeners {
		b.frontends = append(b.frontends, newFrontend(log, b.relay, ln))
	}
	return b, nil
}

// mostWorkers is how many workers relay at most: a control plane does not need more, and a host may have a hundred processors.
const mostWorkers = 8

// Workers returns how many workers relay: one for each processor that this process may use.
func Workers() int { return min(runtime.NumCPU(), mostWorkers) }

// sign takes evidence about a server.
func (b *Balancer) sign(server *relay.Server, event health.Event) {
	select {
	case b.signs <- sign{server, event}:
	default:
	}
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
	group.Go(func() error {
		b.relay.Run(ctx)
		return ctx.Err()
	})
	if err := group.Wait(); !errors.Is(err, errDrained) && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// close closes what the relay has left.
func (b *Balancer) close() {
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
	reply := make(chan report, 1) // the loop does not wait for us
	for {
		if err := give(ctx, b.reports, reply); err != nil {
			return err
		}
		r := <-reply
		if err := send(b.conn, r); err != nil {
			return errors.Join(ctx.Err(), err)
		}
		next := heartbeat
		if r.Status.Settling > 0 {
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

// loop owns the monitor and the frontends.
func (b *Balancer) loop(ctx context.Context, group *errgroup.Group) error {
	b.monitor.probe = func(p *prober, timeout time.Duration) {
		group.Go(func() error { return b.probe(ctx, p, timeout) })
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		changed := false
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-b.drained:
			return errDrained
		case reply := <-b.reports:
			status, err := b.status(ctx, time.Now())
			if err != nil {
				return err
			}
			reply <- report{protocolVersion, status, b.listed}
			b.listed = nil
		case c := <-b.commands:
			changed = true
			if err := b.take(ctx, c); err != nil {
				return err
			}
		case r := <-b.results:
			changed = b.monitor.checked(time.Now(), r)
		case s := <-b.signs:
			changed = b.monitor.shown(time.Now(), s)
		case fd := <-b.shut:
			b.wasShut(ctx, group, fd)
		case f := <-b.revive:
			f.revive()
		case <-timer.C:
		}
		if changed {
			if err := b.publish(ctx); err != nil {
				return err
			}
		}
		b.monitor.tick(time.Now())
		if err := b.rebalance(ctx, time.Now()); err != nil {
			return err
		}
		if d := b.monitor.deadline(); !d.IsZero() {
			timer.Reset(time.Until(d))
		}
	}
}

// take takes a command of the keeper.
func (b *Balancer) take(ctx context.Context, c command) error {
	b.monitor.apply(time.Now(), c.Settings)
	b.monitor.order(time.Now(), c.Orders)
	b.monitor.doubt(time.Now(), c.Doubt)
	b.draining = b.draining || c.Drain
	if c.List > b.list {
		list, err := b.relay.List(ctx)
		if err != nil {
			return err
		}
		b.list, b.listed = c.List, &list
	}
	return b.takeLeave(ctx, c)
}

// wasShut has a socket listen again after a while that somebody else has shut.
func (b *Balancer) wasShut(ctx context.Context, group *errgroup.Group, fd int) {
	for _, f := range b.frontends {
		_ = f.listener.control(func(its int) error { // it is open
			if its != fd || !f.open || f.reviving {
				return nil
			}
			f.reviving = true
			group.Go(func() error {
				select {
				case <-time.After(reviveAfter):
					return give(ctx, b.revive, f)
				case <-ctx.Done():
					return ctx.Err()
				}
			})
			return nil
		})
	}
}

// probe makes one check.
func (b *Balancer) probe(ctx context.Context, p *prober, timeout time.Duration) error {
	return give(ctx, b.results, p.check(ctx, timeout, func() {
		_ = give(ctx, b.results, result{prober: p, silent: true}) // fails only at the end
	}))
}

// publish makes connections go where settings and health say. It closes connections last: their clients come back at once.
func (b *Balancer) publish(ctx context.Context) error {
	route := b.monitor.route()
	b.relay.SetRoute(route)
	if err := b.setListening(route.Pool.Usable() && !b.draining, route.Timeouts); err != nil {
		return err
	}
	for _, lost := range b.monitor.lost() {
		if err := b.relay.CloseSessions(ctx, lost.server, lost.why); err != nil {
			return err
		}
	}
	if b.draining && b.drained == nil {
		drained, err := b.relay.Drained(ctx)
		if err != nil {
			return err
		}
		b.drained = drained
	}
	select {
	case b.changed <- struct{}{}:
	default:
	}
	return nil
}

// rebalance ends idle sessions whose clients are to connect again, to a backend that has come back.
func (b *Balancer) rebalance(ctx context.Context, now time.Time) error {
	server, count := b.monitor.rebalance(now)
	if count == 0 {
		return nil
	}
	ended, err := b.relay.EndIdle(ctx, server, count, balance.IdleAfter)
	b.monitor.moves.Ended(now, ended)
	return err
}

// setListening makes the listening sockets accept or refuse. What the process before this one did to them is unknown. Where the
// timeouts have changed, the sockets learn of them.
func (b *Balancer) setListening(on bool, timeouts balance.Timeouts) error {
	if b.listening != nil && on == *b.listening && timeouts == b.timeouts {
		return nil
	}
	b.listening, b.timeouts = &on, timeouts
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

// takeLeave prepares the move of the virtual addresses to another host. Its sessions cannot follow: they are reset, so that their
// clients connect again at once, to the other host.
func (b *Balancer) takeLeave(ctx context.Context, c command) error {
	if c.Settle > b.settle {
		b.settle, b.settles = c.Settle, time.Now()
	}
	if c.End <= b.end {
		return nil
	}
	b.settles = time.Time{}
	if err := b.relay.EndSessions(ctx, c.Settings.VirtualAddresses); err != nil {
		return err
	}
	b.end = c.End
	return nil
}

// settling returns how many sessions a planned move waits for.
func (b *Balancer) settling(ctx context.Context) (int, error) {
	if b.settles.IsZero() {
		return 0, nil
	}
	n, err := b.relay.Transferring(ctx, b.monitor.settings.VirtualAddresses, b.settles)
	if n == 0 {
		b.settles = time.Time{} // the wait is over: no later report looks at all sessions
	}
	return n, err
}

// status is what the keeper gets.
func (b *Balancer) status(ctx context.Context, now time.Time) (Status, error) {
	settling, err := b.settling(ctx)
	f := b.relay.Figures()
	s := Status{
		PID: os.Getpid(), Backends: b.monitor.status(now), Limit: b.monitor.limit, Lowered: b.monitor.lowered,
		Accepted: f.Accepted, Active: f.Active, Peak: f.Peak, Rate: f.Rate, PeakRate: f.PeakRate,
		RefusedBy: f.RefusedBy, Refused: f.Refused,
		Settle: b.settle, Settling: settling, End: b.end, List: b.list,
	}
	s.Received, s.Sent = b.monitor.bytes()
	return s, err
}
