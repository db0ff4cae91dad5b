// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"cmp"
	"context"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/session"
)

// An idler is a connection that has carried nothing for a while.
type idler struct {
	accepted      time.Duration
	worker        int
	place, serial int32
}

// EndIdle ends connections to a server that have carried nothing for a while, the oldest first and count at most, as a server does that
// closes what is idle: their clients connect again. It returns how many have ended.
func (r *Relay) EndIdle(ctx context.Context, s *Server, count int, idle time.Duration) (ended int, err error) {
	parts := make([][]idler, len(r.workers))
	if err := r.ask(ctx, func(k int, w *worker) { parts[k] = w.idlers(k, s.id, count, idle) }); err != nil {
		return 0, err
	}
	all := slices.Concat(parts...)
	slices.SortFunc(all, func(a, b idler) int { return cmp.Compare(a.accepted, b.accepted) })
	all = all[:min(len(all), count)]
	counts := make([]int, len(r.workers))
	err = r.ask(ctx, func(k int, w *worker) {
		for _, x := range all {
			if x.worker == k && w.endIdle(x, s.id, idle) {
				counts[k]++
			}
		}
	})
	if err != nil {
		return 0, err
	}
	for _, n := range counts {
		ended += n
	}
	return ended, nil
}

// endIdle ends a connection, unless it is another one now, or not idle any more.
func (w *worker) endIdle(x idler, server int32, idle time.Duration) bool {
	c := w.table.at(x.place)
	if !c.live || c.serial != x.serial || c.server != server || !c.idle(w.now, idle) {
		return false
	}
	w.step(x.place, c, session.Event{Kind: session.Ended, Cause: session.Rebalanced})
	return true
}

// idlers returns the oldest connections of worker k to a server that are idle.
func (w *worker) idlers(k int, server int32, count int, idle time.Duration) (found []idler) {
	var all []idler
	w.table.each(func(i int32, c *connection) {
		if c.server == server && c.quiet(w.now, idle) {
			all = append(all, idler{c.accepted, k, i, c.serial})
		}
	})
	slices.SortFunc(all, func(a, b idler) int { return cmp.Compare(a.accepted, b.accepted) })
	for _, x := range all {
		if len(found) == count {
			break
		}
		if w.table.at(x.place).idle(w.now, idle) {
			found = append(found, x)
		}
	}
	return found
}

// quiet reports whether nothing was read from either side for a while, and nothing waits to be passed on.
func (c *connection) quiet(now, idle time.Duration) bool {
	a, b := &c.sides[client], &c.sides[backend]
	return c.Whole() && a.pending == 0 && b.pending == 0 && max(c.connectAt, a.flow.at, b.flow.at)+idle <= now
}

// idle reports whether a connection is quiet, and both sides have got all that was sent to them. It asks the kernel.
func (c *connection) idle(now, idle time.Duration) bool {
	return c.quiet(now, idle) && acknowledged(c.sides[client].fd) && acknowledged(c.sides[backend].fd)
}

// acknowledged reports whether the other end of a socket has acknowledged all that was written to it.
func acknowledged(fd int32) bool {
	waiting, err := unix.IoctlGetInt(int(fd), unix.TIOCOUTQ)
	return err == nil && waiting == 0
}
