// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

// A record is what the access log says of a connection that has ended.
type record struct {
	client, frontend, backend netip.AddrPort // backend: not valid where none has accepted
	cause                     session.Cause
	connect, answer           time.Duration // from the begin to the accept of the backend, and to its first byte; 0: not so far
	lasted                    time.Duration
	received, sent            int64 // bytes from the client, and to it
	moved                     bool
	suppressed                int // lines about this client that were left out before
}

// mostRecords is how many lines wait to be written. Those beyond are left out: a log that is slow must not delay connections.
const mostRecords = 1024

// failure reports whether a connection ended otherwise than by its client, by the end of all, or by an order. Where one side has finished, the client
// has what it wanted: TLS says its last word to a backend that may have closed by then, and resets. Where the reset is faster than the reading,
// the kernel calls it EPIPE instead of ECONNRESET.
func (c *connection) failure(why session.Cause) bool {
	switch why {
	case session.Finished, session.ClientBroke, session.AddressMoved, session.Maintenance, session.Rebalanced, session.Stopped:
		return c.Moved()
	case session.BackendBroke:
		return c.Moved() || !c.sides[client].over && !c.sides[backend].over && unix.Errno(c.errno) != unix.EPIPE
	default:
		return true
	}
}

// logs reports whether the access log is to have a line about a connection of a source, and how many were left out before it.
func (r *Relay) logs(log balance.AccessLog, failed bool, from netip.Addr, now time.Duration) (suppressed int, wanted bool) {
	if log == balance.AccessLogFailures && failed {
		return r.sources.mayLog(from, now)
	}
	return 0, log == balance.AccessLogAll
}

// record has the access log say how a connection ended, where it is asked for. It returns where that came in, as the log has it.
func (w *worker) record(c *connection, why session.Cause) (frontend netip.AddrPort) {
	from := c.source()
	suppressed, wanted := w.relay.logs(w.route.AccessLog, c.failure(why), from.Addr(), w.now)
	if !wanted {
		return netip.AddrPort{}
	}
	frontend = localAddress(c.sides[client].fd)
	rec := record{
		client: from, frontend: frontend, cause: why, lasted: w.now - c.accepted,
		connect: since(c.accepted, c.connectAt), answer: since(c.accepted, c.answerAt),
		received: c.sides[client].flow.all, sent: c.sides[backend].flow.all, moved: c.Moved(), suppressed: suppressed,
	}
	if c.server >= 0 {
		rec.backend = w.relay.server(c.server).address
	}
	w.relay.write(rec)
	return frontend
}

// since returns how long after a moment something was; 0 where it was not.
func since(from, at time.Duration) time.Duration {
	if at == 0 {
		return 0
	}
	return max(at-from, time.Nanosecond)
}

// write queues a record.
func (r *Relay) write(rec record) {
	select {
	case r.records <- rec:
	default:
		r.unwritten.Add(1)
	}
}

// log writes the records until the channel is closed.
func (r *Relay) log() {
	for rec := range r.records {
		backend, retries := "", 0
		if rec.backend.IsValid() {
			backend = rec.backend.String()
		}
		if rec.moved {
			retries = 1
		}
		r.cfg.Log.Info(logging.MsgConnectionEnded,
			logging.KeyAddress, rec.client.String(), logging.KeyFrontend, rec.frontend.String(), logging.KeyBackend, backend,
			logging.KeyReason, rec.cause.String(), logging.KeyConnected, rounded(rec.connect), logging.KeyAnswered, rounded(rec.answer),
			logging.KeyLasted, rounded(rec.lasted), logging.KeyReceived, rec.received, logging.KeySent, rec.sent,
			logging.KeyRetries, retries, logging.KeySuppressed, rec.suppressed+int(r.unwritten.Swap(0)))
	}
}

// rounded is a duration for people.
func rounded(d time.Duration) string { return d.Round(time.Microsecond).String() }
