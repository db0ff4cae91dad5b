// SPDX-License-Identifier: Apache-2.0

//go:build linux

package fault

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// still is promised where nothing may change: one host has the address all the
// time. What the client suffers is not the election's doing.
var still = promise{outage: unbounded, gone: 0, held: 0, answered: 0, moves: 0}

// apiRows are what happens to the API of the whole cluster, for a time.
func apiRows() []Row {
	return []Row{
		apiOutage("API servers stopped", func(s *stage) (func() error, error) {
			return s.StartAPIServers, s.eachNode(func(n *trial.Node) error { return n.APIServer.Kill() })
		}),
		apiOutage("API servers hung", hang),
		apiOutage("API servers 10 s slow", slowDown),
		apiOutage("etcd without quorum", func(s *stage) (func() error, error) {
			first, second := s.Nodes[0].Etcd, s.Nodes[1].Etcd
			repair := func() error { return errors.Join(first.Thaw(), second.Thaw()) }
			return repair, errors.Join(first.Freeze(), second.Freeze())
		}),
	}
}

// apiOutage returns a row in which the API is away for the time that was asked
// for. The function takes it away and returns how it comes back.
func apiOutage(name string, take func(*stage) (repair func() error, err error)) Row {
	return Row{Name: name, Once: true, promise: still, do: func(s *stage) (m sample, err error) {
		err = s.withoutRestart(func() error {
			m, err = s.measure(func() error { return s.endure(take) })
			return err
		})
		return m, err
	}}
}

// endure lets the API be away for its time, and come back.
func (s *stage) endure(take func(*stage) (func() error, error)) error {
	start := time.Now()
	repair, err := take(s)
	if err != nil {
		return err
	}
	s.expect(s.awaitArbiter(byVRRP, loseTime))
	observeFor(time.Until(start.Add(s.cfg.Outage)))
	if err := errors.Join(repair(), s.AwaitCluster()); err != nil {
		return err
	}
	s.expect(s.awaitArbiter(byLease, findTime))
	observeFor(3 * time.Second)
	return s.Settle()
}

// eachNode does something to every node.
func (s *stage) eachNode(do func(*trial.Node) error) error {
	var errs []error
	for _, n := range s.Nodes {
		errs = append(errs, do(n))
	}
	return errors.Join(errs...)
}

// hang makes the API servers accept connections and never answer.
func hang(s *stage) (thaw func() error, err error) {
	thaw = func() error { return s.eachNode(func(n *trial.Node) error { return n.APIServer.Thaw() }) }
	return thaw, s.eachNode(func(n *trial.Node) error { return n.APIServer.Freeze() })
}

// The times of a slow API server: what is asked while it stands still is
// answered up to ten seconds later, and may be carried out then.
const (
	slowStands = 10 * time.Second
	slowRuns   = 300 * time.Millisecond
)

// slowDown makes the API servers stand still for ten seconds, again and again,
// all at the same time.
func slowDown(s *stage) (repair func() error, err error) {
	stop, ended := make(chan struct{}), make(chan error, 1)
	// Ends when the repair closes stop.
	go func() {
		for {
			thaw, err := hang(s)
			if err != nil {
				ended <- err
				return
			}
			select {
			case <-stop:
				ended <- thaw()
				return
			case <-time.After(slowStands):
			}
			if err := thaw(); err != nil {
				ended <- err
				return
			}
			time.Sleep(slowRuns)
		}
	}()
	return func() error {
		close(stop)
		return <-ended
	}, nil
}

// bootstrapRow is the birth of a cluster: the API comes when the address is
// held already, and allows the Lease later still.
func bootstrapRow() Row {
	return Row{Name: "bootstrap", kind: kind{bare: true}, promise: still, do: func(s *stage) (m sample, err error) {
		start := time.Now()
		if err := s.StartSidecars(); err != nil {
			return m, err
		}
		if err := s.Control.Until(15*time.Second, "one node holds the virtual address without any API", func() bool {
			spans := s.Holders.Since(time.Now().Add(-time.Second))
			return len(spans) == 1 && len(spans[0].Hosts) == 1
		}); err != nil {
			return m, err
		}
		if span := s.Holders.Since(start).Shared().Longest(); span.Length() > dualLive {
			s.expect(fmt.Errorf("at the start the address was on %s, bound %s", span, dualLive))
		}
		return s.measure(s.beBorn)
	}}
}

// beBorn gives the sidecars an API, credentials, and the right to the Lease.
func (s *stage) beBorn() error {
	holder, err := s.Holder()
	if err != nil {
		return err
	}
	if err := errors.Join(s.eachNode(s.cfg.System.GiveCredentials), s.StartCluster()); err != nil {
		return err
	}
	s.expect(s.await(findTime, "a node says that the Lease is forbidden to it", s.leaseIsForbidden))
	observeFor(5 * time.Second)
	s.expect(s.awaitArbiter(byVRRP, time.Second))
	if err := s.cfg.System.Allow(holder); err != nil {
		return err
	}
	s.expect(s.awaitArbiter(byLease, findTime))
	s.expect(s.leaseIsHeldBy(holder))
	return s.Settle()
}

// leaseIsForbidden reports whether a node was told that it may not have the
// Lease.
func (s *stage) leaseIsForbidden() bool {
	return slices.ContainsFunc(s.Nodes, func(n *trial.Node) bool {
		status, err := n.Status()
		return err == nil && status.Lease != nil && strings.Contains(strings.ToLower(status.Lease.Failure), "forbidden")
	})
}

// leaseIsHeldBy waits until the Lease names a node.
func (s *stage) leaseIsHeldBy(n *trial.Node) error {
	return s.await(findTime, "the Lease names "+n.Name, func() bool {
		lease, err := s.Lease()
		return err == nil && lease.Spec.HolderIdentity != nil && holderOf(*lease.Spec.HolderIdentity) == n.Name
	})
}
