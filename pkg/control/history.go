// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/netip"
	"time"
)

// keptSpans is how many of the last holders a Status shows.
const keptSpans = 32

// staying is for how many of its intervals a holder counts as the same one, until it is heard again: a Backup takes over sooner from
// one that has died, and a lossy network hides a live one for less.
const staying = 4

// HolderSpan is a time in which one host held the virtual addresses, as this node saw it.
type HolderSpan struct {
	Own    bool       // it was this node
	Holder netip.Addr // another node: where its advertisements came from
	From   time.Time  // on the clock of the election
	Seen   time.Time  // when it was seen last: heard, or the own addresses were there
	// Unserved is the time before it in which this node saw no holder; zero: it is no longer than two advertisements are apart.
	Unserved time.Duration
	Reason   string // for which this node took the addresses
}

// A history is who held the virtual addresses, newest last. Its slices are never written to after they were handed out.
type history struct{ spans []HolderSpan }

// see notes that a holder was there at a time, with its advertisement interval.
func (h *history) see(holder HolderSpan, at time.Time, interval time.Duration) {
	holder.From, holder.Seen, holder.Unserved = at, at, h.unserved(at, interval)
	if n := len(h.spans); n > 0 {
		last := h.spans[n-1]
		gap := at.Sub(last.Seen)
		switch same := last.Own == holder.Own && last.Holder == holder.Holder; {
		case gap <= 0:
			return
		case same && gap <= staying*interval:
			holder.From, holder.Unserved, holder.Reason = last.From, last.Unserved, last.Reason
			h.spans = append(append(make([]HolderSpan, 0, n), h.spans[:n-1]...), holder)
			return
		}
	}
	kept := h.spans[max(0, len(h.spans)-keptSpans+1):]
	h.spans = append(append(make([]HolderSpan, 0, keptSpans), kept...), holder)
}

// unserved returns for how long this node has seen no holder before a time; zero: no longer than two advertisements are apart, or it
// never saw one.
func (h *history) unserved(at time.Time, interval time.Duration) time.Duration {
	if n := len(h.spans); n > 0 {
		if gap := at.Sub(h.spans[n-1].Seen); gap > silence*interval {
			return gap
		}
	}
	return 0
}
