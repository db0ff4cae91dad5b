// SPDX-License-Identifier: Apache-2.0

package inject

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/promise"
	"github.com/harbinger-ha/harbinger/e2e/trial"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// otherOutages is the part of the time of an outage in which the API is away in other ways than by the end of its servers: the election
// gives up on it within seconds in all of them.
const otherOutages = 1. / 3

// outageOf returns for how long a fault has the API away.
func (c Config) outageOf(f fault.Fault) time.Duration {
	if f.Act == fault.KillAPIs {
		return c.Outage
	}
	return time.Duration(otherOutages * float64(c.Outage))
}

// apiOutage has the API away for a time, and expects that no process of a sidecar is started again.
func (r *run) apiOutage(f fault.Fault) (s fault.Sample, err error) {
	processes := func(status v1alpha1.HarbingerStatus) string {
		return fmt.Sprintf("%s, balancer started again %d times", status.Incarnation, status.Balancer.Restarts)
	}
	err = r.unchanged("processes", processes, func() error {
		s, err = r.measure(func() error { return r.endure(f, r.cfg.outageOf(f)) })
		return err
	})
	return s, err
}

// changeCredentials takes the credentials of all sidecars away, and gives them back.
func (r *run) changeCredentials(f fault.Fault) error { return r.endure(f, 0) }

// endure lets the API be away, for a time and until no node has it as arbiter, and come back.
func (r *run) endure(f fault.Fault, outage time.Duration) error {
	start := time.Now()
	if err := f.Inject(r, ""); err != nil {
		return err
	}
	r.expect(r.awaitArbiter(byVRRP, arbiterTime))
	observeFor(max(time.Until(start.Add(outage)), 3*time.Second))
	if err := errors.Join(f.Undo(r, ""), r.AwaitCluster()); err != nil {
		return err
	}
	r.expect(r.awaitArbiter(byLease, arbiterTime))
	observeFor(3 * time.Second)
	return r.Settle()
}

// bootstrap is the birth of a cluster: the API comes when the address is held already, and allows the Lease later still.
func (r *run) bootstrap(fault.Fault) (s fault.Sample, err error) {
	start := time.Now()
	if err := r.StartSidecars(); err != nil {
		return s, err
	}
	if err := r.Control.Until(15*time.Second, "one node holds the virtual address without any API", func() bool {
		spans := r.Holders.Since(time.Now().Add(-time.Second))
		return len(spans) == 1 && len(spans[0].Hosts) == 1
	}); err != nil {
		return s, err
	}
	bound := promise.ColdStart.In(promise.Lab, promise.At(r.Interval)).Live
	if span := r.Holders.Since(start).Shared().Longest(); span.Length() > bound {
		r.expect(fmt.Errorf("at the start the address was on %s, bound %s", span, bound))
	}
	return r.measure(r.beBorn)
}

// beBorn gives the sidecars an API, credentials, and the right to the Lease.
func (r *run) beBorn() error {
	holder, err := r.Holder()
	if err != nil {
		return err
	}
	if err := errors.Join(r.Each(r.cfg.System.GiveCredentials), r.StartCluster()); err != nil {
		return err
	}
	r.expect(r.await(arbiterTime, "a node says that the Lease is forbidden to it", r.leaseIsForbidden))
	observeFor(5 * time.Second)
	r.expect(r.awaitArbiter(byVRRP, time.Second))
	if err := r.cfg.System.Allow(holder); err != nil {
		return err
	}
	r.expect(r.awaitArbiter(byLease, arbiterTime))
	r.expect(r.leaseIsHeldBy(holder))
	return r.Settle()
}

// leaseIsForbidden reports whether a node says that the Lease is forbidden to it.
func (r *run) leaseIsForbidden() bool {
	return slices.ContainsFunc(r.Nodes, func(n *trial.Node) bool {
		status, err := n.Status()
		return err == nil && status.Lease != nil && strings.Contains(strings.ToLower(status.Lease.Failure), "forbidden")
	})
}

// leaseIsHeldBy waits until the Lease names a node.
func (r *run) leaseIsHeldBy(n *trial.Node) error {
	return r.await(arbiterTime, "the Lease names "+n.Name, func() bool {
		lease, err := r.Lease()
		return err == nil && lease.Spec.HolderIdentity != nil && holderOf(*lease.Spec.HolderIdentity) == n.Name
	})
}

// holderOf returns the node of a holder's identity, which ends in the incarnation of its process.
func holderOf(identity string) string {
	node, _, _ := strings.Cut(identity, "/")
	return node
}

// loseLease deletes the Lease by hand.
func (r *run) loseLease(fault.Fault) error {
	before := r.epoch()
	if err := r.DeleteLease(); err != nil {
		r.expect(fmt.Errorf("delete the Lease: %w", err))
		return nil
	}
	r.expect(r.leaseIsHeldBy(r.holder))
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
