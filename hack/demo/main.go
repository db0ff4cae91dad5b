// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command demo shows Harbinger on three hosts: the generator, the election,
// and one fault after another with the outage that a client sees. Where
// keepalived and haproxy are installed, they suffer the same beside it. It
// exits 0 only when Harbinger kept every promise.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// faults are done in this order, and those of peerFaults to keepalived too.
var (
	faults = []trial.Fault{
		trial.PlannedStop, trial.Kill, trial.Freeze, trial.CutCable, trial.APIServerDies, trial.BalancerCrashes,
	}
	peerFaults = faults[:5] // its haproxy would stay dead: nobody restarts it
)

func main() { os.Exit(trial.Main(run)) }

func run() int {
	var d demo
	flag.IntVar(&d.runs, "runs", 1, "how often each fault is done; the table then shows medians")
	flag.DurationVar(&d.interval, "interval", time.Second, "time between advertisements")
	flag.StringVar(&d.peer, "peer", "keepalived", "who suffers the same faults beside Harbinger: keepalived or none")
	flag.Parse()
	d.screen = newScreen(os.Stdout)
	if err := d.run(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		return 1
	}
	return 0
}

type demo struct {
	runs     int
	interval time.Duration
	peer     string
	screen   *screen
}

func (d *demo) run() error {
	system, err := d.build()
	if err != nil {
		return err
	}
	plane, err := d.start(system)
	if err != nil {
		return err
	}
	defer plane.Close()
	if err := d.introduce(system, plane); err != nil {
		return err
	}
	peer, err := d.startPeer()
	if err != nil {
		return err
	}
	if peer != nil {
		defer peer.Close()
	}
	return d.suffer(plane, peer)
}

func (d *demo) build() (trial.Harbinger, error) {
	defer d.screen.progress("building")()
	return trial.Build("bin/harbinger")
}

// start runs a system on three hosts of its own.
func (d *demo) start(system trial.System) (*trial.Plane, error) {
	defer d.screen.progress("starting %s on three hosts", system.Name())()
	plane, err := trial.New(trial.Config{System: system, Interval: d.interval})
	if err != nil {
		return nil, err
	}
	if err := plane.Start(); err != nil {
		return nil, errors.Join(err, plane.Close())
	}
	return plane, nil
}

// startPeer returns nil where no peer is wanted or installed.
func (d *demo) startPeer() (*trial.Plane, error) {
	if d.peer != (trial.Keepalived{}).Name() {
		return nil, nil
	}
	if err := (trial.Keepalived{}).Installed(); err != nil {
		d.screen.text("\nHarbinger suffers alone: %v.\n", err)
		return nil, nil
	}
	return d.start(trial.Keepalived{})
}

// introduce shows what was generated and who holds the address.
func (d *demo) introduce(system trial.Harbinger, plane *trial.Plane) error {
	d.screen.title("The same command, on each of three hosts:")
	d.screen.text("harbinger %s\n", wrapped(system.ManifestArguments(plane)))
	for _, n := range plane.Nodes {
		status, err := system.Run(n, "status")
		if err != nil {
			return err
		}
		d.screen.title("%s (%s): harbinger status", n.Name, n.Address.Addr())
		d.screen.text("%s", status)
	}
	return nil
}

// suffer does the faults and shows a row for each.
func (d *demo) suffer(plane, peer *trial.Plane) error {
	d.screen.title("Faults of the holder, while a client connects to %s:%d every 5 ms:", plane.VirtualAddress(), plane.Port)
	d.screen.row(trial.Columns)
	var errs []error
	var stalled time.Duration
	for i, fault := range faults {
		row := d.do(plane, fault)
		errs = append(errs, row.Check())
		stalled += row.Stalled()
		if peer != nil && i < len(peerFaults) {
			d.do(peer, fault)
		}
	}
	if stalled > 0 {
		d.screen.text("\nThis machine stalled for %.3f s: a client past Harbinger was not served either. The times leave that out.\n", stalled.Seconds())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("a promise was broken:\n%w", err)
	}
	d.screen.text("\nEvery fault stayed within its bound.\n")
	return nil
}

func (d *demo) do(plane *trial.Plane, fault trial.Fault) trial.Row {
	done := d.screen.progress("%s: %s", plane.System.Name(), fault.Name)
	row := trial.Row{Fault: fault}
	for i := 0; i < d.runs && row.Do(plane) == nil; i++ {
	}
	done()
	d.screen.row(row.Cells())
	return row
}

// wrapped joins arguments to a command of several lines, a flag on each.
func wrapped(args []string) string {
	text := args[0]
	for flag := range slices.Chunk(args[1:], 2) {
		text += fmt.Sprintf(" \\\n    %s %s", flag[0], flag[1])
	}
	return text
}
