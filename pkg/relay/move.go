// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/session"
)

const (
	// turn is how much a connection moves each way before the others have their turn.
	turn = 1 << 20
	// pieces is how much is spliced at a time, and so how much a pipe holds for a reader that has become slow.
	pieces = 512 << 10
	// worthwhile is how much has to come at a time for a splice to be cheaper than a copy.
	worthwhile = 16 << 10
)

// pump moves what may be moved, both ways, and takes note of what has finished or failed.
func (w *worker) pump(i int32, c *connection) {
	for _, from := range [...]int{client, backend} {
		if c.live && c.Relays() {
			w.move(i, c, from)
		}
	}
	for _, of := range [...]int{client, backend} {
		if c.live && c.Relays() && c.sides[of].broken {
			w.step(i, c, failureOf(of)) // what it had sent before was passed on
		}
	}
}

// move passes on what a side has sent, until there is no more, the other side takes no more, or the turn is over.
func (w *worker) move(i int32, c *connection, from int) {
	src, dst := &c.sides[from], &c.sides[1-from]
	for left := turn; c.live && c.Relays(); {
		if src.pending > 0 {
			if !dst.writable || !w.empty(c, from) {
				return
			}
			continue
		}
		if src.over || dst.broken || !src.readable || !dst.writable {
			w.release(src)
			if src.over && !src.told {
				src.told = true
				w.step(i, c, finishOf(from))
			}
			return
		}
		if left <= 0 {
			w.release(src)
			w.again(i, c)
			return
		}
		n, errno := w.fill(i, c, from)
		switch {
		case errno == unix.EAGAIN:
			src.readable = false
		case errno != 0:
			c.errno = int32(errno)
			w.step(i, c, failureOf(from))
		case n == 0 && src.broken:
			src.readable = false // this is no finish: the write has taken the error
		case n == 0:
			src.over = true
		}
		left -= n
	}
}

// finishOf is the event that a side has finished.
func finishOf(side int) session.Event {
	if side == client {
		return session.Event{Kind: session.ClientFinished}
	}
	return session.Event{Kind: session.BackendFinished}
}

// fill reads what a side has sent and writes it to the other one, as far as that takes it. It returns how much was read; none and no
// error is the end.
func (w *worker) fill(i int32, c *connection, from int) (int, unix.Errno) {
	src := &c.sides[from]
	switch {
	case src.bulk && !c.Opens() && w.lend(src):
		return w.spliceIn(i, c, from)
	case w.pipes.ready():
		return w.copy(i, c, from)
	}
	return w.peek(i, c, from)
}

// spliceIn moves what a side has sent to its pipe.
func (w *worker) spliceIn(i int32, c *connection, from int) (int, unix.Errno) {
	src := &c.sides[from]
	n, errno := splice(src.fd, src.pipe.w, pieces)
	if errno != 0 || n == 0 {
		return 0, errno
	}
	src.pending, src.bulk = int32(n), n >= worthwhile
	w.note(i, c, from, n, nil)
	return n, 0
}

// empty moves what is in the pipe of a side to the other one, and reports whether that took anything.
func (w *worker) empty(c *connection, from int) bool {
	src, dst := &c.sides[from], &c.sides[1-from]
	n, errno := splice(src.pipe.r, dst.fd, int(src.pending))
	if errno != 0 {
		w.refusedBy(c, dst, errno)
		return false
	}
	src.pending -= int32(n)
	w.count(c, from, n)
	return true
}

// copy reads what a side has sent and writes it to the other one. What that does not take goes into a pipe, of which one is ready.
func (w *worker) copy(i int32, c *connection, from int) (int, unix.Errno) {
	src, dst := &c.sides[from], &c.sides[1-from]
	n, errno := receive(src.fd, w.buffer, 0)
	if errno != 0 || n == 0 {
		return 0, errno
	}
	if !w.isBulk(src, from, n) { // that was all
		src.readable, src.over = false, src.hangup
	}
	w.note(i, c, from, n, w.buffer[:n])
	if !c.live {
		return n, 0
	}
	sent, errno := send(dst.fd, w.buffer[:n])
	if errno != 0 {
		w.refusedBy(c, dst, errno)
		sent = 0
	}
	w.count(c, from, sent)
	if sent < n && !dst.broken {
		w.keep(src, dst, w.buffer[sent:n])
	}
	return n, 0
}

