// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

// The sides of a connection. The other side of one is 1 - side.
const (
	client = iota
	backend
)

// A side is one socket of a connection, and what was read from it and is not yet written to the other.
type side struct {
	fd       int32
	readable bool // it may have something to read
	writable bool // it may take something
	waits    bool // an event comes when it is
	hangup   bool // the other end has finished, or failed: what is there to read is all
	over     bool // all was read
	told     bool // and the session knows
	broken   bool // nothing can be written any more
	bulk     bool // what it sends comes in large pieces
	bounded  bool // its buffer is
	held     bool // the kernel holds back what was sent to it, for the next bytes to come with it
	pipe     pipe // that holds what is pending
	pending  int32
	flow     flow
}

// A connection is one session with its sockets. It holds no pointer.
type connection struct {
	session.Session
	live      bool
	serial    int32         // of those that had this place
	next      int32         // the next free place
	watched   bool          // the kernel watches over the host of the backend
	queued    bool          // it is to be moved on in the next turn
	timer     time.Duration // the deadline that wakes the worker; 0: none
	accepted  time.Duration // when
	connectAt time.Duration // when the backend accepted; 0: none has
	answerAt  time.Duration // when it sent its first byte; 0: it has not
	turn      uint64
	tried     balance.Set // slots of servers
	server    int32       // of the backend; -1: none
	errno     int32       // of the last failure
	opening   int32       // what the client has sent during the opening; -1: nothing
	from      [16]byte    // the client
	port      uint16
	dials     [session.MostDials]dial
	sides     [2]side
}

// A dial is one that is under way.
type dial struct {
	fd, server int32 // -1: none
	events     uint32
}

// source returns the address of the client.
func (c *connection) source() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(c.from).Unmap(), c.port)
}

// transferring reports whether bytes flow, either way.
func (c *connection) transferring(now time.Duration) bool {
	a, b := &c.sides[client].flow, &c.sides[backend].flow
	return a.transfers(now, b) || b.transfers(now, a)
}

// chunk is how many connections are made room for at a time.
const chunk = 256

// A table holds the connections of a worker. They stay where they are.
type table struct {
	chunks [][]connection
	free   int32 // a place; -1: there is none
}

func newTable() table { return table{free: -1} }

func (t *table) at(i int32) *connection { return &t.chunks[i/chunk][i%chunk] }

// add returns the place of a new connection.
func (t *table) add() int32 {
	if t.free < 0 {
		first := int32(len(t.chunks) * chunk)
		t.chunks = append(t.chunks, make([]connection, chunk))
		for i := first + chunk - 1; i >= first; i-- {
			t.at(i).next, t.free = t.free, i
		}
	}
	i := t.free
	c := t.at(i)
	t.free = c.next
	*c = connection{live: true, serial: c.serial + 1, server: -1, opening: -1}
	return i
}

// remove frees a place.
func (t *table) remove(i int32) {
	c := t.at(i)
	c.live, c.next, t.free = false, t.free, i
}

// each calls do for every connection. do may remove it.
func (t *table) each(do func(i int32, c *connection)) {
	for k := range t.chunks {
		for j := range t.chunks[k] {
			if c := &t.chunks[k][j]; c.live {
				do(int32(k*chunk+j), c)
			}
		}
	}
}

// Openings hold what clients have sent during their openings.
type openings struct {
	all  [][]byte
	free []int32
}

// add appends what a client has sent to what is kept, and returns both, with their place.
func (o *openings) add(place int32, b []byte) (int32, []byte) {
	if place < 0 {
		if n := len(o.free); n > 0 {
			place, o.free = o.free[n-1], o.free[:n-1]
		} else {
			place, o.all = int32(len(o.all)), append(o.all, nil)
		}
	}
	o.all[place] = append(o.all[place], b...)
	return place, o.all[place]
}

// mostKept is the room that a place keeps for the next opening: that of an ordinary ClientHello.
const mostKept = 4 << 10

// drop forgets what is kept.
func (o *openings) drop(place int32) {
	if cap(o.all[place]) > mostKept {
		o.all[place] = nil
	}
	o.all[place] = o.all[place][:0]
	o.free = append(o.free, place)
}
