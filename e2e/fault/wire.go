// SPDX-License-Identifier: Apache-2.0

//go:build linux

package fault

import (
	"errors"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// dualFiltered is for how long two hosts may have the address that hear of each
// other by ARP alone: S2 of the election's invariants.
const dualFiltered = 5*time.Second + 1500*time.Millisecond

// suspicionTime is within what a backup says that it hears no adverts of a
// holder that lives: the longest Master_Down_Interval, and two adverts.
const suspicionTime = 6 * time.Second

// wireRows are what happens on the wire.
func wireRows() []Row {
	return []Row{
		{Name: "adverts of the holder filtered", promise: served, do: func(s *stage) (sample, error) {
			return s.filter(func(holder *trial.Node) lab.Drop { return lab.Drop{Traffic: lab.VRRP, From: holder.Host} })
		}},
		{Name: "all adverts filtered", promise: served, do: func(s *stage) (sample, error) {
			return s.filter(func(*trial.Node) lab.Drop { return lab.Drop{Traffic: lab.VRRP} })
		}},
		{
			Name: "adverts filtered, API hung, healed cut",
			promise: promise{
				outage: unbounded, gone: unbounded, held: dualFiltered, answered: dualFiltered, moves: unbounded,
			},
			do: (*stage).splitWithoutAPI,
		},
		{
			Name:    "a quarter of packets to nodes lost",
			promise: promise{outage: unbounded, gone: unbounded, held: dualLive, answered: dualDead, moves: unbounded},
			do:      func(s *stage) (sample, error) { return s.measure(s.lose) },
		},
	}
}

// filter drops adverts for a time.
func (s *stage) filter(drop func(holder *trial.Node) lab.Drop) (sample, error) {
	holder, err := s.Holder()
	if err != nil {
		return sample{}, err
	}
	return s.measure(func() error {
		start := time.Now()
		if err := s.Lab.Drop(drop(holder)); err != nil {
			return err
		}
		s.expect(s.await(suspicionTime, "a backup suspects a split", func() bool { return s.suspected(holder) }))
		observeFor(time.Until(start.Add(12 * time.Second)))
		if err := s.Lab.Pass(); err != nil {
			return err
		}
		s.expect(s.await(5*time.Second, "nobody suspects a split any more", func() bool { return !s.suspected(holder) }))
		observeFor(2 * time.Second)
		return s.Settle()
	})
}

// suspected reports whether a backup says that it should hear a holder.
func (s *stage) suspected(holder *trial.Node) bool {
	return slices.ContainsFunc(s.others(holder), func(n *trial.Node) bool {
		status, err := n.Status()
		return err == nil && status.VirtualRouter.SplitSuspected
	})
}

// splitWithoutAPI takes adverts and API away, and makes two hosts have the
// address by a cut of the holder. When the cut heals, ARP alone can tell them;
// when adverts pass again, these do.
func (s *stage) splitWithoutAPI() (m sample, err error) {
	holder, err := s.Holder()
	if err != nil {
		return m, err
	}
	thaw, err := hang(s)
	if err != nil {
		return m, err
	}
	cut := func() error {
		if err := errors.Join(s.Lab.Drop(lab.Drop{Traffic: lab.VRRP}), holder.Blackhole()); err != nil {
			return err
		}
		return s.Control.Until(20*time.Second, "another node has the address too", func() bool { return len(s.Holders.Now()) > 1 })
	}
	if m, err = s.measure(cut, holder.Name); err != nil {
		return m, err
	}
	healed, err := s.measure(func() error {
		if err := holder.Unblackhole(); err != nil {
			return err
		}
		return s.Control.Until(2*dualFiltered, "one node gives the address up", func() bool { return len(s.Holders.Now()) == 1 })
	})
	m.held, m.answered, m.moves = healed.held, healed.answered, m.moves+healed.moves
	if err != nil {
		return m, err
	}
	passed, err := s.measure(func() error {
		if err := s.Lab.Pass(); err != nil {
			return err
		}
		observeFor(3 * time.Second)
		return errors.Join(thaw(), s.AwaitCluster(), s.Settle())
	})
	m.moves += passed.moves
	if passed.held > dualLive {
		s.note("two hosts had the address for %s s after adverts passed again", seconds(passed.held))
		m.held = max(m.held, passed.held)
	}
	return m, err
}

// lose drops a quarter of all packets to the nodes for a time. Those of the control come through: what is lost is not to be
// taken for a machine that stalls.
func (s *stage) lose() error {
	var drops []lab.Drop
	for _, n := range s.Nodes {
		drops = append(drops, lab.Drop{To: n.Host, Percent: 25})
	}
	if err := s.Lab.Drop(drops...); err != nil {
		return err
	}
	observeFor(20 * time.Second)
	if err := s.Lab.Pass(); err != nil {
		return err
	}
	observeFor(2 * time.Second)
	return errors.Join(s.AwaitCluster(), s.Settle())
}
