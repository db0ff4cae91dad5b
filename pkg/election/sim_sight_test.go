// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// sight is what the oracle saw when it looked last. Most events change nothing that it reads.
type sight struct {
	valid        bool
	changes      bool // what it reads changes with time alone
	hosts        []view
	muddy, holds bool
	lasts        bool // something is open whose time counts
	eager        bool // it looks after every event
}

// view is what the oracle reads of a host that an event of this host alone can change.
type view struct {
	held, shows, refuses, running bool
	state                         State
	waits, shunned, seizes        bool
	contested                     time.Time
	loss                          float64
}

func (h *host) view() view {
	v := view{held: h.held, shows: h.shows(), refuses: h.refuses, running: h.running}
	if h.core != nil {
		v.state = h.core.State()
	}
	if e, ok := h.core.(*Election); ok {
		v.waits, v.shunned, v.seizes = e.predecessor.waits(), !e.health.shunned.IsZero(), !e.now.Before(e.arbiter.seize.notBefore)
		v.contested, v.loss = e.presence.conflict.at, e.heard.loss
	}
	return v
}

// same reports whether nothing of what the oracle reads has changed by an event of one host, or by time.
func (o *oracle) same(w *world, of *host) bool {
	s := &o.sight
	if !s.valid || s.changes || s.eager || s.hosts[of.id] != of.view() {
		return false
	}
	for i, h := range w.hosts {
		if s.hosts[i].shows != h.shows() { // a fence closes in time
			return false
		}
	}
	return true
}

// remember notes what the oracle has read.
func (o *oracle) remember(w *world) {
	s := &o.sight
	s.changes = w.now < w.store.elected
	for i, h := range w.hosts {
		s.hosts[i] = h.view()
		s.changes = s.changes || h.blocked // what another host claims is forgotten in time
		for _, p := range w.paths[i] {
			s.changes = s.changes || p.identity != open // and what it has announced
		}
	}
	opened := func(x watch) bool { return x.open }
	s.lasts = o.any.open || o.double.open || o.dark.open || o.idle.open || o.sick.open || o.misled.open || o.proofs.shunned.open || slices.ContainsFunc(o.groups, opened)
}

// The oracle that looks only where something has changed finds the same as one that looks after every event.
func TestOracleMissesNothing(t *testing.T) {
	t.Parallel()
	runs := []func(seed uint64, spoil func(*world)) *world{
		func(seed uint64, spoil func(*world)) *world {
			return runRandom(seed, channelNames(allKinds()), spoil, nil)
		},
		func(seed uint64, spoil func(*world)) *world { return runReach(seed, reachNames(), spoil, nil) },
		func(seed uint64, spoil func(*world)) *world { return runReach(seed, forgedNames(), spoil, nil) },
		func(seed uint64, spoil func(*world)) *world {
			return runWorld(besideKubeVIPs(seed, spoil), hybridKinds(), nil)
		},
	}
	found := func(w *world) string {
		o := &w.oracle
		return fmt.Sprint(o.violations, o.pairs, o.seen, o.groups, o.proofs, o.any, o.double, o.dark, o.idle, o.sick, o.misled, o.holder, o.moves, o.muddy, o.served, o.borne)
	}
	eachInParallel(seeds(t, 12), func(i int) func() {
		seed, run := uint64(i), runs[i%len(runs)]
		lazy, eager := run(seed, nil), run(seed, func(w *world) { w.oracle.sight.eager = true })
		return func() {
			if a, b := found(lazy), found(eager); a != b {
				t.Errorf("seed %d: found\n%s\nwant\n%s", seed, a, b)
			}
		}
	})
}
