// SPDX-License-Identifier: Apache-2.0

package election

import (
	"strconv"
	"testing"
	"time"
)

// kubeVIPs are the kube-vips of hosts beside those of the simulation, with the times of their defaults. The one that leads is the
// foreign host of the world.
type kubeVIPs struct {
	lease    PredecessorLease
	revision int
	all      []*kubeVIP
	holders  int // hosts of kube-vip that have the address, also the killed
}

type kubeVIP struct {
	name     string
	running  bool
	leads    bool
	renewed  time.Duration // when it last wrote the Lease
	observed string        // version of the Lease
	seen     time.Duration // when it was first seen
}

// The times of kube-vip's defaults.
const (
	vipDuration = 15 * time.Second
	vipDeadline = 10 * time.Second
	vipRetry    = 2 * time.Second
	vipRepeats  = 3 * time.Second
)

// runKubeVIPs starts some kube-vips, of which the first leads.
func (w *world) runKubeVIPs(n int) {
	w.vips = &kubeVIPs{}
	for i := range n {
		v := &kubeVIP{name: "v" + strconv.Itoa(i)}
		w.vips.all = append(w.vips.all, v)
		w.startKubeVIP(v)
	}
	w.repeat(vipRepeats, func() bool { w.intrude(); return true })
}

// repeat does something again and again until it says that it is over.
func (w *world) repeat(every time.Duration, do func() bool) {
	if do() {
		w.after(every, func() { w.repeat(every, do) })
	}
}

func (w *world) startKubeVIP(v *kubeVIP) {
	v.running = true
	w.after(w.random(0, 10*time.Millisecond), func() {
		w.repeat(vipRetry+w.random(0, 200*time.Millisecond), func() bool {
			if v.running {
				w.tryKubeVIP(v)
			}
			return v.running
		})
	})
}

// tryKubeVIP is what client-go's leader election does each retry period.
func (w *world) tryKubeVIP(v *kubeVIP) {
	k := w.vips
	if w.store.noQuorum {
		if v.leads && w.now-v.renewed > vipDeadline {
			w.deposeKubeVIP(v)
		}
		return
	}
	if k.lease.Version != v.observed {
		v.observed, v.seen = k.lease.Version, w.now
	}
	if k.lease.Holder != "" && k.lease.Holder != v.name && w.now-v.seen < k.lease.Duration {
		if v.leads {
			w.oracle.violate(w, "S13", "%s lost its Lease to %s while it renewed it", v.name, k.lease.Holder)
		}
		return
	}
	w.putKubeVIP(PredecessorLease{Holder: v.name, Duration: vipDuration})
	v.renewed, v.observed = w.now, k.lease.Version
	if !v.leads {
		w.disturb("kube-vip %s leads", v.name)
		for _, h := range w.hosts {
			if h.live() && h.held {
				w.oracle.violate(w, "S13", "kube-vip %s leads while %d holds", v.name, h.id)
			}
		}
		v.leads = true
		k.holders++
		w.foreign, w.intruded = true, w.now
		w.intrude()
	}
}

// deposeKubeVIP takes the address from a kube-vip that lost its Lease, or has released it.
func (w *world) deposeKubeVIP(v *kubeVIP) {
	if v.leads {
		v.leads = false
		w.removeKubeVIP()
	}
}

func (w *world) removeKubeVIP() {
	w.vips.holders--
	w.foreign = w.vips.holders > 0
	w.disturb("kube-vip has removed the address, foreign=%t", w.foreign)
}

func (w *world) putKubeVIP(l PredecessorLease) {
	w.vips.revision++
	l.Version = strconv.Itoa(w.vips.revision)
	w.vips.lease = l
}

// stopKubeVIP releases the Lease, where the API answers, and removes the address a moment later.
func (w *world) stopKubeVIP(v *kubeVIP) {
	w.disturb("kube-vip %s stops", v.name)
	v.running = false
	if v.leads && !w.store.noQuorum && w.vips.lease.Holder == v.name {
		w.putKubeVIP(PredecessorLease{Duration: time.Second})
	}
	w.after(w.random(0, 50*time.Millisecond), func() { w.deposeKubeVIP(v) })
}

// killKubeVIP leaves the address on its host for a while, until somebody removes it.
func (w *world) killKubeVIP(v *kubeVIP) {
	w.disturb("kube-vip %s is killed", v.name)
	v.running = false
	if v.leads {
		v.leads = false
		w.after(w.random(10*time.Second, 30*time.Second), w.removeKubeVIP)
	}
}

