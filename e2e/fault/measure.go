// SPDX-License-Identifier: Apache-2.0

//go:build linux

package fault

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// The arbiters that a node may tell.
const (
	byLease = "lease"
	byVRRP  = "vrrp"
)

// Times within which the arbiter changes, with what a busy machine adds.
const (
	loseTime = 10 * time.Second
	findTime = 10 * time.Second
)

// calm waits until the plane is as it should be: one holder that serves, and
// the Lease as arbiter.
func (s *stage) calm() error {
	if err := s.Settle(); err != nil {
		return err
	}
	s.expect(s.awaitArbiter(byLease, findTime))
	return nil
}

// awaitArbiter waits until every node names that arbiter.
func (s *stage) awaitArbiter(want string, timeout time.Duration) error {
	var last []string
	err := s.await(timeout, fmt.Sprintf("the arbiter is %q on every node", want), func() bool {
		last = s.arbiters()
		return !slices.ContainsFunc(last, func(arbiter string) bool { return arbiter != want })
	})
	if err != nil {
		return fmt.Errorf("%w; it is %q", err, last)
	}
	return nil
}

// arbiters returns what each node names.
func (s *stage) arbiters() []string {
	var arbiters []string
	for _, n := range s.Nodes {
		status, err := n.Status()
		if err != nil {
			arbiters = append(arbiters, err.Error())
			continue
		}
		arbiters = append(arbiters, status.VirtualRouter.Arbiter)
	}
	return arbiters
}

// epoch returns that of the Lease, 0 while there is none or it cannot be read.
func (s *stage) epoch() int32 {
	lease, err := s.Lease()
	if err != nil {
		return 0
	}
	return trial.Epoch(lease)
}

// worthNoting is how long the machine must have stalled to be told.
const worthNoting = 200 * time.Millisecond

// measure does something and returns what the observers saw meanwhile. Hosts
// that are named are dead, frozen or cut off: they may have the address beside
// another.
func (s *stage) measure(do func() error, apart ...string) (m sample, err error) {
	start := time.Now()
	err = do()
	held := s.Holders.Since(start)
	m.outage = s.Client.Outage(start).Length()
	m.gone = held.Vacant().Longest().Length()
	m.held = s.Holders.Since(start, apart...).Shared().Longest().Length()
	m.answered = s.Answers.Since(start).Shared().Longest().Length()
	m.moves = held.Gained()
	if stalled := s.Control.Stalled(start, time.Now()); stalled > worthNoting {
		s.note("the machine stalled for %s s, which the times leave out", seconds(stalled))
	}
	return m, errors.Join(err, s.Control.Check(start))
}

// A process is a keeper and its balancer, as a status names them.
type process struct {
	incarnation string
	balancers   uint64 // how often one was started again
}

// processes returns those of every node.
func (s *stage) processes() ([]process, error) {
	var all []process
	for _, n := range s.Nodes {
		status, err := n.Status()
		if err != nil {
			return nil, err
		}
		all = append(all, process{status.Incarnation, status.Balancer.Restarts})
	}
	return all, nil
}

// withoutRestart does something and expects that no process of a sidecar was
// started again meanwhile.
func (s *stage) withoutRestart(do func() error) error {
	before, err := s.processes()
	if err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	after, err := s.processes()
	if err != nil {
		return err
	}
	if !slices.Equal(before, after) {
		s.expect(fmt.Errorf("processes were %v and are %v: one was started again", before, after))
	}
	return nil
}

// others returns the nodes but one.
func (s *stage) others(n *trial.Node) []*trial.Node {
	return slices.DeleteFunc(slices.Clone(s.Nodes), func(o *trial.Node) bool { return o == n })
}
