// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/fault"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

// step gives an event to a session, does what it asks for, and moves on what may be moved then.
func (w *worker) step(i int32, c *connection, e session.Event) {
	w.steps(i, c, func(actions []session.Action) []session.Action { return w.feed(c, e, actions) })
}

// steps does what first asks for, and what follows from it.
func (w *worker) steps(i int32, c *connection, first func([]session.Action) []session.Action) {
	relayed := c.Relays()
	actions := first(w.actions[:0])
	for k := 0; k < len(actions); k++ {
		actions = w.act(i, c, actions[k], actions)
	}
	w.actions = actions[:0]
	if !c.live {
		return
	}
	if !c.Keeps() {
		w.dropOpening(c)
	}
	w.arm(i, c)
	if !relayed && c.Relays() {
		w.pump(i, c)
		w.push(c)
	}
}

// act does one action. It appends what the session asks for then.
func (w *worker) act(i int32, c *connection, a session.Action, actions []session.Action) []session.Action {
	switch a.Do {
	case session.Dial:
		return w.dial(i, c, actions)
	case session.Hedge:
		return w.hedge(c, a.Dial, actions)
	case session.TimeOut:
		w.timedOut(c, a.Dial)
	case session.GiveUp:
		w.giveUp(c)
	case session.Use:
		return w.use(i, c, a.Dial, actions)
	case session.Resend:
		return w.resend(c, actions)
	case session.Doubt:
		w.doubt(c, a.Cause)
	case session.FinishClient:
		_ = shutdown(c.sides[client].fd) // an error is met by the reading
	case session.FinishBackend:
		_ = shutdown(c.sides[backend].fd)
	case session.Close:
		w.end(i, c, a.Cause, closeDescriptor)
	case session.Reset, session.Refuse:
		w.end(i, c, a.Cause, resetSocket)
	}
	return actions
}

// doubt notifies the monitor that the backend leaves the client without an answer, unless that is here by now.
func (w *worker) doubt(c *connection, why session.Cause) {
	reason := c.trouble()
	if why == session.Unanswered {
		if readable(c.sides[backend].fd) {
			return
		}
		if !w.relay.sources.mayDoubt(c.source().Addr(), w.now) {
			return
		}
		reason = NoAnswer("the first bytes of a client", w.route.timing.SilenceDelay())
	}
	w.relay.cfg.Sign(w.relay.server(c.server), health.Doubted{Reason: reason})
}

// readable reports whether something of the other end waits to be read, if only that it has finished.
func readable(fd int32) bool {
	events := []unix.PollFd{{Fd: fd, Events: unix.POLLIN}}
	n, err := unix.Poll(events, 0)
	return err != nil || n > 0
}

// trouble says in words why the backend failed.
func (c *connection) trouble() string {
	if c.errno == 0 {
		return "connection closed without an answer"
	}
	return fault.Brief(unix.Errno(c.errno))
}

// end closes the sockets of a connection, counts it out and forgets it.
func (w *worker) end(i int32, c *connection, why session.Cause, closing func(fd int32)) {
	r := w.relay
	if why >= session.NoBackend {
		r.refused[why].Add(1)
	}
	w.ended.add(ending{c.trace(), w.now, w.record(c, why), why})
	if r.sources.leave(c.source().Addr(), w.now); c.Silent() {
		w.spoke()
	}
	w.giveUp(c)
	w.dropOpening(c)
	for k := range c.sides {
		s := &c.sides[k]
		if s.pipe.valid() {
			w.pipes.give(s.pipe, s.pending == 0)
		}
		if s.fd >= 0 {
			w.disown(s.fd)
			closing(s.fd)
		}
	}
	if c.server >= 0 {
		server := r.server(c.server)
		server.active.leave()
		server.ended[why].Add(1)
		server.lasted.add(&session.LastedBounds, w.now-c.accepted)
	}
	w.table.remove(i)
	if w.sessions.Add(-1) == 0 {
		w.pipes.trim()
	}
	r.left()
}

func (w *worker) dropOpening(c *connection) {
	if c.opening >= 0 {
		w.openings.drop(c.opening)
		c.opening = -1
	}
}
