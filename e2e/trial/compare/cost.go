// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// idleTime is for how long an idle keeper is measured.
const idleTime = 30 * time.Second

// A price is the part of one processor that an idle keeper may take at an interval between advertisements.
type price struct {
	interval time.Duration
	goal     float64 // in per cent
}

var prices = []price{{200 * time.Millisecond, 1}, {20 * time.Millisecond, 4}}

// costs measures what keepers take while no client asks anything.
func costs(out io.Writer, ours trial.System) error {
	table := pair{out: out}.table(fmt.Sprintf("An idle keeper: per cent of one processor in %v, no client, no Lease", idleTime),
		"advertisements every", "holder", "Backups", "goal")
	for _, p := range prices {
		holder, backups, err := idle(ours, p.interval)
		if err != nil {
			return err
		}
		table.Cells(p.interval.String(), fmt.Sprintf("%.2f", holder), backups.String(), fmt.Sprintf("≤ %g", p.goal))
	}
	return nil
}

// idle returns what the keepers of the holder and of the others take, in per cent of one processor.
func idle(ours trial.System, interval time.Duration) (holder float64, backups numbers, err error) {
	plane, err := startPlane(ours, interval)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, plane.Close()) }()
	has, err := plane.Holder()
	if err != nil {
		return 0, nil, err
	}
	// Keepers hear the questions of the observers.
	plane.Client.Stop()
	plane.Answers.Stop()
	busy := func(n *trial.Node) (time.Duration, error) {
		u, err := lab.UsageOf(n.Sidecar.Keeper.PID())
		return u.Busy, err
	}
	before := map[string]time.Duration{}
	if err := plane.Each(func(n *trial.Node) (err error) {
		before[n.Name], err = busy(n)
		return err
	}); err != nil {
		return 0, nil, err
	}
	time.Sleep(idleTime)
	err = plane.Each(func(n *trial.Node) error {
		after, err := busy(n)
		share := 100 * (after - before[n.Name]).Seconds() / idleTime.Seconds()
		if n == has {
			holder = share
		} else {
			backups = append(backups, share)
		}
		return err
	})
	return holder, backups, err
}
