// SPDX-License-Identifier: Apache-2.0

//go:build linux

package fault

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/watch"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// planned is promised where the address moves because it is asked to.
var planned = promise{outage: 100 * time.Millisecond, gone: 100 * time.Millisecond, held: dualLive, answered: dualLive, moves: 1}

// busyInterval is the time between two connections of the client of planned
// moves: 200 a second.
const busyInterval = 5 * time.Millisecond

// plannedRows are what an administrator does.
func plannedRows() []Row {
	return []Row{
		{Name: "handover", promise: planned, do: func(s *stage) (sample, error) { return s.underLoad(s.handOver) }},
		{Name: "handover to a node", promise: planned, do: func(s *stage) (sample, error) { return s.underLoad(s.handOverTo) }},
		{Name: "rolling restart", promise: planned, do: func(s *stage) (sample, error) { return s.underLoad(s.restartAll) }},
	}
}

// underLoad measures while a client makes 200 connections a second.
func (s *stage) underLoad(do func() error) (m sample, err error) {
	client := s.StartClient(watch.ClientConfig{Interval: busyInterval, Timeout: 250 * time.Millisecond})
	defer client.Stop()
	if err := s.Control.Until(5*time.Second, "the busy client is served", func() bool { return client.Served(time.Second) }); err != nil {
		return m, err
	}
	start := time.Now()
	m, err = s.measure(do)
	client.Stop()
	outage, available := client.Outage(start), client.Availability(start)
	m.outage = outage.Length()
	if outage.Failed > 0 {
		s.note("%d of %d connections failed; the longest outage was %v", available.Failed(), available.Requests, outage)
	}
	return m, err
}

// handOver asks the holder to hand the address over, to whoever is the first.
func (s *stage) handOver() error {
	holder, err := s.Holder()
	if err != nil {
		return err
	}
	return s.askForHandover(holder, s.others(holder))
}

// handOverTo asks the holder to hand the address over to one node.
func (s *stage) handOverTo() error {
	holder, err := s.Holder()
	if err != nil {
		return err
	}
	successor := s.others(holder)[1]
	return s.askForHandover(holder, []*trial.Node{successor}, "--to", successor.Name)
}

// askForHandover asks a holder, and waits until one of the successors alone has
// the address.
func (s *stage) askForHandover(holder *trial.Node, successors []*trial.Node, flags ...string) error {
	if _, err := s.cfg.System.Run(holder, append([]string{"handover"}, flags...)...); err != nil {
		return err
	}
	if err := s.Control.Until(10*time.Second, "a successor holds the address", func() bool {
		now := s.Holders.Now()
		return len(now) == 1 && slices.ContainsFunc(successors, func(n *trial.Node) bool { return n.Name == now[0] })
	}); err != nil {
		return err
	}
	observeFor(3 * time.Second)
	return s.Settle()
}

// restartAll stops and starts every sidecar, one after the other, the holder
// last: the address has to move once.
func (s *stage) restartAll() error {
	holder, err := s.Holder()
	if err != nil {
		return err
	}
	for _, n := range append(s.others(holder), holder) {
		if err := s.restart(n); err != nil {
			return fmt.Errorf("restart %s: %w", n.Name, err)
		}
	}
	observeFor(3 * time.Second)
	return s.Settle()
}

func (s *stage) restart(n *trial.Node) error {
	err := errors.Join(n.Sidecar.Stop(), n.Sidecar.Keeper.Wait(40*time.Second))
	if err != nil {
		return err
	}
	if err := s.StartSidecar(n); err != nil {
		return err
	}
	return s.await(15*time.Second, "the node is ready", func() bool {
		status, err := n.Status()
		return err == nil && status.Ready
	})
}
