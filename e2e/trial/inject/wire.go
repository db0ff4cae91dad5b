// SPDX-License-Identifier: Apache-2.0

package inject

import (
	"errors"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/promise"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// suspicionTime is within what a backup says that it hears no advertisements of a holder that lives: the longest
// Master_Down_Interval, and two advertisements.
const suspicionTime = 6 * time.Second

// filter drops advertisements for a time.
func (r *run) filter(f fault.Fault) (fault.Sample, error) {
	return r.measure(func() error {
		start := time.Now()
		if err := f.Inject(r, r.holder.Name); err != nil {
			return err
		}
		r.expect(r.await(suspicionTime, "a backup suspects a split", r.suspected))
		observeFor(time.Until(start.Add(12 * time.Second)))
		if err := f.Undo(r, r.holder.Name); err != nil {
			return err
		}
		r.expect(r.await(5*time.Second, "nobody suspects a split any more", func() bool { return !r.suspected() }))
		observeFor(2 * time.Second)
		return r.Settle()
	})
}

// suspected reports whether a backup says that it should hear a holder.
func (r *run) suspected() bool {
	return slices.ContainsFunc(r.Others(r.holder), func(n *trial.Node) bool {
		status, err := n.Status()
		return err == nil && status.VirtualRouter.SplitSuspected
	})
}

// splitWithoutAPI takes advertisements and API away, and makes two hosts have the address by a cut of the holder. When the
// cut heals, only ARP shows them that they are two; when advertisements pass again, these do.
func (r *run) splitWithoutAPI(f fault.Fault) (s fault.Sample, err error) {
	if err := r.Do(fault.HangAPIs, ""); err != nil {
		return s, err
	}
	cut := func() error {
		if err := errors.Join(r.Lab.Drop(lab.Drop{Traffic: lab.VRRP}), r.holder.Blackhole()); err != nil {
			return err
		}
		return r.Control.Until(20*time.Second, "another node has the address too", func() bool { return len(r.Holders.Now()) > 1 })
	}
	if s, err = r.measure(cut, r.holder.Name); err != nil {
		return s, err
	}
	limits := f.Promise.In(promise.Lab, promise.At(r.Interval))
	healed, err := r.measure(func() error {
		if err := r.holder.Unblackhole(); err != nil {
			return err
		}
		return r.Control.Until(2*limits.Live, "one node gives the address up", func() bool { return len(r.Holders.Now()) == 1 })
	})
	s.Live, s.Kernel, s.Moves = healed.Live, healed.Kernel, s.Moves+healed.Moves
	if err != nil {
		return s, err
	}
	passed, err := r.measure(func() error {
		if err := r.Lab.Pass(); err != nil {
			return err
		}
		observeFor(3 * time.Second)
		return errors.Join(r.Do(fault.ThawAPIs, ""), r.AwaitCluster(), r.Settle())
	})
	s.Moves += passed.Moves
	if passed.Live.Length() > promise.Healed.In(promise.Lab, promise.At(r.Interval)).Live {
		r.note("two hosts had the address for %.3f s after advertisements passed again", passed.Live.Length().Seconds())
		if passed.Live.Length() > s.Live.Length() {
			s.Live = passed.Live
		}
	}
	return s, err
}
