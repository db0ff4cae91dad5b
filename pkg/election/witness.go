// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Witness is what this node found of the holder that it hears, for that holder to read.
type Witness struct {
	Holder   netip.Addr // source of its advertisements; invalid: there is none
	Failures int        // checks in a row that did not reach the virtual address
	At       time.Time  // of the last check
}

// witness is the Backup's part of finding out a holder that serves nobody: it tries to reach the virtual address as a client does.
// What it finds, the holder reads. Row 40 decides by it.
type witness struct {
	testimony   []testimony // of the peers, to a holder
	found       Witness
	unanswered  bool // the last check had no reaction at all
	outstanding bool
	next        time.Time
	rehearsing  bool
	again       time.Time // when the next rehearsal of a node in distress is due
	rehearsed   time.Time // when a rehearsal last said that this node would be reached, or that nobody could try
}

// testimony is what a peer last found of this node as the holder.
type testimony struct {
	peer   netip.Addr
	at     time.Time
	failed bool
}

// testify notes what the peers found, and returns how many have looked lately, and how many of them failed. The answers of
// several moments count together: under loss one of them has few.
func (w *witness) testify(now time.Time, ev PeersDone) (looked, failed int) {
	w.testimony = slices.DeleteFunc(w.testimony, func(t testimony) bool {
		return now.Sub(t.at) > checksFailed*checkEvery || slices.Contains(ev.Witnesses, t.peer)
	})
	for _, peer := range ev.Witnesses {
		w.testimony = append(w.testimony, testimony{peer, now, slices.Contains(ev.Unreachable, peer)})
	}
	for _, t := range w.testimony {
		if looked++; t.failed {
			failed++
		}
	}
	return looked, failed
}

// follow is the Backup's check of a holder, due every checkEvery while one is heard.
func (w *witness) follow(now time.Time, holder netip.Addr) []Action {
	if w.found.Holder != holder {
		if w.found, w.rehearsed = (Witness{Holder: holder}), (time.Time{}); !now.Before(w.next) {
			w.next = now.Add(checkEvery)
		}
	}
	if w.outstanding || !holder.IsValid() || !due(now, w.next) {
		return nil
	}
	w.outstanding, w.next = true, now.Add(checkEvery)
	return []Action{CheckHolder{Timeout: checkTimeout}}
}

// done notes what a check found.
func (w *witness) done(now time.Time, ev HolderChecked) {
	w.outstanding = false
	switch {
	case ev.Client == CouldNotAsk || !w.found.Holder.IsValid():
		return
	case ev.Client >= Answers:
		w.found.Failures = 0
	default:
		w.found.Failures++
	}
	w.found.At, w.unanswered = now, ev.Client == Nobody
}

// failed reports whether this node has found that clients do not reach the holder.
func (w *witness) failed(holder netip.Addr) bool {
	return w.found.Holder == holder && w.found.Failures >= checksFailed
}

// holderChecked is row 40 of a Backup. Where nobody renews the Lease, an advertiser whose address nobody answers for has to be
// proved by a probe (row 4).
func (e *Election) holderChecked(ev HolderChecked) {
	e.witness.done(e.now, ev)
	if a := &e.arbiter; e.state == Backup && e.witness.unanswered && e.challenge.lately(e.now, e.heard.interval) && a.signedBefore() && a.available(e.now) {
		at := e.downAt
		e.shortenDown()
		e.downAt = first(at, e.downAt)
	}
}

// judged is row 40 of a holder: most of the peers that can be heard find that clients do not reach it. While no backend is healthy
// that is no news.
func (e *Election) judged(ev PeersDone) {
	h, contested := &e.health, e.presence.conflict
	looked, failed := e.witness.testify(e.now, ev)
	switch {
	case ev.CouldNotAsk, e.now.Sub(h.since) < checksFailed*checkEvery: // they looked while no backend was healthy
	case contested.with != "" && e.now.Sub(contested.at) <= 2*conflictWindow: // they found the other host
	case 2*failed > looked && h.healthy:
		if e.now.Sub(h.reported) >= reportEvery {
			h.reported = e.now
			e.do(Alarm{Kind: Unreachable, Detail: fmt.Sprintf("%d of %d peers cannot reach the virtual address at this node: is the port of the control plane closed here, or the address unknown to a switch?", failed, looked)})
		}
		h.shun(e.now)
		h.explained = false
		e.witness.again = e.now.Add(rehearseEvery)
	case looked > 0 && failed == 0:
		h.reached(e.now)
	}
}

// worse reports whether this node must not take the addresses from a holder that clients do not reach: it would not be reached
// either, or does not know yet. The same rule of a firewall may be on all hosts.
func (e *Election) worse() bool {
	w := &e.witness
	if !w.failed(e.holder()) || !w.rehearsed.IsZero() && e.now.Sub(w.rehearsed) <= rehearsalAge {
		return false
	}
	e.rehearse()
	return true
}

// rehearseAt returns when a Backup that clients did not reach asks whether they would now; zero: it need not.
func (e *Election) rehearseAt() time.Time {
	w := &e.witness
	return when(!e.health.shunned.IsZero() && !w.rehearsing && e.holder().IsValid(), w.again)
}

// rehearse asks whether clients would reach this node.
func (e *Election) rehearse() {
	if !e.witness.rehearsing {
		e.witness.rehearsing, e.witness.again = true, e.now.Add(rehearseEvery)
		e.do(Rehearse{Timeout: checkTimeout})
	}
}

// rehearsed is row 40 of a Backup that may be better than a holder whom clients do not reach.
func (e *Election) rehearsed(ev Rehearsed) {
	w := &e.witness
	w.rehearsing = false
	if ev.Client != CouldNotAsk && ev.Client < Answers {
		e.health.rehearsed(e.now, false)
		return
	}
	w.rehearsed = e.now
	if ev.Client >= Answers {
		e.health.rehearsed(e.now, true)
	}
	if e.state == Backup && e.started && e.heard.preemptable(e.now) && w.failed(e.holder()) {
		e.downAt = e.now
	}
}