// isBulk notes and reports whether so much as was read at once is a part of something large. What waits of it in the socket of a backend is
// bounded.
func (w *worker) isBulk(src *side, from, n int) bool {
	if src.bulk = n == len(w.buffer); src.bulk && !src.bounded && from == backend {
		src.bounded = true
		_ = setOption(src.fd, received) // where the kernel does not take it, the memory is not bounded
	}
	return src.bulk
}

// keep puts what the other side does not take into a pipe, and reports whether there is one.
func (w *worker) keep(src, dst *side, rest []byte) bool {
	if !w.lend(src) {
		return false
	}
	w.block(dst)
	kept, _ := write(src.pipe.w, rest) // every pipe holds a buffer
	src.pending = int32(kept)
	return true
}

// resend sends the backend what the client had sent to the one before.
func (w *worker) resend(c *connection, actions []session.Action) []session.Action {
	if c.opening < 0 {
		return actions
	}
	from, to, all := &c.sides[client], &c.sides[backend], w.openings.all[c.opening]
	sent, errno := send(to.fd, all)
	switch {
	case errno == unix.EAGAIN:
		sent = 0
	case errno != 0:
		return actions // the reading meets it
	}
	if sent < len(all) && !w.keep(from, to, all[sent:]) {
		return w.feed(c, failureOf(backend), actions)
	}
	return actions
}

// peek is copy where no pipe is left: what the other side does not take stays in the socket.
func (w *worker) peek(i int32, c *connection, from int) (int, unix.Errno) {
	src, dst := &c.sides[from], &c.sides[1-from]
	n, errno := receive(src.fd, w.buffer, unix.MSG_PEEK)
	if errno != 0 || n == 0 {
		return 0, errno
	}
	w.isBulk(src, from, n)
	sent, errno := send(dst.fd, w.buffer[:n])
	if errno != 0 {
		w.refusedBy(c, dst, errno)
		return n, 0
	}
	discard(src.fd, sent)
	if sent < n {
		w.block(dst)
	}
	w.count(c, from, sent)
	w.note(i, c, from, sent, w.buffer[:sent])
	return sent, 0
}

// block notes that a side takes no more for now.
func (w *worker) block(s *side) {
	if s.writable = false; !s.waits {
		s.waits = true
		_ = w.poller.change(s.fd, connectionEvents, w.owners[s.fd].generation) // the descriptor is there
	}
}

// refusedBy takes the error of a write.
func (w *worker) refusedBy(c *connection, s *side, errno unix.Errno) {
	if errno == unix.EAGAIN {
		w.block(s)
		return
	}
	s.writable = false
	s.broken, s.readable, c.errno = true, true, int32(errno) // what it has sent before is passed on first
}

// count counts what was passed on.
func (w *worker) count(c *connection, from, n int) {
	server := w.relay.server(c.server)
	if from == client {
		server.sent.Add(uint64(n))
		to := &c.sides[backend]
		to.held = to.held && n == 0
	} else {
		server.received.Add(uint64(n))
	}
}

// note takes note that a side has sent something; b is that, where another backend may need it.
func (w *worker) note(i int32, c *connection, from, n int, b []byte) {
	c.sides[from].flow.sent(w.now, n, &c.sides[1-from].flow)
	e := session.Event{Kind: session.BackendSent}
	if from == backend && c.answerAt == 0 {
		c.answerAt = w.now
		w.relay.server(c.server).answers.add(&session.QuickBounds, w.now-c.connectAt)
	}
	if from == client {
		e = session.Event{Kind: session.ClientSent, Over: true}
		if c.Opens() {
			place, all := w.openings.add(c.opening, b)
			c.opening = place
			e.Part, e.Over = session.Hello(all)
		}
	}
	silent := c.Silent()
	if c.Heeds(e.Kind) {
		w.step(i, c, e)
	}
	if silent && c.live && !c.Silent() {
		w.spoke()
	}
}

// lend gives a side a pipe, and reports whether it has one.
func (w *worker) lend(s *side) bool {
	if s.pipe.valid() {
		return true
	}
	p, ok := w.pipes.take()
	if ok {
		s.pipe = p
	}
	return ok
}

// release takes back the pipe of a side that has nothing pending.
func (w *worker) release(s *side) {
	if s.pipe.valid() && s.pending == 0 {
		w.pipes.give(s.pipe, true)
		s.pipe = pipe{}
	}
}
