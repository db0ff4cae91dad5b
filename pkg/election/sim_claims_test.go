// SPDX-License-Identifier: Apache-2.0

package election

import (
	"slices"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// holding is what a process held at a moment.
type holding struct {
	state     State
	epoch     int
	priority  uint8
	distress  bool
	verified  bool // the claim was confirmed a moment ago
	contested bool // another host claims the addresses by ARP
}

func (h *host) holding() holding {
	e, ok := h.core.(*Election)
	if !ok {
		return holding{}
	}
	return holding{state: e.state, epoch: e.arbiter.claim.epoch, priority: e.priority(), distress: e.health.distress, verified: e.arbiter.verified(e.now), contested: h.contested(conflictWindow)}
}

// stores sees a write before it is stored. S0: no two processes have the same epoch, and epochs grow.
func (o *oracle) stores(h *host, l Lease) {
	s := &h.w.store
	if l.Holder == "" {
		return
	}
	if l.Holder == s.lease.Holder && l.Epoch == s.lease.Epoch {
		return // a renewal
	}
	if owner, taken := s.claims[l.Epoch]; taken && owner != l.Holder {
		o.violate(h.w, "S0", "epoch %d of %s is claimed by %s", l.Epoch, owner, l.Holder)
	}
	if s.lease.Version != "" && l.Epoch <= s.lease.Epoch && s.lease.Epoch != s.leapt {
		o.violate(h.w, "S0", "%s claims epoch %d after %d", l.Holder, l.Epoch, s.lease.Epoch)
	}
	if s.claims == nil {
		s.claims = map[int]string{}
	}
	s.claims[l.Epoch] = l.Holder
	for i := range o.groups {
		if i != h.id && !h.w.hearEachOther(h.id, i) {
			o.groups[i].set(h.w.now, false) // one that is cut off as well was the first to seize it: the majority begins again
		}
	}
}

// hears notes what a process holds before an event.
func (o *oracle) hears(h *host, ev Event) {
	if !h.w.hybrid || h.plain {
		return
	}
	o.before = holding{state: h.core.State()}
	if r, ok := ev.(Received); ok {
		h.released = r.Advertisement.Priority == vrrp.PriorityRelease
		if o.before.state == Active {
			o.before = h.holding() // what it holds matters to what a holder hears alone
		}
	}
}

// heard sees what an event has done to a process. S4: an older claim that was not confirmed a moment ago ends with the newer
// one's advertisement. S5: the holder of
// the Lease is displaced by a newer claim only. S8: who seizes the Lease leaves its holder the time to see it.
func (o *oracle) heard(h *host, was State, ev Event, forged bool) {
	if !h.w.hybrid || h.plain {
		return
	}
	state, b := h.core.State(), o.before
	if state == Seizing && b.state != Seizing {
		h.seizing = h.guest()
	}
	if b.state == Seizing && state == Active && !h.released && h.guest()-h.seizing < h.cfg.Lease.RenewInterval+AnswerTimeout {
		o.violate(h.w, "S8", "%d takes the address %s after it has seized the Lease", h.id, h.guest()-h.seizing)
	}
	r, ok := ev.(Received)
	if !ok || was != Active || b.epoch == 0 || b.distress {
		return
	}
	if forged {
		o.forged(h, was, b)
		return
	}
	p, yields := r.Advertisement.Priority, state != Active
	ahead := inClaim(p) && newer(p, claimPriority(b.epoch))
	if ahead && !yields && !b.verified && h.rivalTime() < defiance {
		o.violate(h.w, "S4", "%d holds epoch %d and does not yield to the newer claim %d", h.id, b.epoch, p)
	}
	l := h.w.store.lease
	overslept := strings.HasPrefix(h.core.(*Election).Status().Reason, "did not run")
	if yields && !ahead && !overslept && h.w.store.era == 0 && l.Holder == h.cfg.Identity && l.Epoch == b.epoch {
		o.violate(h.w, "S5", "%d holds epoch %d and yields to priority %d", h.id, b.epoch, p)
	}
}

func (h *host) rivalTime() time.Duration {
	e := h.core.(*Election)
	return e.now.Sub(e.heard.rival.since)
}

// lookGroups looks for a majority of hosts that hear each other, and whose holder none of them reaches. L3.
func (o *oracle) lookGroups(w *world) {
	for i, h := range w.hosts {
		o.groups[i].set(w.now, h.live() && (h.cfg.Peers != nil || w.reachable(i) && !w.desert) && w.loss == 0 && !w.foreign && !w.suppress && !w.believed() && !w.waiting() && w.abandoned(i))
	}
}

func (w *world) hearEachOther(i, j int) bool {
	return w.proves(i, j) && w.proves(j, i) && w.passes(i, j) && w.passes(j, i)
}

// passes reports whether the advertisements of one host pass to another that is connected.
func (w *world) passes(from, to int) bool { return !w.filter[from][to] && !w.hosts[from].gagged }

// maySeize reports whether a host is not held back by an earlier seizure, nor by what it knows of the others: where it knows no
// peer, the gateway alone shows that it is not cut off.
func (w *world) maySeize(i int) bool {
	e, ok := w.hosts[i].core.(*Election)
	return ok && !e.now.Before(e.arbiter.seize.notBefore) && !w.hosts[i].unable && (len(w.hosts[i].cfg.others()) > 0 || w.desert || w.reachable(i))
}

func (w *world) abandoned(i int) bool {
	reached := func(h *host) bool {
		return h.shows() && h.live() && (h.id == i || w.carries(h.id, i) || w.carries(i, h.id))
	}
	if slices.ContainsFunc(w.hosts, reached) {
		return false // the usual case, without the search for a group
	}
	group := []int{i}
	for j, h := range w.hosts {
		all := j != i && h.live()
		for _, k := range group {
			all = all && w.hearEachOther(j, k)
		}
		if all {
			group = append(group, j)
		}
	}
	if 2*len(group) <= len(w.hosts) || !slices.ContainsFunc(group, w.maySeize) {
		return false
	}
	for _, holder := range w.hosts {
		if !holder.shows() || !holder.live() {
			continue
		}
		for _, k := range group {
			if holder.id == k || w.carries(holder.id, k) || w.carries(k, holder.id) {
				return false
			}
		}
	}
	return true
}

// endLease: L4. At the end the holder has the Lease, with the epoch that it advertises.
func (o *oracle) endLease(w *world, holder int) {
	l, b := w.store.lease, w.hosts[holder].holding()
	switch {
	case b.distress:
	case b.epoch == 0:
		o.violate(w, "L4", "%d holds without the Lease", holder)
	case l.Holder != w.hosts[holder].cfg.Identity || l.Epoch != b.epoch:
		o.violate(w, "L4", "%d holds epoch %d, stored is %s", holder, b.epoch, l)
	}
}
