// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/fault"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// A route is where connections go: a pool, the servers that its indices name, and how to treat them. It never changes.
type route struct {
	pool     *balance.Pool
	servers  []*server
	limit    int // of all connections
	perLimit int // of those to one server
	timeouts balance.Timeouts
}

// active returns the number of connections that server i has.
func (r *route) active(i int) int { return r.servers[i].active.now() }

// A sign is evidence about a server from the connections of clients.
type sign struct {
	server *server
	event  health.Event
}

// A dispatcher serves accepted connections. Its methods are called by any number of goroutines.
type dispatcher struct {
	log   logr.Logger
	route atomic.Pointer[route]
	signs chan sign

	relays   relays
	turn     atomic.Uint64
	active   level
	accepted atomic.Uint64
	rate     rate // of those accepted
	refused  refusals
}

func newDispatcher(log logr.Logger) *dispatcher {
	return &dispatcher{
		log: log, signs: make(chan sign, 64), // those beyond these say the same
		rate: rate{start: time.Now()}, refused: newRefusals(),
	}
}

// admit counts a connection in, or resets it where there are too many.
func (d *dispatcher) admit(client *net.TCPConn) bool {
	d.accepted.Add(1)
	d.rate.add(time.Now())
	if !d.active.enter(d.route.Load().limit) {
		d.refuse(client, ConnectionLimit)
		return false
	}
	return true
}

func (d *dispatcher) refuse(client *net.TCPConn, why Refusal) {
	d.refused[why].Add(1)
	d.log.V(1).Info(logging.MsgRefused, logging.KeyAddress, client.RemoteAddr().String(), logging.KeyReason, string(why))
	reset(client)
}

// serve relays an admitted connection until its end, or resets it where no backend takes it.
func (d *dispatcher) serve(ctx context.Context, client *net.TCPConn) {
	defer d.active.leave()
	route := d.route.Load()
	if err := keepAlive(client, route.timeouts.KeepAlive); err != nil {
		d.refuse(client, ClientFailed)
		return
	}
	request := balance.Request{
		Now: time.Now(), Client: client.RemoteAddr().(*net.TCPAddr).AddrPort().Addr(), Turn: d.turn.Add(1), Active: route.active,
	}
	backend, why := d.connect(ctx, route, &request)
	if backend == nil {
		d.refuse(client, why)
		return
	}
	r := relay{client: client, backend: backend, halfClosed: route.timeouts.HalfClosed, silence: route.timeouts.Connect / silenceDelay}
	r.silent = func(server *server) {
		d.shows(server, health.Doubted{Reason: noAnswer("the first bytes of a client", r.silence)})
	}
	r.again = func(server *server, reason error) *link {
		d.shows(server, health.Doubted{Reason: reason.Error()})
		next, _ := d.connect(ctx, route, &request)
		if next != nil {
			d.log.V(1).Info(logging.MsgMoved, logging.KeyAddress, client.RemoteAddr().String(), logging.KeyFrom, server.address.String(), logging.KeyTo, next.server.address.String(), logging.KeyReason, fault.Words(reason))
		}
		return next
	}
	d.relays.add(&r)
	defer d.relays.remove(&r)
	if err := r.run(); err != nil {
		d.log.V(1).Info(logging.MsgBroken, logging.KeyAddress, client.RemoteAddr().String(), logging.KeyBackend, r.backend.server.address.String(), logging.KeyReason, fault.Words(err))
	}
}

// silenceDelay is the part of Timeouts.Connect after which a server should have answered a client: a kernel accepts
// connections to a process that hangs, and an apiserver answers the first bytes of TLS at once.
const silenceDelay = 2

// attemptDelay is the part of Timeouts.Connect after which the next server is dialled in parallel. With the default of a
// second these are the 250 ms of RFC 8305, section 5.
const attemptDelay = 4

