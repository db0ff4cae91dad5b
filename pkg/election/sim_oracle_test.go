// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// watch measures how long a condition lasts.
type watch struct {
	open  bool
	since time.Duration
	last  time.Duration // when it held
	most  time.Duration
	bad   bool // this time the bound was passed
}

func (s *watch) set(now time.Duration, open bool) {
	if open && !s.open {
		s.since, s.bad = now, false
	}
	s.open = open
}

// oracle holds the invariants.
type oracle struct {
	bounds                   bounds
	pairs                    [][]dual
	seen                     [][]watch // the channels of a host show it another that holds
	groups                   []watch   // L3: of the majority around each host
	before                   holding   // what a process held before it heard the event
	proofs                   proofs
	alarms                   map[AlarmKind]time.Duration // when each was raised first; nil: nobody asks
	any, double              watch                       // any two hold, any two answer who asks for the address
	dark, idle, sick, misled watch
	holder                   int
	moves                    int
	muddy                    time.Duration // when a host last missed what another said
	served                   time.Duration // when a live host last held
	borne                    time.Duration // how much longer a holder in distress is borne than on a LAN that has lost nothing (F37)
	violations               []string
	broken                   map[string]int
	sight                    sight
}

// dual are the conditions under which two hosts that reach each other both hold the address.
type dual struct{ both, open, live, blind, lossy, dead, leaving, healed, stopped watch }

func newOracle(p params) oracle {
	n := p.hosts
	o := oracle{bounds: boundsOf(p), holder: nobody, broken: map[string]int{}, proofs: newProofs(n)}
	o.groups, o.sight.hosts = make([]watch, n), make([]view, n)
	for range n {
		o.pairs, o.seen = append(o.pairs, make([]dual, n)), append(o.seen, make([]watch, n))
	}
	return o
}

func (o *oracle) violate(w *world, invariant, format string, args ...any) {
	o.broken[invariant]++
	text := fmt.Sprintf("%9.4f %s: ", w.now.Seconds(), invariant) + fmt.Sprintf(format, args...)
	o.violations = append(o.violations, text)
	w.log("VIOLATION %s", text)
}

// elapse measures what lasted until now.
func (o *oracle) elapse(w *world) {
	if !o.sight.lasts {
		return
	}
	last := func(s *watch, invariant string, bound time.Duration, format string, args ...any) {
		if !s.open {
			return
		}
		s.last, s.most = w.now, max(s.most, w.now-s.since)
		if bound > 0 && w.now-s.since > bound && !s.bad {
			s.bad = true
			o.violate(w, invariant, format+" for more than %s", append(args, bound)...)
		}
	}
	for i := range o.pairs {
		for j := range i {
			d := &o.pairs[i][j]
			if !d.both.open {
				continue // nor is any other
			}
			live := o.bounds.live
			if w.store.lost(d.live.since) {
				live = o.bounds.lost
			}
			if w.hosts[i].contests() || w.hosts[j].contests() {
				live = o.bounds.unread
			}
			last(&d.live, "S1", live, "%d and %d hold and hear each other", j, i)
			last(&d.blind, "S2", boundBlind, "%d and %d hold and only see each other's ARP", j, i)
			last(&d.lossy, "S2", boundLossy, "%d and %d hold and hear each other now and then", j, i)
			last(&d.dead, "S3", o.bounds.dead, "%d and %d hold, one without a process", j, i)
			last(&d.leaving, "stop", boundLeaving, "%d and %d hold, one leaves", j, i)
			last(&d.healed, "S1", o.bounds.healed, "%d and %d hold, one leaves", j, i)
			last(&d.stopped, "S1", o.bounds.stopped, "%d and %d hold, both leave", j, i)
		}
	}
	last(&o.any, "", 0, "")
	last(&o.double, "", 0, "")
	last(&o.dark, "", 0, "")
	asked := time.Duration(0)
	if w.hybrid {
		asked = boundAsked
	}
	if w.forging > 0 {
		asked += checksFailed*checkEvery + checkTimeout // the dead holder is advertised for: that it serves nobody shows
	}
	seized := boundSeized
	if slices.ContainsFunc(w.hosts, func(h *host) bool { return h.unable }) {
		seized += seizeProbes // a seizer that cannot ask waits so long (row 20)
	}
	for i := range o.groups {
		last(&o.groups[i], "L3", seized, "the majority around %d has no holder", i)
	}
	last(&o.idle, "L1", o.bounds.dark+asked, "nobody holds")
	last(&o.sick, "L2", o.bounds.healthy+asked+o.borne, "no healthy node holds")
	last(&o.proofs.shunned, "L5", boundShunned, "clients do not reach the holder, and another is better")
	last(&o.misled, "ARP", boundCache, "the client does not know the holder")
}

