// SPDX-License-Identifier: Apache-2.0

package election

import (
	"maps"
	"slices"
	"strconv"
	"time"
)

// store is the Lease as a quorum of etcd has it.
type store struct {
	lease    Lease
	revision int
	history  []Lease
	noQuorum bool
	elected  time.Duration  // when etcd has a leader again
	renewed  time.Duration  // when a process wrote it last
	leapt    int            // the epoch that somebody wrote into it
	era      int            // counts the deletions and rollbacks
	forgot   time.Duration  // when the last of them was
	claims   map[int]string // the holder of each epoch of this era
}

// access is how the API answers one host.
type access uint8

const (
	prompt   access = iota
	refuses         // at once
	hangs           // it accepts and never answers
	slow            // after 2 to 10 s, and what was asked is done
	electing        // when etcd has a leader again; what was asked may be lost, or its answer
)

// reach is how the API answers a host now.
func (w *world) reach(h *host) access {
	if w.store.noQuorum || h.barred || h.offline {
		return refuses
	}
	if h.api == prompt && w.now < w.store.elected {
		return electing
	}
	return h.api
}

// consult carries a question to the API. What is late is done all the same.
func (w *world) consult(h *host, a Action) {
	w.oracle.consults(h, a)
	incarnation, sent, open := h.incarnation, h.time(), true
	answer := func(d LeaseDone) {
		if open && h.incarnation == incarnation {
			d.Sent = sent
			h.event(d)
		}
		open = false
	}
	var takes time.Duration
	switch w.reach(h) {
	case prompt:
		takes = w.random(5*time.Millisecond, 45*time.Millisecond)
	case refuses:
		w.after(w.random(10*time.Millisecond, 60*time.Millisecond), func() { answer(LeaseDone{Outcome: Unanswered, Detail: "refused"}) })
		return
	case slow:
		takes = w.random(2*time.Second, 10*time.Second)
	case electing:
		w.afterElection(h, a, answer)
	case hangs:
	}
	if takes > 0 {
		w.after(time.Duration(w.rng.Float64()*float64(takes)), func() {
			d := w.execute(h, a)
			w.after(takes/2, func() { answer(d) })
		})
	}
	h.in(AnswerTimeout, func() { answer(LeaseDone{Outcome: Unanswered, Detail: "no answer in time"}) })
}

// afterElection carries out what was asked while etcd had no leader, unless it is lost; of some questions the answer is.
func (w *world) afterElection(h *host, a Action, answer func(LeaseDone)) {
	fate := w.rng.IntN(3)
	w.after(w.store.elected-w.now+w.random(5*time.Millisecond, 45*time.Millisecond), func() {
		d := LeaseDone{Outcome: Unanswered, Detail: "etcdserver: leader changed"}
		if fate > 0 {
			d = w.execute(h, a)
		}
		if fate == 1 {
			d = LeaseDone{Outcome: Unanswered, Detail: "etcdserver: request timed out"}
		}
		answer(d)
	})
}

// execute is what the store does with a question.
func (w *world) execute(h *host, a Action) LeaseDone {
	s := &w.store
	write, ok := a.(WriteLease)
	switch {
	case s.noQuorum:
		return LeaseDone{Outcome: Unanswered, Detail: "no quorum"}
	case !ok:
		return LeaseDone{Lease: s.lease}
	case write.Lease.Version != s.lease.Version:
		return LeaseDone{Outcome: Refused}
	}
	w.oracle.stores(h, write.Lease)
	s.renewed = w.now
	w.put(write.Lease)
	return LeaseDone{Lease: s.lease}
}

// put stores a Lease as a new revision.
func (w *world) put(l Lease) {
	s := &w.store
	if s.revision++; l.Holder != s.lease.Holder || l.Epoch != s.lease.Epoch || l.Preferred != s.lease.Preferred {
		w.log("stored lease of %q epoch=%d preferred=%q", l.Holder, l.Epoch, l.Preferred)
	}
	l.Version = strconv.Itoa(s.revision)
	s.lease = l
	if s.revision%7 == 0 {
		s.history = append(s.history, l)
	}
}

// forget begins a new era: what was stored is gone.
func (w *world) forget() {
	w.store.era, w.store.claims, w.store.forgot = w.store.era+1, nil, w.now
}

// lost reports whether the Lease that a holder wrote was deleted or rolled back less than a renewal (1 s) before: it says nothing of now.
func (s *store) lost(at time.Duration) bool {
	return s.era > 0 && s.forgot > at-time.Second
}

// examine lets every balancer find out whether it has a healthy backend. A slow API is one.
func (w *world) examine() {
	for _, h := range w.hosts {
		a := h.api
		healthy := !h.ill && !h.offline && !w.store.noQuorum && (a == prompt || a == slow)
		if h.plain || h.cfg.Mode == VRRP {
			healthy = !h.ill
		}
		if healthy != h.healthy {
			h.healthy = healthy
			h.check(w.random(0, 500*time.Millisecond))
		}
	}
}

// apiKinds are the faults of the API and of the Lease.
var apiKinds = map[string]func(w *world, f fault, on bool){
	"etcd": func(w *world, _ fault, on bool) {
		w.store.noQuorum = on
		w.examine()
	},
	"leader": func(w *world, f fault, on bool) { // etcd elects another one
		if on {
			w.store.elected = w.now + f.dur
		}
	},
	"hung":        func(w *world, f fault, on bool) { w.serve(hangs, on, w.hosts[f.i]) },
	"hungAll":     func(w *world, _ fault, on bool) { w.serve(hangs, on, w.hosts...) },
	"slow":        func(w *world, f fault, on bool) { w.serve(slow, on, w.hosts[f.i]) },
	"slowAll":     func(w *world, _ fault, on bool) { w.serve(slow, on, w.hosts...) },
	"credentials": func(w *world, f fault, on bool) { w.hosts[f.i].barred = on },
	"leaseDeleted": func(w *world, _ fault, on bool) {
		if on {
			w.forget()
			w.store.lease = Lease{}
		}
	},
	"rollback": func(w *world, _ fault, on bool) {
		if n := len(w.store.history); on && n > 0 {
			w.forget()
			w.put(w.store.history[w.rng.IntN(n)])
		}
	},
}

func (w *world) serve(a access, on bool, hosts ...*host) {
	for _, h := range hosts {
		if h.api = prompt; on {
			h.api = a
		}
	}
	w.examine()
}

// hybridKinds are all faults there are.
func hybridKinds() []string {
	return slices.Sorted(slices.Values(append(allKinds(), slices.Collect(maps.Keys(apiKinds))...)))
}
