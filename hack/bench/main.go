// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command bench measures Harbinger beside keepalived and haproxy in the lab,
// in turn, and prints tables in Markdown. It judges nothing.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/trial"
)

func main() { os.Exit(trial.Main(run)) }

func run() int {
	runs := flag.Int("runs", 5, "how often each thing is measured")
	flag.Parse()
	if err := bench(*runs); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func bench(runs int) error {
	ours, err := trial.Build("bin/harbinger")
	if err != nil {
		return err
	}
	for _, interval := range []time.Duration{time.Second, 100 * time.Millisecond} {
		if err := onPair(ours, interval, func(p pair) error { return p.outages(runs) }); err != nil {
			return err
		}
	}
	return onPair(ours, time.Second, func(p pair) error {
		return errors.Join(p.backendDeaths(runs), p.rates(runs))
	})
}

// A pair is two control planes that stand the same trials in turn.
type pair struct{ ours, theirs *trial.Plane }

// planes returns both, in the order of the columns.
func (p pair) planes() []*trial.Plane { return []*trial.Plane{p.ours, p.theirs} }

// onPair calls f with a new pair.
func onPair(ours trial.System, interval time.Duration, f func(pair) error) error {
	var planes []*trial.Plane
	defer func() {
		for _, p := range planes {
			p.Close()
		}
	}()
	for _, system := range []trial.System{ours, trial.Keepalived{}} {
		p, err := trial.New(trial.Config{System: system, Interval: interval})
		if err != nil {
			return err
		}
		planes = append(planes, p)
		if err := p.Start(); err != nil {
			return err
		}
	}
	return f(pair{planes[0], planes[1]})
}

// outages measures what a client suffers from each fault of the holder.
func (p pair) outages(runs int) error {
	title("Outage of a client in seconds, advertisements every %v: median of %d (min to max)", p.ours.Interval, runs)
	header("fault", "Harbinger", "keepalived", "ratio", "Harbinger at repair", "keepalived at repair", "left behind", "keepalived left behind")
	for _, fault := range []trial.Fault{trial.PlannedStop, trial.Kill, trial.Freeze, trial.CutCable} {
		rows := []trial.Row{{Fault: fault}, {Fault: fault}}
		for range runs {
			for i, plane := range p.planes() {
				if err := rows[i].Do(plane); err != nil {
					return err
				}
			}
		}
		ours, theirs := outagesOf(rows[0]), outagesOf(rows[1])
		line(fault.Name, ours, theirs, ours.ratio(theirs), repairsOf(rows[0]), repairsOf(rows[1]), leftOf(rows[0]), leftOf(rows[1]))
	}
	return nil
}

func outagesOf(row trial.Row) (s sample) {
	for _, r := range row.Results {
		s = append(s, r.Outage.Length().Seconds())
	}
	return s
}

func repairsOf(row trial.Row) (s sample) {
	for _, r := range row.Results {
		s = append(s, r.RepairOutage.Length().Seconds())
	}
	return s
}

// leftOf says in how many runs the address was left on the old host.
func leftOf(row trial.Row) string {
	left := 0
	for _, r := range row.Results {
		if r.Left {
			left++
		}
	}
	return fmt.Sprintf("%d of %d", left, len(row.Results))
}

// What backendDeaths does, as in the issue that asks for it.
const (
	connectionRate = 500
	deathTime      = 5 * time.Second
)

// backendDeaths measures what new connections suffer from the loss of a
// backend.
func (p pair) backendDeaths(runs int) error {
	title("One of three backends dies at %d connections a second: failed share in the %v after, in per cent", connectionRate, deathTime)
	header("death", "Harbinger", "haproxy, observe layer4")
	deaths := []struct {
		name         string
		lose, repair func(*trial.Plane, *trial.Node) error
	}{
		{
			"the process dies",
			func(_ *trial.Plane, n *trial.Node) error { return n.APIServer.Kill() },
			func(p *trial.Plane, n *trial.Node) error { return p.StartAPIServer(n) },
		},
		{
			"the host vanishes",
			func(_ *trial.Plane, n *trial.Node) error { return n.Blackhole() },
			func(_ *trial.Plane, n *trial.Node) error { return n.Unblackhole() },
		},
	}
	for _, death := range deaths {
		samples := make([]sample, 2)
		for range runs {
			for i, plane := range p.planes() {
				available, _, err := plane.LoseBackend(connectionRate, deathTime, death.lose, death.repair)
				if err != nil {
					return err
				}
				samples[i] = append(samples[i], 100*float64(available.Failed())/float64(available.Requests))
			}
		}
		line(death.name, samples[0], samples[1])
	}
	return nil
}

// rates measures how many connections a second pass.
func (p pair) rates(runs int) error {
	title("New connections per second with one request each, 64 in parallel; client, balancer and backends share this machine")
	header("Harbinger", "haproxy", "ratio")
	samples := make([]sample, 2)
	for range runs {
		for i, plane := range p.planes() {
			samples[i] = append(samples[i], plane.Rate(3*time.Second))
		}
	}
	line(samples[0], samples[1], samples[0].ratio(samples[1]))
	return nil
}