// look sees the state of the world after an event, of one host or of any. Where nothing of what it reads has changed since it looked
// last, it would find the same.
func (o *oracle) look(w *world, of *host) {
	if of == nil || !o.same(w, of) {
		was := o.holder
		o.lookAnew(w)
		o.remember(w)
		o.sight.valid = o.holder == was // it reads that, too
	}
	if o.sight.muddy {
		o.muddy = w.now
	}
	if o.sight.holds {
		o.served = w.now
	}
}

func (o *oracle) lookAnew(w *world) {
	clean, duals := o.clean(w), false
	o.sight.muddy = !clean || slices.ContainsFunc(w.hosts, func(h *host) bool { return h.paused })
	for i := range o.pairs {
		for j := range i {
			duals = o.lookPair(w, w.hosts[i], w.hosts[j]) || duals
		}
	}
	if w.hybrid {
		o.lookGroups(w)
	}
	o.proofs.look(w, o)
	var live, holds, healthy, serves, reached bool
	holder := nobody
	for _, h := range w.hosts {
		live = live || h.live()
		healthy = healthy || h.live() && h.healthy && !h.plain && !h.shunned()
		if h.live() && h.shows() {
			holds, holder = true, h.id
			serves = serves || h.healthy
			reached = reached || w.reachable(h.id) && !h.blocked
		}
	}
	o.sight.holds = holds
	o.any.set(w.now, duals)
	o.double.set(w.now, w.double())
	o.dark.set(w.now, !reached && o.holder != nobody)
	o.idle.set(w.now, clean && !w.suppress && live && !holds && !w.believed() && !w.waiting())
	o.sick.set(w.now, o.linked(w) && w.askable() && healthy && !serves && !w.believed() && !w.waiting())
	o.bears(w)
	o.misled.set(w.now, clean && !duals && holds && w.client != holder)
	if holds && !duals && holder != o.holder {
		o.moved(w, holder)
	}
}

// bears notes the longest patience with a holder in distress since no healthy node holds.
func (o *oracle) bears(w *world) {
	if !o.sick.open {
		o.borne = 0
		return
	}
	for _, h := range w.hosts {
		if e, ok := h.core.(*Election); ok && h.live() {
			o.borne = max(o.borne, e.heard.patience()-DistressPatience)
		}
	}
}

func (o *oracle) moved(w *world, holder int) {
	if o.holder != nobody {
		o.moves++
		if was := w.hosts[o.holder]; w.now-w.faulty > boundStable && w.loss == 0 && !was.blocked && !was.shunned() && (o.linked(w) || len(was.cfg.others()) > 0) { // that fault lasts; who knows no peers cannot know of a cut
			o.violate(w, "S9", "%d takes over without a fault", holder)
		}
	}
	o.holder = holder
}

// linked reports whether frames pass between all machines that run; clean, whether they hear each other, too.
func (o *oracle) linked(w *world) bool {
	return w.loss == 0 && !w.foreign && !w.someCut() && !slices.ContainsFunc(w.hosts, func(h *host) bool { return h.alive() && !w.reachable(h.id) })
}

func (o *oracle) clean(w *world) bool {
	for _, a := range w.hosts {
		for _, b := range w.hosts {
			if a.alive() && b.alive() && a != b && !w.passes(a.id, b.id) {
				return false
			}
		}
	}
	return o.linked(w)
}

// lookPair classifies two holders. A paused machine answers nobody and is no holder; nor is a partition's other side.
func (o *oracle) lookPair(w *world, a, b *host) bool {
	d := &o.pairs[a.id][b.id]
	both := a.shows() && b.shows() && a.alive() && b.alive() && w.connected(a.id, b.id)
	live := a.live() && b.live()
	open := w.passes(a.id, b.id) && w.passes(b.id, a.id) && w.loss == 0
	noticed := !w.paths[a.id][b.id].quiet && !w.paths[b.id][a.id].quiet
	d.both.set(w.now, both)
	linked := live && w.connected(a.id, b.id) && w.loss == 0
	o.seen[a.id][b.id].set(w.now, linked && w.finds(a.id, b.id))
	o.seen[b.id][a.id].set(w.now, linked && w.finds(b.id, a.id))
	d.open.set(w.now, live && open && w.connected(a.id, b.id))
	leaving := 0
	for _, h := range []*host{a, b} {
		if live && h.core.State() == Leaving {
			leaving++
		}
	}
	met := d.both.since > d.open.since // the second began to hold where the first could hear it
	d.live.set(w.now, both && live && open && leaving == 0)
	d.leaving.set(w.now, both && live && open && leaving == 1 && met)
	d.healed.set(w.now, both && live && open && leaving == 1 && !met)
	d.stopped.set(w.now, both && live && open && leaving == 2)
	d.blind.set(w.now, both && live && !open && noticed && w.loss == 0)
	d.lossy.set(w.now, both && live && !open && noticed && w.loss > 0)
	// keepalived's addresses do not expire: S3 is not asked of it.
	d.dead.set(w.now, both && !live && !(a.plain && !a.live()) && !(b.plain && !b.live()))
	return both
}

