// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// idleTime is for how long an idle keeper is measured: in the short form of the bench for a third of the time.
func idleTime(runs int) time.Duration {
	if (Options{Runs: runs}).short() {
		return 10 * time.Second
	}
	return 30 * time.Second
}

// A price is the part of one processor that an idle keeper may take at an interval between advertisements.
type price struct {
	interval time.Duration
	goal     float64 // in per cent
}

var prices = []price{{200 * time.Millisecond, 1}, {20 * time.Millisecond, 4}}

// costs measures what keepers take while no client asks anything.
func costs(out io.Writer, ours trial.System, runs int) error {
	length := idleTime(runs)
	table := pair{out: out}.table(fmt.Sprintf("An idle keeper, without its balancer: per cent of one processor in %v, and how often a second it was woken; three nodes, no client, no Lease", length),
		"advertisements every", "holder", "goal", "Backups", "holder woken", "Backups woken")
	for _, p := range prices {
		holder, backups, err := idle(ours, p.interval, length)
		if err != nil {
			return err
		}
		table.Cells(p.interval.String(), list(holder.busy), fmt.Sprintf("≤ %g", p.goal), list(backups.busy), list(holder.woken), list(backups.woken))
	}
	fmt.Fprint(out, "\nA frame that is sent counts here until the hosts of the lab have it: their network is that of one kernel.\n")
	return nil
}

// list writes each number, to hundredths.
func list(all numbers) string {
	texts := make([]string, len(all))
	for i, n := range all {
		texts[i] = strconv.FormatFloat(math.Round(100*n)/100, 'f', -1, 64)
	}
	return strings.Join(texts, ", ")
}

// shares are what some keepers take.
type shares struct {
	busy  numbers // in per cent of one processor
	woken numbers // times a second
}

func (s *shares) add(before, after lab.Usage, length time.Duration) {
	seconds := length.Seconds()
	s.busy = append(s.busy, 100*(after.Busy-before.Busy).Seconds()/seconds)
	s.woken = append(s.woken, math.Round(float64(after.Waits-before.Waits)/seconds))
}

// idle returns what the keepers of the holder and of the others take.
func idle(ours trial.System, interval, length time.Duration) (holder, backups shares, err error) {
	plane, err := startPlane(ours, interval)
	if err != nil {
		return holder, backups, err
	}
	defer func() { err = errors.Join(err, plane.Close()) }()
	has, err := plane.Holder()
	if err != nil {
		return holder, backups, err
	}
	// Keepers hear the questions of the observers.
	plane.Client.Stop()
	plane.Answers.Stop()
	before := map[string]lab.Usage{}
	if err := plane.Each(func(n *trial.Node) (err error) {
		before[n.Name], err = lab.UsageOf(n.Sidecar.Keeper.PID())
		return err
	}); err != nil {
		return holder, backups, err
	}
	time.Sleep(length)
	err = plane.Each(func(n *trial.Node) error {
		after, err := lab.UsageOf(n.Sidecar.Keeper.PID())
		whose := &backups
		if n == has {
			whose = &holder
		}
		whose.add(before[n.Name], after, length)
		return err
	})
	if still, failed := plane.Holder(); failed != nil || still != has {
		err = errors.Join(err, failed, fmt.Errorf("%s was the holder, and is not any more: nothing was measured", has.Name))
	}
	return holder, backups, err
}
