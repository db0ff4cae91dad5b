// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// AskPeers asks every peer, and the gateway, whether frames pass between them and this node, both ways. It is answered by
// exactly one PeersDone, at the latest after Timeout.
type AskPeers struct{ Timeout time.Duration }

// PeersDone answers AskPeers.
type PeersDone struct {
	// CouldNotAsk says that this node could not ask at all, which says nothing of the others.
	CouldNotAsk bool
	// Reached are the peers that proved that they answer, each by the address in Config.Peers: by a connection, a refusal (RST) or an
	// echo. An answer of ARP is no proof, as switches and routers give it for others.
	Reached []netip.Addr
	// Gateway is what the next hop of the default route answered: Answers, Nobody, or CouldNotAsk where there is none.
	Gateway Finding
	// Witnesses are those of Reached that tried to reach the virtual address at this node a moment ago, and Unreachable those of
	// the witnesses that failed in their last checks.
	Witnesses, Unreachable []netip.Addr
	// Heard are the holders, by the source of their advertisements, that others of Reached hear now.
	Heard []netip.Addr
}

// CheckHolder asks whether the virtual address serves clients: a connection to the port of the control plane, in several attempts.
// It is answered by exactly one HolderChecked, at the latest after Timeout.
type CheckHolder struct{ Timeout time.Duration }

// HolderChecked answers CheckHolder. Client is what the port of the control plane at the virtual address answered.
type HolderChecked struct{ Client Finding }

// Rehearse asks whether this node would be reached if it had the virtual address. It is answered by exactly one Rehearsed, at
// the latest after Timeout.
type Rehearse struct{ Timeout time.Duration }

// Rehearsed answers Rehearse. Client is what a peer found at the port of the control plane; CouldNotAsk: nobody could try.
type Rehearsed struct{ Client Finding }

func (PeersDone) event()     {}
func (HolderChecked) event() {}
func (Rehearsed) event()     {}
func (AskPeers) action()     {}
func (CheckHolder) action()  {}
func (Rehearse) action()     {}

func (d PeersDone) String() string {
	return fmt.Sprintf("peers reached=%v gateway=%s witnesses=%v unreachable=%v unasked=%t", d.Reached, d.Gateway, d.Witnesses, d.Unreachable, d.CouldNotAsk)
}
func (d HolderChecked) String() string { return fmt.Sprintf("holder checked client=%s", d.Client) }
func (d Rehearsed) String() string     { return fmt.Sprintf("rehearsed client=%s", d.Client) }
func (a AskPeers) String() string      { return fmt.Sprintf("ask peers timeout=%s", a.Timeout) }
func (a CheckHolder) String() string   { return fmt.Sprintf("check holder timeout=%s", a.Timeout) }
func (a Rehearse) String() string      { return fmt.Sprintf("rehearse timeout=%s", a.Timeout) }

// reach is whom this node reaches, by their own proof. Rows 15, 32, 34 and 37 decide by it.
type reach struct {
	outstanding bool
	asked       time.Time // when the question under way, or the last one, was asked
	next        time.Time // when a holder, or who lost the Lease, asks again
	last        PeersDone
	at          time.Time  // when the question was asked that last answers; zero: none
	ever        bool       // somebody was reached, or a peer heard, since the process began
	silent      int        // answers in a row in which nobody was reached
	absent      int        // answers in a row, in this silence, in which the holder of the Lease was not reached
	proved      time.Time  // when an answer first showed, in this silence, that this node is of a majority
	broken      bool       // an answer showed the contrary in this silence
	lostTo      netip.Addr // who took the Lease from this node, and was not reached since; invalid: nobody
}

// ask begins a question, unless one is under way. A holder asks again after a while.
func (r *reach) ask(now time.Time, every, timeout time.Duration) []Action {
	r.next = now.Add(every)
	if r.outstanding {
		return nil
	}
	r.outstanding, r.asked = true, now
	return []Action{AskPeers{Timeout: timeout}}
}

