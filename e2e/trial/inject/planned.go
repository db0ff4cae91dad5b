// SPDX-License-Identifier: Apache-2.0

package inject

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/lab/watch"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// busyInterval is the time between two connections of the client of planned moves: 200 a second.
const busyInterval = 5 * time.Millisecond

// underLoad measures while a client makes 200 connections a second.
func (r *run) underLoad(do func() error) (s fault.Sample, err error) {
	client := r.StartClient(watch.ClientConfig{Interval: busyInterval, Timeout: 250 * time.Millisecond})
	defer client.Stop()
	if err := r.Control.Until(5*time.Second, "the busy client is served", func() bool { return client.Served(time.Second) }); err != nil {
		return s, err
	}
	start := time.Now()
	s, err = r.measure(do)
	client.Stop()
	outage, available := client.Outage(start), client.Availability(start)
	s.Outage = outage
	if outage.Failed > 0 {
		r.note("%d of %d connections failed; the longest outage was %v", available.Failed(), available.Requests, outage)
	}
	return s, err
}

// handOver asks the holder to hand the address over, to whoever is the first.
func (r *run) handOver() error { return r.askForHandover(r.Others(r.holder)) }

// handOverTo asks the holder to hand the address over to one node.
func (r *run) handOverTo() error {
	successor := r.Others(r.holder)[1]
	return r.askForHandover([]*trial.Node{successor}, "--to", successor.Name)
}

// askForHandover asks the holder, and waits until one of the successors alone has the address.
func (r *run) askForHandover(successors []*trial.Node, flags ...string) error {
	if _, err := r.cfg.System.Run(r.holder, append([]string{"handover"}, flags...)...); err != nil {
		return err
	}
	if err := r.Control.Until(10*time.Second, "a successor holds the address", func() bool {
		now := r.Holders.Now()
		return len(now) == 1 && slices.ContainsFunc(successors, func(n *trial.Node) bool { return n.Name == now[0] })
	}); err != nil {
		return err
	}
	observeFor(3 * time.Second)
	return r.Settle()
}

// restartAll stops and starts every sidecar, one after the other, the holder last: the address has to move once.
func (r *run) restartAll() error {
	for _, n := range append(r.Others(r.holder), r.holder) {
		if err := r.restart(n); err != nil {
			return fmt.Errorf("restart %s: %w", n.Name, err)
		}
	}
	observeFor(3 * time.Second)
	return r.Settle()
}

func (r *run) restart(n *trial.Node) error {
	err := errors.Join(n.Sidecar.Stop(), n.Sidecar.Keeper.Wait(40*time.Second))
	if err != nil {
		return err
	}
	if err := r.StartSidecar(n); err != nil {
		return err
	}
	return r.await(15*time.Second, "the node is ready", func() bool {
		status, err := n.Status()
		return err == nil && status.Ready
	})
}
