// SPDX-License-Identifier: Apache-2.0

package inject

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// The arbiters that a node may name.
const (
	byLease = "lease"
	byVRRP  = "vrrp"
)

// arbiterTime is within what the arbiter changes, with what a busy machine adds.
const arbiterTime = 10 * time.Second

// calm waits until the plane is as it should be: one holder that serves, and the Lease as arbiter.
func (r *run) calm() error {
	if err := r.Settle(); err != nil {
		return err
	}
	r.expect(r.awaitArbiter(byLease, arbiterTime))
	return nil
}

// awaitArbiter waits until every node names that arbiter.
func (r *run) awaitArbiter(want string, timeout time.Duration) error {
	var last []string
	err := r.await(timeout, fmt.Sprintf("the arbiter is %q on every node", want), func() bool {
		last = r.arbiters()
		return !slices.ContainsFunc(last, func(arbiter string) bool { return arbiter != want })
	})
	if err != nil {
		return fmt.Errorf("%w; it is %q", err, last)
	}
	return nil
}

// arbiters returns what each node names.
func (r *run) arbiters() []string {
	var arbiters []string
	for _, n := range r.Nodes {
		status, err := n.Status()
		if err != nil {
			arbiters = append(arbiters, err.Error())
			continue
		}
		arbiters = append(arbiters, status.VirtualRouter.Arbiter)
	}
	return arbiters
}

// epoch returns how often the Lease has changed hands, 0 while there is none or it cannot be read.
func (r *run) epoch() int32 {
	lease, err := r.Lease()
	if err != nil || lease.Spec.LeaseTransitions == nil {
		return 0
	}
	return *lease.Spec.LeaseTransitions
}

// worthNoting is how long the machine must have stalled for a note.
const worthNoting = 200 * time.Millisecond

// measure does something and returns what the observers saw meanwhile. Hosts that are named are dead, frozen or cut off:
// they may have the address while another has it.
func (r *run) measure(do func() error, apart ...string) (s fault.Sample, err error) {
	start := time.Now()
	err = do()
	s = r.Sample(start, apart...)
	if s.Stalled > worthNoting {
		r.note("the machine stalled for %.3f s, which the times leave out", s.Stalled.Seconds())
	}
	return s, errors.Join(err, r.Control.Check(start))
}

// unchanged does something and expects that what it looks for in the status of every node is the same after it.
func (r *run) unchanged(what string, of func(v1alpha1.HarbingerStatus) string, do func() error) error {
	look := func() (seen []string, err error) {
		for _, n := range r.Nodes {
			status, err := n.Status()
			if err != nil {
				return nil, err
			}
			seen = append(seen, n.Name+" "+of(status))
		}
		return seen, nil
	}
	before, err := look()
	if err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	after, err := look()
	if err != nil {
		return err
	}
	if !slices.Equal(before, after) {
		r.expect(fmt.Errorf("%s were %q and are %q", what, before, after))
	}
	return nil
}
