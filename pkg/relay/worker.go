// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"container/heap"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

// role is what a descriptor is for.
type role uint8

const (
	none role = iota
	waking
	listening
	ofClient
	ofBackend
	ofDial // and the number of the dial
)

// An owner is what a descriptor belongs to.
type owner struct {
	generation int32 // of those that had this number: an event of one before is stale
	place      int32
	role       role
}

// A worker serves its connections. One goroutine runs it, and alone touches what it has, but for the mail.
type worker struct {
	relay  *Relay
	poller *poller
	wake   int32 // an eventfd

	owners   []owner // by descriptor
	table    table
	openings openings
	pipes    pipes
	alarms   alarms
	silent   silents
	ended    lastEnded
	queue    []int32 // connections to move on in the next turn
	pauses   []pause // of listeners
	buffer   []byte
	header   [balance.MaxProxyHeader]byte
	actions  []session.Action

	route *route        // of this turn
	now   time.Duration // at the begin of this turn

	sessions atomic.Int32 // those that it has, for the others

	mu     sync.Mutex
	mail   []func()
	mailed atomic.Bool
	closed bool // nobody reads the mail any more
}

// bufferSize is how much a worker copies at a time. What comes in larger pieces is spliced.
const bufferSize = 64 << 10

func newWorker(r *Relay) (*worker, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	w := &worker{relay: r, poller: p, table: newTable(), buffer: make([]byte, bufferSize)}
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		p.close()
		return nil, err
	}
	w.wake = int32(fd)
	if errno := w.own(w.wake, 0, waking, unix.EPOLLIN|unix.EPOLLET); errno != 0 {
		return nil, os.NewSyscallError("epoll_ctl", errno)
	}
	return w, nil
}

// own takes over a descriptor and waits for its events.
func (w *worker) own(fd, place int32, as role, events uint32) unix.Errno {
	for int(fd) >= len(w.owners) {
		w.owners = append(w.owners, make([]owner, len(w.owners)+1)...)
	}
	o := &w.owners[fd]
	o.place, o.role = place, as
	return w.poller.add(fd, events, o.generation)
}

// disown is called before a descriptor is closed.
func (w *worker) disown(fd int32) {
	if int(fd) < len(w.owners) {
		o := &w.owners[fd]
		o.generation, o.role = o.generation+1, none
	}
}

// do has the worker call a function between two turns.
func (w *worker) do(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mail = append(w.mail, f)
	if !w.closed && !w.mailed.Swap(true) {
		one := [8]byte{1}
		_, _ = write(w.wake, one[:]) // the counter is not full: mailed says that nobody has written
	}
}

// readMail calls the functions of the mail.
func (w *worker) readMail() {
	if !w.mailed.Load() {
		return
	}
	var count [8]byte
	_, _ = unix.Read(int(w.wake), count[:])
	w.mailed.Store(false)
	w.mu.Lock()
	all := w.mail
	w.mail = nil
	w.mu.Unlock()
	w.route = w.relay.route.Load() // whoever has written may have set it
	for _, f := range all {
		f()
	}
}

// run serves until stopped says so.
func (w *worker) run() {
	for !w.relay.stopped.Load() {
		events := w.poller.wait(w.timeout())
		w.now, w.route = w.relay.clock(), w.relay.route.Load()
		for i := range events {
			w.handle(&events[i], len(events) == 1)
		}
		w.readMail()
		w.goOn()
		w.ring()
	}
}

// timeout returns how long the worker may wait; below zero is for ever.
func (w *worker) timeout() time.Duration {
	switch {
	case len(w.queue) > 0:
		return 0
	case len(w.alarms) == 0 && len(w.pauses) == 0:
		return -1
	}
	first := time.Duration(1<<63 - 1)
	if len(w.alarms) > 0 {
		first = w.alarms[0].at
	}
	for _, p := range w.pauses {
		first = min(first, p.until)
	}
	return max(0, first-w.relay.clock())
}

// handle takes an event of a descriptor; alone says that there is no other in this turn.
func (w *worker) handle(e *unix.EpollEvent, alone bool) {
	o := w.owners[e.Fd]
	if o.generation != e.Pad {
		return
	}
	switch o.role {
	case none, waking: // the mail is read in every turn
	case listening:
		w.accept(e.Fd, alone)
	case ofClient:
		w.ready(o.place, client, e.Events)
	case ofBackend:
		w.ready(o.place, backend, e.Events)
	default:
		w.dialed(o.place, int(o.role-ofDial), e.Events)
	}
}

// failures are the events of a connection that has failed.
const failures = unix.EPOLLERR | unix.EPOLLHUP

// ready takes the events of a socket of a connection.
func (w *worker) ready(i int32, of int, events uint32) {
	c := w.table.at(i)
	s := &c.sides[of]
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|failures) != 0 {
		s.readable = true
	}
	if events&unix.EPOLLRDHUP != 0 && events&unix.EPOLLERR == 0 {
		s.hangup = true
	}
	if events&(unix.EPOLLOUT|failures) != 0 {
		s.writable = true
	}
	w.pump(i, c)
	if events&unix.EPOLLERR != 0 && c.live && c.Relays() && (of == client || c.sides[backend].fd == s.fd) {
		w.step(i, c, failureOf(of)) // what it has sent cannot be passed on
	}
}

// failureOf is the event that a side has failed.
func failureOf(side int) session.Event {
	if side == client {
		return session.Event{Kind: session.ClientFailed}
	}
	return session.Event{Kind: session.BackendFailed, Cause: session.BackendBroke}
}

// goOn moves on the connections that had more than one turn takes.
func (w *worker) goOn() {
	queue := w.queue
	w.queue = nil
	for _, i := range queue {
		if c := w.table.at(i); c.live && c.queued {
			c.queued = false
			w.pump(i, c)
		}
	}
}

// again queues a connection for the next turn.
func (w *worker) again(i int32, c *connection) {
	if !c.queued {
		c.queued = true
		w.queue = append(w.queue, i)
	}
}

// arm has the worker woken at the next deadline of a connection.
func (w *worker) arm(i int32, c *connection) {
	if d := c.Deadline(w.route.timing); d > 0 && (c.timer == 0 || d < c.timer) {
		c.timer = d
		heap.Push(&w.alarms, alarm{d, i, c.serial})
	}
}

// ring does what the deadlines that have come ask for.
func (w *worker) ring() {
	for len(w.alarms) > 0 && w.alarms[0].at <= w.now {
		a := heap.Pop(&w.alarms).(alarm)
		c := w.table.at(a.place)
		if !c.live || c.serial != a.serial || c.timer != a.at {
			continue
		}
		c.timer = 0
		w.keepAlive(c)
		if d := c.Deadline(w.route.timing); d > 0 && d <= w.now {
			w.step(a.place, c, session.Event{Kind: session.Due})
		} else {
			w.arm(a.place, c)
		}
	}
	for k := len(w.pauses) - 1; k >= 0; k-- {
		if p := w.pauses[k]; p.until <= w.now {
			w.pauses = append(w.pauses[:k], w.pauses[k+1:]...)
			w.listen(p.fd)
		}
	}
}

// close resets what is left.
func (w *worker) close() {
	w.now, w.route = w.relay.clock(), w.relay.route.Load()
	w.readMail()
	w.table.each(func(i int32, c *connection) { w.step(i, c, session.Event{Kind: session.Ended, Cause: session.Stopped}) })
	w.pipes.close()
	w.poller.close()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	closeDescriptor(w.wake)
}
