// SPDX-License-Identifier: Apache-2.0

package election

import (
	"slices"
	"time"
)

// isolatedAfter is how long a host must be cut off until what it knows of the others, and what one that left
// has said, is of before.
const isolatedAfter = 4 * time.Second

// boundShunned is L5: three checks, what the holder hears of them, and the patience of the others with it. A holder that the
// others have followed for a while is left within 10 s.
const boundShunned = 13 * time.Second

// proofs are the conditions of the invariants that rest on proof, by host.
type proofs struct {
	isolated []watch // it does not reach a majority, nor as one half the gateway
	reads    []watch // it is live, and its API answers
	shunned  watch   // L5: clients do not reach the port of the holder, and another host is better
}

func newProofs(n int) proofs { return proofs{isolated: make([]watch, n), reads: make([]watch, n)} }

func (p *proofs) look(w *world, o *oracle) {
	for i, h := range w.hosts {
		p.isolated[i].set(w.now, w.isolated(i))
		p.reads[i].set(w.now, h.live() && w.reach(h) == prompt)
	}
	p.shunned.set(w.now, o.clean(w) && w.askable() && w.better())
}

// isolated reports whether a host reaches fewer than half of all hosts, itself included, or half of them without the gateway.
func (w *world) isolated(i int) bool {
	others := w.hosts[i].cfg.others()
	reached := 1
	for j, h := range w.hosts {
		if j != i && slices.Contains(others, h.addr) && w.proves(i, j) {
			reached++
		}
	}
	all := len(others) + 1
	return 2*reached < all || 2*reached == all && (w.desert || !w.reachable(i))
}

// fresh reports whether the Lease that is stored is that of another node, which has renewed it so lately that nobody can have seen
// it stale.
func (w *world) fresh(h *host) bool {
	l := w.store.lease
	return l.Holder != "" && l.Epoch != w.store.leapt && l.Node != h.cfg.Node && w.now-w.store.renewed < h.cfg.Lease.StaleAfter*99/100
}

// better reports whether there is one holder, whose port is blocked, and a host without that fault which could take over.
func (w *world) better() bool {
	holder := w.one()
	if holder == nobody || !w.hosts[holder].blocked || w.hosts[holder].plain || len(w.hosts[holder].cfg.others()) == 0 {
		return false
	}
	usable := func(h *host) bool { return h.live() && !h.plain && h.healthy && (!w.hybrid || w.reach(h) == prompt) }
	sound := func(h *host) bool { return h.id != holder && usable(h) && !h.blocked && !h.shunned() }
	if w.hosts[holder].disputed() {
		return false
	}
	// What every other host sees, and nobody lies about.
	untold := func(h *host) bool { return h.id != holder && (!h.live() || h.plain || h.lies) }
	return usable(w.hosts[holder]) && slices.ContainsFunc(w.hosts, sound) && !slices.ContainsFunc(w.hosts, untold)
}

// disputed reports whether another host goes on claiming the addresses of a holder by ARP: what the others find may be of it.
func (h *host) disputed() bool {
	e, ok := h.core.(*Election)
	return ok && e.presence.conflict.with != "" && h.contested(2*conflictWindow)
}

// contested reports whether another host has claimed the addresses of a holder by ARP in a time.
func (h *host) contested(within time.Duration) bool {
	e, ok := h.core.(*Election)
	return ok && !e.presence.conflict.at.IsZero() && h.time().Sub(e.presence.conflict.at) <= within
}

// shunned reports whether a process takes itself for one that clients do not reach: for L2 it is no healthy one.
func (h *host) shunned() bool {
	e, ok := h.core.(*Election)
	return ok && !e.health.shunned.IsZero()
}

// believed reports whether forged advertisements pass for those of a holder, as nothing can prove the contrary: no Lease can be
// read, or it names nobody.
func (w *world) believed() bool {
	return w.forging > 0 && (w.store.lease.Holder == "" || slices.ContainsFunc(w.hosts, func(h *host) bool { return h.live() && w.reach(h) != prompt }))
}

// consults sees what a process sends to the store. S11: who is isolated claims nothing beside a fresh Lease.
func (o *oracle) consults(h *host, a Action) {
	w := h.w
	write, ok := a.(WriteLease)
	if !ok || write.Lease.Holder != h.cfg.Identity || write.Lease.Version != w.store.lease.Version || h.core.State() == Active {
		return
	}
	o.alone(h, "claims the Lease")
}

// alone is S11, of a host that takes, or claims.
func (o *oracle) alone(h *host, what string) {
	w, cut := h.w, &o.proofs.isolated[h.id]
	if len(h.cfg.others()) > 0 && cut.open && w.now-cut.since > isolatedAfter && w.fresh(h) {
		o.violate(w, "S11", "%d is isolated, and %s of %s", h.id, what, w.store.lease.Holder)
	}
}

// forged sees what a forged advertisement does to a process. S12: nothing, to the holder of a Lease that was confirmed a moment ago.
func (o *oracle) forged(h *host, was State, b holding) {
	l := h.w.store.lease
	if reads := &o.proofs.reads[h.id]; was == Active && h.core.State() != Active && b.verified && !b.contested && reads.open && h.w.now-reads.since > isolatedAfter && l.Holder == h.cfg.Identity && l.Epoch == b.epoch {
		o.violate(h.w, "S12", "%d holds epoch %d and yields to a forged advertisement", h.id, b.epoch)
	}
}
