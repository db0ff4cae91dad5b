// SPDX-License-Identifier: Apache-2.0

//go:build linux

package fault

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// holderOf returns the node of a holder's identity, which ends in the
// incarnation of its process.
func holderOf(identity string) string {
	node, _, _ := strings.Cut(identity, "/")
	return node
}

// served is promised where nothing may change and the API stays.
var served = promise{outage: time.Second, gone: 0, held: 0, answered: 0, moves: 0}

// leaseRows are what happens to the Lease and to the right to it.
func leaseRows() []Row {
	return []Row{
		{Name: "Lease deleted", promise: served, do: func(s *stage) (sample, error) { return s.measure(s.loseLease) }},
		{Name: "etcd restored from older copy", promise: still, do: restore},
		{Name: "credentials removed and back", promise: served, do: func(s *stage) (sample, error) {
			return s.measure(s.changeCredentials)
		}},
	}
}

// loseLease deletes the Lease by hand.
func (s *stage) loseLease() error {
	holder, err := s.Holder()
	if err != nil {
		return err
	}
	before := s.epoch()
	if err := s.DeleteLease(); err != nil {
		s.expect(fmt.Errorf("delete the Lease: %w", err))
		return nil
	}
	s.expect(s.leaseIsHeldBy(holder))
	s.expect(s.epochExceeds(before))
	observeFor(5 * time.Second)
	return nil
}

// epochExceeds waits until the Lease has a newer epoch.
func (s *stage) epochExceeds(epoch int32) error {
	return s.await(findTime, fmt.Sprintf("the epoch exceeds %d", epoch), func() bool { return s.epoch() > epoch })
}

// restore puts etcd back to what it stored before the Lease changed hands, as
// an administrator restores a backup: everything of the API stops, the data of
// every member is replaced, and it starts again.
func restore(s *stage) (m sample, err error) {
	if err := s.backUp(); err != nil {
		return m, err
	}
	old := s.epoch()
	if _, err := s.Do(trial.Kill); err != nil { // the Lease changes hands
		return m, err
	}
	s.expect(s.epochExceeds(old))
	if err := s.calm(); err != nil {
		return m, err
	}
	return s.measure(s.rollBack)
}

// backUp copies the data of all members at one time.
func (s *stage) backUp() error {
	freeze := s.eachNode(func(n *trial.Node) error { return n.Etcd.Freeze() })
	copied := s.eachNode(func(n *trial.Node) error { return s.Cluster.CopyEtcd(n.Host) })
	thaw := s.eachNode(func(n *trial.Node) error { return n.Etcd.Thaw() })
	if err := errors.Join(freeze, copied, thaw, s.AwaitCluster()); err != nil {
		return err
	}
	return s.calm()
}

func (s *stage) rollBack() error {
	holder, err := s.Holder()
	if err != nil {
		return err
	}
	newest := s.epoch()
	if err := errors.Join(
		s.eachNode(func(n *trial.Node) error { return errors.Join(n.APIServer.Kill(), n.Etcd.Kill()) }),
		s.eachNode(func(n *trial.Node) error { return s.Cluster.RestoreEtcd(n.Host) }),
		s.StartCluster(),
	); err != nil {
		return err
	}
	s.expect(s.awaitArbiter(byLease, findTime))
	s.expect(s.leaseIsHeldBy(holder))
	s.expect(s.epochExceeds(newest))
	observeFor(5 * time.Second)
	return s.Settle()
}

// changeCredentials takes the credentials of all sidecars away, and gives them
// back.
func (s *stage) changeCredentials() error {
	if err := s.eachNode(s.cfg.System.TakeCredentials); err != nil {
		return err
	}
	s.expect(s.awaitArbiter(byVRRP, loseTime))
	observeFor(3 * time.Second)
	if err := s.eachNode(s.cfg.System.GiveCredentials); err != nil {
		return err
	}
	s.expect(s.awaitArbiter(byLease, findTime))
	observeFor(2 * time.Second)
	return nil
}
