// SPDX-License-Identifier: Apache-2.0

package inject

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// holderOf returns the node of a holder's identity, which ends in the incarnation of its process.
func holderOf(identity string) string {
	node, _, _ := strings.Cut(identity, "/")
	return node
}

// loseLease deletes the Lease by hand.
func (r *run) loseLease(fault.Fault) error {
	holder, err := r.Holder()
	if err != nil {
		return err
	}
	before := r.epoch()
	if err := r.DeleteLease(); err != nil {
		r.expect(fmt.Errorf("delete the Lease: %w", err))
		return nil
	}
	r.expect(r.leaseIsHeldBy(holder))
	r.expect(r.epochExceeds(before))
	observeFor(5 * time.Second)
	return nil
}

// epochExceeds waits until the Lease has a newer epoch.
func (r *run) epochExceeds(epoch int32) error {
	return r.await(arbiterTime, fmt.Sprintf("the epoch exceeds %d", epoch), func() bool { return r.epoch() > epoch })
}

// restore puts etcd back to what it stored before the Lease changed hands, as an administrator restores a backup: everything
// of the API stops, the data of every member is replaced, and it starts again.
func (r *run) restore(fault.Fault) (s fault.Sample, err error) {
	if err := r.backUp(); err != nil {
		return s, err
	}
	old := r.epoch()
	if _, err := r.Measure(fault.Kill); err != nil { // the Lease changes hands
		return s, err
	}
	r.expect(r.epochExceeds(old))
	if err := r.calm(); err != nil {
		return s, err
	}
	return r.measure(r.rollBack)
}

// backUp copies the data of all members at one time.
func (r *run) backUp() error {
	freeze := r.Each(func(n *trial.Node) error { return n.Etcd.Freeze() })
	copied := r.Each(func(n *trial.Node) error { return r.Cluster.CopyEtcd(n.Host) })
	thaw := r.Each(func(n *trial.Node) error { return n.Etcd.Thaw() })
	if err := errors.Join(freeze, copied, thaw, r.AwaitCluster()); err != nil {
		return err
	}
	return r.calm()
}

func (r *run) rollBack() error {
	holder, err := r.Holder()
	if err != nil {
		return err
	}
	newest := r.epoch()
	if err := errors.Join(
		r.Each(func(n *trial.Node) error { return errors.Join(n.APIServer.Kill(), n.Etcd.Kill()) }),
		r.Each(func(n *trial.Node) error { return r.Cluster.RestoreEtcd(n.Host) }),
		r.StartCluster(),
	); err != nil {
		return err
	}
	r.expect(r.awaitArbiter(byLease, arbiterTime))
	r.expect(r.leaseIsHeldBy(holder))
	r.expect(r.epochExceeds(newest))
	observeFor(5 * time.Second)
	return r.Settle()
}