// disturbed restarts what is measured from the last fault on.
func (o *oracle) disturbed(now time.Duration) {
	for _, s := range []*watch{&o.idle, &o.sick, &o.misled, &o.proofs.shunned} {
		s.set(now, false)
	}
}

// acts sees an action of a process before it is done.
func (o *oracle) acts(h *host, state State, a Action) {
	if h.plain {
		return
	}
	if alarm, ok := a.(Alarm); ok && o.alarms != nil {
		if _, raised := o.alarms[alarm.Kind]; !raised {
			o.alarms[alarm.Kind] = h.w.now
		}
	}
	// S7: a process that overslept does nothing as a holder before it has been Backup.
	if h.overslept && (state == Active || state == Leaving) {
		switch a := a.(type) {
		case Acquire, Refresh, Announce:
			o.violate(h.w, "S7", "%d overslept and does %s", h.id, a)
		case Advertise:
			if a.Priority != vrrp.PriorityRelease {
				o.violate(h.w, "S7", "%d overslept and does %s", h.id, a)
			}
		}
	}
}

// takes sees that a process begins to hold the address. S3: not before the kernel of a dead one has dropped it. S2: no other live and healthy node serves it that could be probed,
// unless it was heard and is preempted. Of two holders, the probe may have found the one in distress.
func (o *oracle) takes(h *host) {
	if reads := o.proofs.reads[h.id]; h.w.hybrid && reads.open && h.w.now-reads.since > isolatedAfter {
		o.alone(h, "takes the address beside the Lease")
	}
	e, ok := h.core.(*Election)
	reason := ""
	if ok {
		reason = e.Status().Reason
	}
	if !ok || strings.HasPrefix(reason, "prefer") || strings.HasPrefix(reason, "preempted") || o.any.last > 0 && h.w.now-o.any.last < boundProbes {
		return
	}
	now, alone := h.w.now, true
	for _, other := range h.w.hosts {
		f, ok := other.core.(*Election)
		if other == h || !ok || !other.shows() || !h.w.connected(h.id, other.id) {
			continue
		}
		alone = false
		if other.alive() && !other.live() && !h.w.paths[h.id][other.id].deaf && f.State() != Leaving && now-o.muddy > boundMuddy {
			o.violate(h.w, "S3-start", "%d takes it while the kernel of %d still has it", h.id, other.id)
		}
		if !other.live() || f.State() != Active {
			continue
		}
		seen := o.seen[h.id][other.id]
		if since := max(seen.since, other.since, other.sound); seen.open && now-since > boundProbes {
			o.violate(h.w, "S2-start", "%d takes it from %d, which serves", h.id, other.id)
		}
	}
	if alone && h.w.foreign && !h.blind && h.w.loss == 0 && h.w.reachable(h.id) && now-max(h.w.intruded, o.served) > verdictAge {
		o.violate(h.w, "foreign", "%d takes it from a foreign host", h.id)
	}
}

// stepped sees a process after a step. S6: only Active and Leaving hold the address.
func (o *oracle) stepped(h *host) {
	s := h.core.State()
	if e, ok := h.core.(*Election); ok {
		if distress := e.health.distress; distress || h.distress {
			h.distress, h.sound = distress, h.w.now
		}
	}
	if !h.plain && h.running && h.held && s != Active && s != Leaving {
		o.violate(h.w, "S6", "%d holds in %s", h.id, s)
	}
}

// duals is the longest time of each condition.
func (o *oracle) duals() (d dual) {
	for i := range o.pairs {
		for j := range i {
			p := o.pairs[i][j]
			d.live.most, d.blind.most = max(d.live.most, p.live.most), max(d.blind.most, p.blind.most)
			d.lossy.most = max(d.lossy.most, p.lossy.most)
			d.dead.most, d.leaving.most = max(d.dead.most, p.dead.most), max(d.leaving.most, p.leaving.most)
		}
	}
	return d
}

// end looks at the quiet LAN after the last fault: one holder, whom the client knows; with preemption, the best.
func (o *oracle) end(w *world) {
	holder, live := w.one(), 0
	best := holder
	for i, h := range w.hosts {
		if !h.live() {
			continue
		}
		live++
		if best != nobody && h.rank() > w.hosts[best].rank() {
			best = i
		}
	}
	switch {
	case live == 0:
	case holder == nobody:
		o.violate(w, "end", "held by %b", w.holders())
	case w.client != holder:
		o.violate(w, "end", "the client does not know the holder")
	case best != holder && w.hosts[best].cfg.Preempt:
		o.violate(w, "end", "%d holds, %d has the higher priority", holder, best)
	case w.hybrid:
		o.endLease(w, holder)
	}
}

// rank is the configured priority, 0 in distress.
func (h *host) rank() int {
	if h.distress {
		return 0
	}
	return int(h.cfg.Priority)
}