// connect dials one server after another, each once, until one accepts: the next when a dial has failed, or in parallel with one
// that has no answer. It returns nil and why where none accepts, and notes in the request which ones it has tried.
func (d *dispatcher) connect(ctx context.Context, route *route, request *balance.Request) (*link, Refusal) {
	dials := dials{ended: make(chan *attempt)}
	defer dials.giveUp()
	delay := route.timeouts.Connect / attemptDelay
	timer := time.NewTimer(delay)
	defer timer.Stop()
	newest := dials.next(route, request)
	for dials.running > 0 && ctx.Err() == nil {
		select {
		case a := <-dials.ended:
			dials.running--
			if a.err == nil {
				return &link{TCPConn: a.conn, server: a.server}, ""
			}
			a.server.active.leave()
			d.failed(a.server, a.err, time.Since(a.began) > route.timeouts.Connect*tooLate)
		case <-timer.C:
			if !newest.silent() { // its answer is here and comes out of ended next
				timer.Reset(delay)
				continue
			}
			d.shows(newest.server, health.DialFailed{Reason: noAnswer("a connection", delay)})
		}
		if a := dials.next(route, request); a != nil {
			newest = a
			timer.Reset(delay)
		}
	}
	switch {
	case newest != nil:
		return nil, BackendFailed
	case route.pool.Usable(): // but for a limit
		return nil, ConnectionLimit
	default:
		return nil, NoBackend
	}
}

// dials are those for one client. One goroutine owns them.
type dials struct {
	running int
	ended   chan *attempt
	cancel  []context.CancelFunc
}

// An attempt is a dial of one server. Its outcome is valid once it has ended.
type attempt struct {
	server *server
	began  time.Time
	conn   *net.TCPConn
	err    error
	raw    atomic.Pointer[syscall.RawConn] // of the connection that is being made
}

// silent reports whether the server was asked for a connection and has sent nothing.
func (a *attempt) silent() bool {
	raw := a.raw.Load()
	return raw != nil && socket.Unanswered(*raw)
}

// next begins to dial the next server and returns the attempt, or nil where none is left.
func (d *dials) next(route *route, request *balance.Request) *attempt {
	for {
		i, ok := route.pool.Pick(*request)
		if !ok {
			return nil
		}
		request.Tried = append(request.Tried, i)
		server := route.servers[i]
		if !server.active.enter(route.perLimit) {
			continue
		}
		ctx, cancel := context.WithCancel(server.sessions())
		d.cancel = append(d.cancel, cancel)
		d.running++
		a := &attempt{server: server, began: time.Now()}
		go func() {
			a.conn, a.err = server.dial(ctx, route.timeouts, func(raw syscall.RawConn) { a.raw.Store(&raw) })
			d.ended <- a
		}()
		return a
	}
}

// giveUp ends the dials that are under way.
func (d *dials) giveUp() {
	for _, cancel := range d.cancel {
		cancel()
	}
	for ; d.running > 0; d.running-- {
		a := <-d.ended
		if a.err == nil {
			reset(a.conn)
		}
		a.server.active.leave()
	}
}

// tooLate is how many times its timeout a dial takes whose process did not run meanwhile.
const tooLate = 2

// failed counts a failed dial. One that was cancelled shows nothing about the server, nor does the timeout of one that is too late:
// its answer may be here.
func (d *dispatcher) failed(server *server, err error, late bool) {
	server.failures.Add(1)
	if !unreachable(err) || late && timedOut(err) {
		d.log.V(1).Info(logging.MsgDialFailed, logging.KeyBackend, server.address.String(), logging.KeyReason, fault.Words(err))
		return
	}
	d.shows(server, health.DialFailed{Reason: fault.Brief(err)})
}

// shows reports evidence about a server.
func (d *dispatcher) shows(server *server, event health.Event) {
	select {
	case d.signs <- sign{server, event}:
	default:
	}
}

func noAnswer(to string, after time.Duration) string {
	return fmt.Sprintf("no answer to %s for %v", to, after)
}
