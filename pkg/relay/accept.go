// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

const (
	// batch is how many connections a worker accepts before it looks after the others.
	batch = 8
	// AcceptPause is how long a worker accepts nothing when it is out of file descriptors or memory.
	AcceptPause = 50 * time.Millisecond
	// spread is how many sessions more than another one a worker has before it hands over a new one.
	spread = 2
)

// A pause is that of a listener.
type pause struct {
	fd    int32
	until time.Duration
}

// listen begins to accept the connections of a listening socket.
func (w *worker) listen(fd int32) {
	if errno := w.own(fd, 0, listening, listenerEvents); errno != 0 {
		w.relay.cfg.Log.Error(errno, logging.MsgAcceptFailed)
	}
}

// unlisten ends that.
func (w *worker) unlisten(fd int32) {
	if int(fd) < len(w.owners) && w.owners[fd].role == listening { // else it is no listener, or was closed and is a connection now
		w.poller.remove(fd)
		w.disown(fd)
	}
	for k, p := range w.pauses {
		if p.fd == fd {
			w.pauses = append(w.pauses[:k], w.pauses[k+1:]...)
			return
		}
	}
}

// accept takes connections that wait at a listener; the next turn takes what is left. Where nothing else happens there is one, most likely, and
// another look would cost as much as it did.
func (w *worker) accept(fd int32, alone bool) {
	most := batch
	if alone {
		most = 1
	}
	for range most {
		conn, sa, errno := accept(fd)
		switch errno {
		case 0:
			w.relay.short.Store(false)
			w.admit(conn, &sa)
		case unix.EAGAIN:
			return
		case unix.EINTR, unix.ECONNABORTED:
		case unix.EINVAL: // it does not listen any more
			w.unlisten(fd)
			w.relay.cfg.Shut(int(fd))
			return
		default:
			if !w.relay.short.Swap(true) {
				w.relay.cfg.Log.Error(errno, logging.MsgAcceptFailed)
			}
			w.unlisten(fd)
			w.pauses = append(w.pauses, pause{fd, w.now + AcceptPause})
			return
		}
	}
}

// admit counts a connection in, or resets it where there are too many.
func (w *worker) admit(fd int32, sa *unix.RawSockaddrAny) {
	r, from := w.relay, addressOf(sa)
	r.accepted.Add(1)
	r.rate.add(w.now)
	if limit := w.route.sourceLimit(from.Addr()); !r.sources.enter(from.Addr(), limit) {
		r.tooMany(from.Addr(), w.now, limit)
		w.refuse(fd, from, session.SourceLimit)
		return
	}
	if !r.active.enter(w.route.Limit) && !(w.evict() && r.active.enter(w.route.Limit)) {
		r.sources.leave(from.Addr(), w.now)
		r.full(w.now, w.route.Limit)
		w.refuse(fd, from, session.ConnectionLimit)
		return
	}
	if other := r.idlest(); other != w && other.sessions.Load()+spread <= w.sessions.Load() {
		from := *sa
		other.sessions.Add(1)
		other.do(func() { other.begin(fd, &from) })
		return
	}
	w.sessions.Add(1)
	w.begin(fd, sa)
}

// refuse resets a connection that has no session.
func (w *worker) refuse(fd int32, from netip.AddrPort, why session.Cause) {
	w.relay.refused[why].Add(1)
	t := trace{from: from.Addr().As16(), port: from.Port(), server: -1, accepted: w.now}
	var frontend netip.AddrPort
	if suppressed, wanted := w.relay.logs(w.route.AccessLog, true, from.Addr(), w.now); wanted {
		frontend = localAddress(fd)
		w.relay.write(record{client: from, frontend: frontend, cause: why, suppressed: suppressed})
	}
	w.ended.add(ending{t, w.now, frontend, why})
	resetSocket(fd)
}

// begin begins the session of a connection.
func (w *worker) begin(fd int32, sa *unix.RawSockaddrAny) {
	i := w.table.add()
	c := w.table.at(i)
	from := addressOf(sa)
	c.from, c.port = from.Addr().As16(), from.Port()
	c.accepted, c.turn = w.now, w.relay.turn.Add(1)
	c.sides[client] = side{fd: fd, readable: true, writable: true}
	c.sides[backend].fd = -1
	for k := range c.dials {
		c.dials[k] = dial{fd: -1, server: -1}
	}
	w.silent.add(i, c.serial)
	if limit := w.route.Limit / silentShare / len(w.relay.workers); w.route.Limit > 0 && w.silent.count > max(limit, leastSilent) {
		w.evict()
	}
	w.step(i, c, session.Event{Kind: session.Accepted})
}

const (
	// silentShare is the part of all connections that may be of clients that have never sent a byte. An honest one sends its first at
	// once.
	silentShare = 2
	// leastSilent is how many a worker may have all the same.
	leastSilent = 8
)

// evict resets the connection that has been silent from its begin for the longest time, and reports whether there is one.
func (w *worker) evict() bool {
	for {
		i, serial, ok := w.silent.oldest()
		if !ok {
			return false
		}
		if c := w.table.at(i); c.live && c.serial == serial && c.Silent() {
			w.step(i, c, session.Event{Kind: session.Ended, Cause: session.ClientSilent})
			return true
		}
	}
}

// A mute is the place of a connection whose client had sent nothing when it was added.
type mute struct{ place, serial int32 }

// Silents are the connections of a worker whose clients have sent nothing, the oldest first, and some that have ended or sent something.
type silents struct {
	queue []mute
	count int // of those that are silent
}

func (s *silents) add(place, serial int32) {
	s.queue = append(s.queue, mute{place, serial})
	s.count++
}

// oldest takes the first out.
func (s *silents) oldest() (place, serial int32, ok bool) {
	if len(s.queue) == 0 {
		return 0, 0, false
	}
	first := s.queue[0]
	s.queue = s.queue[1:]
	return first.place, first.serial, true
}

// spoke notes that one has sent something, or has ended. The queue keeps no more places than twice those that are silent.
func (s *silents) spoke(silent func(mute) bool) {
	s.count--
	if len(s.queue) > 2*s.count+chunk {
		s.queue = slices.DeleteFunc(slices.Clone(s.queue), func(q mute) bool { return !silent(q) })
	}
}

// spoke notes that a connection is not silent any more.
func (w *worker) spoke() {
	w.silent.spoke(func(q mute) bool {
		c := w.table.at(q.place)
		return c.live && c.serial == q.serial && c.Silent()
	})
}

// tooMany has the log name a source that has more connections than it may, now and then.
func (r *Relay) tooMany(from netip.Addr, now time.Duration, limit int) {
	if count, name := r.sources.refused(from, now); name {
		logging.Warn(r.cfg.Log, logging.MsgSourceLimit, logging.KeyAddress, from.String(), logging.KeyLimit, limit, logging.KeyRefused, count)
	}
}

// full says now and then that there are as many connections as there may be.
func (r *Relay) full(now time.Duration, limit int) {
	if last := r.fullSaid.Load(); last > 0 && now-time.Duration(last) < nameEvery || !r.fullSaid.CompareAndSwap(last, int64(now)) {
		return
	}
	logging.Warn(r.cfg.Log, logging.MsgConnectionLimit, logging.KeyLimit, limit)
}
