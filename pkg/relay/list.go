// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

const (
	// MostRunning is how many running connections a list has at most: an operator reads no more, and a worker has something else to do.
	MostRunning = 1000
	// MostEnded is how many of those are remembered that have ended.
	MostEnded = 100
)

// An ending is what is remembered of a connection that has ended.
type ending struct {
	trace
	at       time.Duration
	frontend netip.AddrPort // not valid where the access log has no line of it
	cause    session.Cause
}

// A trace is what is listed of a connection, whether it runs or has ended. It holds no pointer.
type trace struct {
	from           [16]byte
	port           uint16
	moved          bool
	server         int32 // -1: none
	accepted       time.Duration
	active         time.Duration // when something was sent last; 0: nothing was
	received, sent int64
}

// trace returns what is listed of a connection.
func (c *connection) trace() trace {
	a, b := &c.sides[client].flow, &c.sides[backend].flow
	return trace{
		from: c.from, port: c.port, moved: c.Moved(), server: c.server, accepted: c.accepted, active: max(a.at, b.at), received: a.all, sent: b.all,
	}
}

// LastEnded are the last connections of a worker that have ended.
type lastEnded struct {
	ring [MostEnded]ending
	next int
}

func (e *lastEnded) add(x ending) {
	e.ring[e.next] = x
	e.next = (e.next + 1) % len(e.ring)
}

// List returns the connections that run, the oldest first, and those that have ended last, the newest first. It returns when that is
// done, or when ctx ends.
func (r *Relay) List(ctx context.Context) (list v1alpha1.ConnectionList, err error) {
	parts := make([]v1alpha1.ConnectionList, len(r.workers))
	if err := r.ask(ctx, func(k int, w *worker) { parts[k] = w.list() }); err != nil {
		return list, err
	}
	return merge(parts), nil
}

// merge makes one list of those of the workers.
func merge(parts []v1alpha1.ConnectionList) (list v1alpha1.ConnectionList) {
	list.Running, list.Ended = []v1alpha1.Connection{}, []v1alpha1.Connection{}
	for _, p := range parts {
		list.Running, list.Ended, list.LeftOut = append(list.Running, p.Running...), append(list.Ended, p.Ended...), list.LeftOut+p.LeftOut
	}
	slices.SortFunc(list.Running, func(a, b v1alpha1.Connection) int { return a.Began.Compare(b.Began) })
	slices.SortFunc(list.Ended, func(a, b v1alpha1.Connection) int { return b.Ended.Compare(*a.Ended) })
	if beyond := len(list.Running) - MostRunning; beyond > 0 {
		list.Running, list.LeftOut = list.Running[:MostRunning], list.LeftOut+beyond
	}
	list.Ended = list.Ended[:min(len(list.Ended), MostEnded)]
	return list
}

// list returns those of one worker.
func (w *worker) list() (list v1alpha1.ConnectionList) {
	type at struct {
		accepted time.Duration
		place    int32
	}
	var all []at
	w.table.each(func(i int32, c *connection) { all = append(all, at{c.accepted, i}) })
	slices.SortFunc(all, func(a, b at) int { return cmp.Compare(a.accepted, b.accepted) })
	list.LeftOut = max(0, len(all)-MostRunning)
	for _, x := range all[:len(all)-list.LeftOut] {
		c := w.table.at(x.place)
		list.Running = append(list.Running, w.relay.listed(c.trace(), localAddress(c.sides[client].fd)))
	}
	for i := range w.ended.ring {
		e := &w.ended.ring[i]
		if e.at == 0 {
			continue
		}
		c := w.relay.listed(e.trace, e.frontend)
		c.Ended, c.Reason = new(w.relay.start.Add(e.at)), e.cause.String()
		list.Ended = append(list.Ended, c)
	}
	return list
}

// listed is a trace for people.
func (r *Relay) listed(t trace, frontend netip.AddrPort) v1alpha1.Connection {
	c := v1alpha1.Connection{
		Client: netip.AddrPortFrom(netip.AddrFrom16(t.from).Unmap(), t.port).String(), Began: r.start.Add(t.accepted),
		Received: uint64(t.received), Sent: uint64(t.sent), Retried: t.moved,
	}
	if frontend.IsValid() {
		c.Frontend = frontend.String()
	}
	if t.server >= 0 {
		c.Backend = r.server(t.server).address.String()
	}
	if t.active > 0 {
		c.Active = new(r.start.Add(t.active))
	}
	return c
}