// done ends the question under way. That this node could not ask says nothing of the others.
func (r *reach) done(ev PeersDone) {
	r.outstanding = false
	if ev.CouldNotAsk {
		return
	}
	r.last, r.at = ev, r.asked
	if len(ev.Reached) > 0 || ev.Gateway == Answers {
		r.ever, r.silent = true, 0
	} else {
		r.silent++
	}
	if slices.Contains(ev.Reached, r.lostTo) {
		r.lostTo = netip.Addr{}
	}
}

// fresh reports whether there is an answer that says something of now.
func (r *reach) fresh(now time.Time) bool { return !r.at.IsZero() && now.Sub(r.at) <= reachAge }

// reaches reports whether a peer has just proved that it answers.
func (r *reach) reaches(now time.Time, peer netip.Addr) bool {
	return r.fresh(now) && slices.Contains(r.last.Reached, peer)
}

// nobody reports whether this node has just reached neither a peer nor the gateway, although it did before.
func (r *reach) nobody(now time.Time) bool { return r.fresh(now) && r.ever && r.silent > 0 }

// alone reports whether a holder reaches nobody, and has not for so long that it is no accident.
func (r *reach) alone() bool { return r.ever && r.silent >= aloneAfter }

// majority reports whether this node is of a majority: it reaches more than half of all nodes, itself included, or half of them
// and the gateway, which is the witness of two nodes that do not reach each other. Where no peer is known, the gateway alone
// can show that this node is cut off.
func (r *reach) majority(now time.Time, others []netip.Addr) bool {
	if !r.fresh(now) {
		return false
	}
	reached := 1
	for _, peer := range others {
		if slices.Contains(r.last.Reached, peer) {
			reached++
		}
	}
	switch all := len(others) + 1; {
	case all == 1:
		return r.last.Gateway != Nobody || !r.ever
	case 2*reached == all:
		return r.last.Gateway == Answers
	default:
		return 2*reached > all
	}
}

// proves notes whether this node is of a majority all the time in which the holder is silent. Who was cut off begins with what the
// holder does not answer: others may be reached a moment before it.
func (r *reach) proves(now time.Time, ev PeersDone, others []netip.Addr) {
	switch {
	case ev.CouldNotAsk:
	case !r.majority(now, others):
		r.broken = true
	case r.proved.IsZero():
		r.proved = now
	}
}

// askPeers asks whom this node reaches.
func (e *Election) askPeers() { e.do(e.reach.ask(e.now, e.cfg.reachEvery(), e.probeTimeout())...) }

// peersDone takes the answer.
func (e *Election) peersDone(ev PeersDone) {
	e.reach.done(ev)
	e.reach.proves(e.now, ev, e.cfg.others())
	switch l := e.arbiter.lease; {
	case !ev.CouldNotAsk && !e.reach.majority(e.now, e.cfg.others()): // what is silent for who is cut off itself shows nothing
		e.reach.absent, e.arbiter.seize.from = 0, time.Time{}
	case slices.Contains(ev.Reached, l.reachable()):
		e.reach.absent = 0
	case !ev.CouldNotAsk:
		e.reach.absent++
	}
	if l := e.arbiter.lease; e.reach.lostTo.IsValid() && l.reachable() != e.reach.lostTo && e.reach.reaches(e.now, l.reachable()) {
		e.reach.lostTo = netip.Addr{} // it is another one's now
	}
	if e.started {
		call(e, table[e.state].reached, ev)
		e.consult()
	}
}

// isolated reports whether this node must leave a fresh Lease alone: it does not reach a majority, or not the node to which it lost
// the Lease.
func (e *Election) isolated() bool {
	return e.reach.lostTo.IsValid() || !e.reach.majority(e.now, e.cfg.others())
}

// activeReached sees whether a holder reaches anybody. One that reaches nobody releases the Lease and keeps the addresses: who is
// not cut off may claim it at once.
func (e *Election) activeReached(ev PeersDone) {
	if e.reach.alone() && e.arbiter.ours() {
		e.arbiter.next = e.now
	}
	e.doubts(ev)
	e.judged(ev)
}

// backupReached goes on with what waited for the proof.
func (e *Election) backupReached(PeersDone) {
	e.startSoon()
	if e.arbiter.question == none && e.arbiter.fresh(e.now) && e.invited() { // else the answer under way decides
		e.acceptInvitation()
	}
}

