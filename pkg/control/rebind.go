// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"slices"

	"github.com/harbinger-ha/harbinger/pkg/election"
)

// rebinding is what Rebind hands to the loop.
type rebinding struct {
	ports  []Port
	events []election.Event
	done   chan struct{}
}

// Rebind has the loop go on with other sockets, because the link or the own address is another, and then gives the election
// events about it. It returns when that is done, the loop has ended, or ctx ends. A socket that is in use already stays; the
// others are closed, and so are the new ones where the loop has ended.
func (l *Loop) Rebind(ctx context.Context, ports []Port, events ...election.Event) {
	r := rebinding{ports: ports, events: events, done: make(chan struct{})}
	select {
	case l.rebinds <- r:
		<-r.done
	case <-l.ended:
		closeAll(ports)
	case <-ctx.Done():
		closeAll(ports)
	}
}

func closeAll(ports []Port) {
	for _, p := range ports {
		_ = p.Conn.Close() // the old ones of an ended loop are closed already
	}
}

func (l *Loop) rebind(ctx context.Context, r rebinding) {
	defer close(r.done)
	before := l.cfg.Ports
	l.cfg.Ports = r.ports
	in := func(ports []Port, c Conn) bool {
		return slices.ContainsFunc(ports, func(p Port) bool { return p.Conn == c })
	}
	for _, p := range r.ports {
		if !in(before, p.Conn) {
			l.work(func() error { return l.watch(ctx, p.Conn) })
		}
	}
	for _, p := range before {
		if !in(r.ports, p.Conn) {
			l.retired.Store(p.Conn, true)
			_ = p.Conn.Close() // what is left to be said is said by the new one
		}
	}
	for _, ev := range r.events {
		l.step(ctx, ev)
	}
}
