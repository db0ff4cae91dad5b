// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/fault"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

// dial dials the next server that a connection has not tried, where it has not as many dials as it may have.
func (w *worker) dial(i int32, c *connection, actions []session.Action) []session.Action {
	number, free := c.Free()
	if !free {
		return actions
	}
	server, why := w.pick(c)
	if server == nil {
		return w.feed(c, session.Event{Kind: session.NoneLeft, Cause: why}, actions)
	}
	c.dials[number] = dial{fd: -1, server: server.id}
	actions = w.feed(c, session.Event{Kind: session.Dialling, Dial: number}, actions)
	if errno := w.connect(i, c, number, server); errno != 0 {
		return w.dialFailed(c, number, errno, actions)
	}
	return actions
}

// feed gives a session an event, and appends what it asks for.
func (w *worker) feed(c *connection, e session.Event, actions []session.Action) []session.Action {
	return c.Step(w.now, w.route.timing, e, actions)
}

// pick returns the server for a connection, counted in, or why there is none.
func (w *worker) pick(c *connection) (*Server, session.Cause) {
	route := w.route
	request := balance.Request{
		Now: time.Now(), Client: c.source().Addr(), Turn: c.turn, Active: route.activeOf, Tried: route.tried(c.tried),
	}
	for {
		k, ok := route.Pool.Pick(request)
		switch {
		case ok:
		case c.tried != balance.Set{}:
			return nil, session.NoneAccepted
		case route.Pool.Usable(): // but for a limit
			return nil, session.ConnectionLimit
		default:
			return nil, session.NoBackend
		}
		server := route.Servers[k]
		request.Tried = request.Tried.With(k)
		if server.active.enter(route.PerLimit) {
			c.tried = c.tried.With(int(server.id % slots))
			return server, 0
		}
	}
}

// connect begins to connect to a server.
func (w *worker) connect(i int32, c *connection, number int, server *Server) unix.Errno {
	fd, errno := newSocket(server.address)
	if errno != 0 {
		return errno
	}
	c.dials[number].fd = fd
	if errno := setOption(fd, noDelay); errno != 0 {
		return errno
	}
	if errno := connect(fd, server.address); errno != 0 && errno != unix.EINPROGRESS {
		return errno
	}
	return w.own(fd, i, ofDial+role(number), connectionEvents)
}

// keepAlive makes the kernel watch over the host of the backend of a connection, once. A connection that lasts no longer than the first
// deadline, of its dial, is spared that.
func (w *worker) keepAlive(c *connection) {
	if c.watched || !c.Relays() {
		return
	}
	c.watched = true
	for _, o := range w.route.keepAlive {
		_ = setOption(c.sides[backend].fd, o) // the listening socket has taken the same
	}
}

// dialed takes the outcome of a dial.
func (w *worker) dialed(i int32, number int, events uint32) {
	c := w.table.at(i)
	d := &c.dials[number]
	if events&failures != 0 {
		errno := socketError(d.fd)
		if errno == 0 && events&unix.EPOLLERR != 0 {
			errno = unix.ECONNRESET
		}
		if errno != 0 {
			w.steps(i, c, func(actions []session.Action) []session.Action { return w.dialFailed(c, number, errno, actions) })
			return
		}
	}
	if events&unix.EPOLLOUT != 0 {
		d.events = events
		w.step(i, c, session.Event{Kind: session.DialAccepted, Dial: number})
	}
}

// dialFailed ends a dial that has failed.
func (w *worker) dialFailed(c *connection, number int, errno unix.Errno, actions []session.Action) []session.Action {
	w.blame(c, number, errno)
	w.closeDial(&c.dials[number])
	return w.feed(c, session.Event{Kind: session.DialFailed, Dial: number}, actions)
}

// timedOut ends a dial that has taken too long.
func (w *worker) timedOut(c *connection, number int) {
	w.blame(c, number, unix.ETIMEDOUT)
	w.closeDial(&c.dials[number])
}

// unreachable are the errors that show that the other host or process does not answer at all. An unwanted answer, or a lack of
// resources on this host, is none.
var unreachable = []unix.Errno{
	unix.ECONNREFUSED, unix.ECONNRESET, unix.EPIPE, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN, unix.ETIMEDOUT,
}

// blame counts a failed dial. One that was given up shows nothing about the server, nor does the timeout of one that is too late:
// its answer may be here.
func (w *worker) blame(c *connection, number int, errno unix.Errno) {
	server := w.relay.server(c.dials[number].server)
	server.failures.Add(1)
	err := &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(server.address), Err: os.NewSyscallError("connect", errno)}
	if !slices.Contains(unreachable, errno) || errno == unix.ETIMEDOUT && c.Late(w.now, number, w.route.timing) {
		w.relay.cfg.Log.V(1).Info(logging.MsgDialFailed, logging.KeyBackend, server.address.String(), logging.KeyReason, fault.Words(err))
		return
	}
	w.relay.cfg.Sign(server, health.DialFailed{Reason: fault.Brief(err)})
}