// askKubeVIP carries a question for the Lease of kube-vip to the API.
func (w *world) askKubeVIP(h *host, a Action) {
	incarnation, sent, open := h.incarnation, h.time(), true
	answer := func(d PredecessorDone) {
		if open && h.incarnation == incarnation {
			d.Sent = sent
			h.event(d)
		}
		open = false
	}
	h.in(AnswerTimeout, func() { answer(PredecessorDone{Outcome: Unanswered, Detail: "no answer in time"}) })
	takes := w.asks.Float64() * float64(40*time.Millisecond)
	switch w.reach(h) {
	case refuses, hangs:
		return
	case slow:
		takes = float64(2*time.Second) + w.asks.Float64()*float64(8*time.Second)
	case prompt, electing:
	}
	w.after(time.Duration(takes/2), func() {
		d := PredecessorDone{}
		if take, ok := a.(TakePredecessor); ok {
			if d.Outcome = Refused; take.Lease.Version == w.vips.lease.Version {
				d.Outcome = Answered
				w.putKubeVIP(take.Lease)
			}
		}
		d.Lease = w.vips.lease
		w.after(time.Duration(takes/2), func() { answer(d) })
	})
}

// waiting reports whether a host waits for kube-vip, as it cannot read that it is over.
func (w *world) waiting() bool {
	for _, h := range w.hosts {
		if e, ok := h.core.(*Election); ok && w.vips != nil && h.live() && e.predecessor.waits() {
			return true
		}
	}
	return false
}

// takesBesideKubeVIP holds S13: no host begins to hold while a kube-vip leads.
func (o *oracle) takesBesideKubeVIP(h *host) {
	if h.w.vips == nil {
		return
	}
	for _, v := range h.w.vips.all {
		if v.running && v.leads && h.w.now-v.renewed < vipDeadline {
			o.violate(h.w, "S13", "%d takes the address while kube-vip %s leads", h.id, v.name)
		}
	}
}

// besideKubeVIPs returns a random world beside kube-vips, which end one after the other between 20 and 60 s.
func besideKubeVIPs(seed uint64, spoil func(*world)) *world {
	w := randomWorld(seed, true, spoil)
	for _, h := range w.hosts {
		h.cfg.Predecessor = "kube-system/plndr-cp-lock"
	}
	w.runKubeVIPs(1 + w.rng.IntN(3))
	for _, v := range w.vips.all {
		end := w.stopKubeVIP
		if w.rng.IntN(3) == 0 {
			end = w.killKubeVIP
		}
		w.after(w.random(20*time.Second, 60*time.Second), func() { end(v) })
	}
	return w
}

// Whatever faults overlap with the end of some kube-vips: no node takes the address beside one, none of them loses its Lease while
// it renews it, and a node of Harbinger holds at the end.
func TestSimulationKubeVIP(t *testing.T) {
	simulate(t, 30, hybridKinds(), func(seed uint64, from []string, spoil func(*world), trace func(string)) *world {
		return runWorld(besideKubeVIPs(seed, spoil), from, trace)
	})
}

// A kube-vip that stops is succeeded within a second, by one node, also where others of its kind are there; and none that comes
// back takes the address.
func TestKubeVIPStopsAndComesBack(t *testing.T) {
	var worst time.Duration
	for seed := range uint64(seeds(t, 30)) {
		w := newWorld(params{seed: seed, hosts: 3, hybrid: true, each: func(i int, c *Config) { pinned(i, c); c.Predecessor = "kube-system/plndr-cp-lock" }})
		w.runKubeVIPs(3)
		w.run(20 * time.Second)
		var trace []string
		w.zero, w.trace = w.now, func(line string) { trace = append(trace, line) }
		for _, v := range w.vips.all {
			w.stopKubeVIP(v)
			w.run(4 * time.Second)
			if w.one() != nobody {
				break
			}
		}
		o := &w.oracle
		worst = max(worst, o.idle.most)
		if o.idle.most > time.Second || o.moves > 0 {
			t.Errorf("seed %d: nobody held for %s, %d moves", seed, o.idle.most, o.moves)
		}
		before := w.one()
		for _, v := range w.vips.all {
			if !v.running {
				w.startKubeVIP(v)
			}
		}
		w.run(time.Minute)
		if seed == 0 {
			wantTrace(t, "kube-vip is stopped, and comes back", trace)
		}
		if len(o.violations) > 0 || w.foreign || before == nobody || w.one() != before {
			t.Errorf("seed %d: held by %b, before by %d; %q", seed, w.holders(), before, o.violations)
		}
	}
	t.Logf("nobody held for at most %s", ms(worst))
}
