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
)

// apiOutage has the API away for the time that was asked for.
func (r *run) apiOutage(f fault.Fault) (s fault.Sample, err error) {
	err = r.withoutRestart(func() error {
		s, err = r.measure(func() error { return r.endure(f) })
		return err
	})
	return s, err
}

// endure lets the API be away for its time, and come back.
func (r *run) endure(f fault.Fault) error {
	start := time.Now()
	if err := f.Inject(r, ""); err != nil {
		return err
	}
	r.expect(r.awaitArbiter(byVRRP, loseTime))
	observeFor(time.Until(start.Add(r.cfg.Outage)))
	if err := errors.Join(f.Undo(r, ""), r.AwaitCluster()); err != nil {
		return err
	}
	r.expect(r.awaitArbiter(byLease, findTime))
	observeFor(3 * time.Second)
	return r.Settle()
}

func (r *run) killAPIs() error {
	return r.Each(func(n *trial.Node) error { return n.APIServer.Kill() })
}

// hangAPIs makes the API servers accept connections and never answer.
func (r *run) hangAPIs() error {
	return r.Each(func(n *trial.Node) error { return n.APIServer.Freeze() })
}

func (r *run) thawAPIs() error {
	return r.Each(func(n *trial.Node) error { return n.APIServer.Thaw() })
}

// freezeQuorum freezes two of three members of etcd.
func (r *run) freezeQuorum() error {
	return errors.Join(r.Nodes[0].Etcd.Freeze(), r.Nodes[1].Etcd.Freeze())
}

func (r *run) thawQuorum() error {
	return errors.Join(r.Nodes[0].Etcd.Thaw(), r.Nodes[1].Etcd.Thaw())
}

// The times of a slow API server: what is asked while it stands still is answered up to ten seconds later, and may be
// carried out then.
const (
	slowStands = 10 * time.Second
	slowRuns   = 300 * time.Millisecond
)

// slowAPIs makes the API servers stand still for ten seconds, again and again, all at the same time, until endSlowAPIs.
func (r *run) slowAPIs() error {
	stop, ended := make(chan struct{}), make(chan error, 1)
	r.endSlow = func() error {
		close(stop)
		return <-ended
	}
	// Ends when endSlow closes stop.
	go func() { ended <- r.slowUntil(stop) }()
	return nil
}

func (r *run) slowUntil(stop <-chan struct{}) error {
	for {
		if err := r.hangAPIs(); err != nil {
			return err
		}
		select {
		case <-stop:
			return r.thawAPIs()
		case <-time.After(slowStands):
		}
		if err := r.thawAPIs(); err != nil {
			return err
		}
		time.Sleep(slowRuns)
	}
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
	r.expect(r.await(findTime, "a node says that the Lease is forbidden to it", r.leaseIsForbidden))
	observeFor(5 * time.Second)
	r.expect(r.awaitArbiter(byVRRP, time.Second))
	if err := r.cfg.System.Allow(holder); err != nil {
		return err
	}
	r.expect(r.awaitArbiter(byLease, findTime))
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
	return r.await(findTime, "the Lease names "+n.Name, func() bool {
		lease, err := r.Lease()
		return err == nil && lease.Spec.HolderIdentity != nil && holderOf(*lease.Spec.HolderIdentity) == n.Name
	})
}