// hedge says of a dial that its server has not answered, where the kernel has no answer.
func (w *worker) hedge(c *connection, number int, actions []session.Action) []session.Action {
	d := c.dials[number]
	info, err := unix.GetsockoptTCPInfo(int(d.fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil || info.State != unix.BPF_TCP_SYN_SENT || info.Segs_in != 0 {
		return actions // its answer is here, and comes next
	}
	w.relay.cfg.Sign(w.relay.server(d.server), health.DialFailed{Reason: NoAnswer("a connection", w.route.timing.AttemptDelay())})
	return w.feed(c, session.Event{Kind: session.DialUnanswered, Dial: number}, actions)
}

// NoAnswer says in words for how long something has had no answer.
func NoAnswer(to string, after time.Duration) string {
	return fmt.Sprintf("no answer to %s for %v", to, after)
}

// closeDial ends a dial, and counts it out.
func (w *worker) closeDial(d *dial) {
	w.relay.server(d.server).active.leave()
	if d.fd >= 0 {
		w.disown(d.fd)
		closeDescriptor(d.fd)
	}
	*d = dial{fd: -1, server: -1}
}

// giveUp ends the dials that are under way.
func (w *worker) giveUp(c *connection) {
	for k := range c.dials {
		if d := &c.dials[k]; d.server >= 0 {
			w.closeDial(d)
		}
	}
}

// use makes the connection of a dial that of the session. That of the backend before is reset.
func (w *worker) use(i int32, c *connection, number int, actions []session.Action) []session.Action {
	d, s := c.dials[number], &c.sides[backend]
	c.dials[number] = dial{fd: -1, server: -1}
	server := w.relay.server(d.server)
	if c.server >= 0 {
		w.moved(c, server)
		w.forget(&c.sides[client])
		w.disown(s.fd)
		resetSocket(s.fd)
		w.relay.server(c.server).active.leave()
	}
	server.total.Add(1)
	server.connects.add(&session.QuickBounds, c.Took(w.now, number))
	c.connectAt = w.now
	c.server, c.watched = d.server, false
	*s = side{fd: d.fd, readable: d.events&unix.EPOLLIN != 0, hangup: d.events&unix.EPOLLRDHUP != 0, writable: true, waits: true}
	o := &w.owners[d.fd]
	o.role = ofBackend
	if client := c.sides[client].fd; !c.Moved() {
		if errno := w.own(client, i, ofClient, clientEvents); errno != 0 {
			return w.feed(c, session.Event{Kind: session.Ended, Cause: session.ClientUnusable}, actions)
		}
	}
	if server.greeted.Load() && !w.greet(c) {
		return w.feed(c, failureOf(backend), actions)
	}
	return actions
}

// greet sends a backend who the client is, before anything else, and reports whether it has taken that. The first bytes of the client
// are to come with it; where there are none, push sends it.
func (w *worker) greet(c *connection) bool {
	to := &c.sides[backend]
	header := balance.ProxyProtocolV2.AppendHeader(w.header[:0], c.source(), localAddress(c.sides[client].fd))
	n, errno := sendAhead(to.fd, header)
	if to.held = n == len(header) && errno == 0; !to.held {
		c.errno = int32(errno)
		_ = shutdown(to.fd) // without it nothing else may come to the backend
	}
	return to.held
}

// push has the kernel send what it holds back for a backend.
func (w *worker) push(c *connection) {
	if to := &c.sides[backend]; c.live && c.Relays() && to.held {
		to.held = false
		_ = setOption(to.fd, noDelay) // tcp(7); an error is met by the reading
	}
}

// forget drops what the backend before has not taken: the next one gets it with all that it had got.
func (w *worker) forget(from *side) {
	if from.pending > 0 {
		w.pipes.give(from.pipe, false)
		from.pipe, from.pending = pipe{}, 0
	}
}

// moved says that another backend has taken over a connection.
func (w *worker) moved(c *connection, to *Server) {
	w.relay.cfg.Log.V(1).Info(logging.MsgMoved, logging.KeyAddress, c.source().String(),
		logging.KeyFrom, w.relay.server(c.server).address.String(), logging.KeyTo, to.address.String(), logging.KeyReason, c.trouble())
}

// lose ends what a connection has with a server that is not to have any.
func (w *worker) lose(i int32, c *connection, server int32, why session.Cause) {
	for k := range c.dials {
		if c.live && c.dials[k].server == server {
			w.steps(i, c, func(actions []session.Action) []session.Action { return w.dialFailed(c, k, unix.ECANCELED, actions) })
		}
	}
	if c.live && c.server == server {
		w.step(i, c, session.Event{Kind: session.BackendFailed, Cause: why})
	}
}