// vetoed reports whether a peer that this node reaches hears the holder of the Lease: then only the path between those two is cut,
// and others are served.
func (e *Election) vetoed() bool {
	return e.reach.fresh(e.now) && slices.Contains(e.reach.last.Heard, e.arbiter.lease.Address)
}

// lostTo notes who took the Lease from this node: until that one is reached, it is not taken back (row 15).
func (e *Election) lostTo(winner netip.Addr) {
	if len(e.cfg.others()) == 0 {
		e.arbiter.seize.notBefore = e.now.Add(seizeAgain) // nobody can be asked
		return
	}
	e.reach.lostTo, e.reach.next = winner, e.now
}

// cutOff reports whether the holder of the Lease is a peer whom this node asked several times and did not reach, and lives: it has
// renewed the Lease since it must have advertised.
func (e *Election) cutOff() bool {
	holder := e.arbiter.lease.reachable()
	return e.arbiter.living.After(e.heard.sign.Add(e.heard.interval)) && e.reach.fresh(e.now) &&
		slices.Contains(e.cfg.others(), holder) && e.reach.absent >= absentAfter
}

// holder returns whom this node takes for the holder; invalid: nobody is heard.
func (e *Election) holder() netip.Addr {
	h, l := &e.heard, &e.arbiter.lease
	switch {
	case e.cfg.Mode == LeaseOnly && e.arbiter.known && e.arbiter.others() && !e.arbiter.available(e.now):
		return l.Address
	case !h.first.IsZero() && e.now.Sub(h.first) < 3*h.interval:
		return h.firstFrom
	case !h.at.IsZero() && e.now.Sub(h.at) < 3*h.interval:
		return h.holder
	}
	return netip.Addr{}
}

// asksPeers reports whether a holder has anybody to ask.
func (e *Election) asksPeers() bool { return e.cfg.arbitrates() || len(e.cfg.others()) > 0 }

// inquiryAt returns when the next regular question is due: of a holder, whom it reaches; of a Backup, whether the holder serves; of a
// takeover that waits for the Lease, whether the peers prove it now.
func (e *Election) inquiryAt() time.Time {
	switch r, w := &e.reach, &e.witness; {
	case !e.started:
		return time.Time{}
	case e.state == Active:
		return when(!r.outstanding && e.asksPeers(), r.next)
	case e.state == Claiming:
		return when(!r.outstanding && e.unproven(), r.asked.Add(e.cfg.AdvertisementInterval/4))
	case e.state == Backup:
		return first(e.rehearseAt(), when(!w.outstanding && w.found.Holder.IsValid(), w.next), when(r.lostTo.IsValid() && !r.outstanding, r.next))
	}
	return time.Time{}
}

// inquire asks what is due.
func (e *Election) inquire() {
	switch r := &e.reach; {
	case !e.started:
	case e.state == Active && due(e.now, r.next) && e.asksPeers():
		e.do(r.ask(e.now, e.cfg.reachEvery(), min(e.cfg.AdvertisementInterval, LongestProbe))...)
	case e.state == Claiming && due(e.now, e.inquiryAt()):
		e.askPeers()
	case e.state == Backup:
		e.do(e.witness.follow(e.now, e.holder())...)
		if due(e.now, e.rehearseAt()) {
			e.rehearse()
		}
		if r.lostTo.IsValid() && due(e.now, r.next) {
			e.askPeers()
			r.next = e.now.Add(lostEvery)
		}
	}
}

// when returns a time if a condition holds, else the zero time.
func when(holds bool, t time.Time) time.Time {
	if holds {
		return t
	}
	return time.Time{}
}

// first returns the earliest of the times that are not zero; zero: all are.
func first(times ...time.Time) (earliest time.Time) {
	for _, t := range times {
		if !t.IsZero() && (earliest.IsZero() || t.Before(earliest)) {
			earliest = t
		}
	}
	return earliest
}

// leaped raises the alarm where the Lease has an epoch that nobody can have reached.
func (e *Election) leaped() {
	if a := &e.arbiter; a.leaps() {
		e.forgedBy(netip.Addr{}, fmt.Sprintf("the Lease has epoch %d, and the highest seen before is %d: it is written anew", a.lease.Epoch, a.highest))
	}
}
