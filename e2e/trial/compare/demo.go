// SPDX-License-Identifier: Apache-2.0

// Package compare does the same faults to Harbinger and to keepalived with haproxy, on hosts of the lab: the demo shows and
// judges them, the bench measures them in turn, and their balancers side by side.
//
// It is one package because all its parts start, stop and read the same programs of both.
package compare

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// A Demo shows what was generated, who holds the address, and what each fault of the holder does.
type Demo struct {
	Runs     int           // of each fault; the table shows medians
	Interval time.Duration // between advertisements
	Peer     string        // keepalived, or none

	screen screen
}

// Run builds Harbinger at a path and shows the demo. The error names each promise that was broken.
func (d *Demo) Run(out *os.File, binary string) error {
	d.screen = newScreen(out)
	system, err := d.build(binary)
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
	return d.faults(plane, peer)
}

func (d *Demo) build(binary string) (trial.Harbinger, error) {
	defer d.screen.progress("building")()
	return trial.Build(binary)
}

// start runs a system on three hosts of its own.
func (d *Demo) start(system trial.System) (*trial.Plane, error) {
	defer d.screen.progress("starting %s on three hosts", system.Name())()
	return startPlane(system, d.Interval)
}

func startPlane(system trial.System, interval time.Duration) (*trial.Plane, error) {
	plane, err := trial.New(trial.Config{System: system, Interval: interval})
	if err != nil {
		return nil, err
	}
	if err := plane.Start(); err != nil {
		return nil, errors.Join(err, plane.Close())
	}
	return plane, nil
}

// startPeer returns nil where no peer is wanted or installed.
func (d *Demo) startPeer() (*trial.Plane, error) {
	if d.Peer != (trial.Keepalived{}).Name() {
		return nil, nil
	}
	if err := (trial.Keepalived{}).Installed(); err != nil {
		d.screen.text("\nThere is nothing to compare with: %v.\n", err)
		return nil, nil
	}
	return d.start(trial.Keepalived{})
}

// introduce shows what was generated and who holds the address.
func (d *Demo) introduce(system trial.Harbinger, plane *trial.Plane) error {
	d.screen.title("The same command, on each of three hosts:")
	d.screen.text("harbinger %s\n", wrapped(system.ManifestArguments(plane)))
	for _, n := range plane.Nodes {
		status, err := system.Run(n, "status", "--wait", "10s")
		if err != nil {
			return err
		}
		d.screen.title("%s (%s): harbinger status --wait 10s", n.Name, n.Address.Addr())
		d.screen.text("%s", status)
	}
	return nil
}

// faults does the faults and shows a row for each.
func (d *Demo) faults(plane, peer *trial.Plane) error {
	d.screen.title("Faults of the holder, advertisements every %v, while a client connects to %s:%d every 5 ms:", plane.Interval,
		plane.VirtualAddress(), plane.Port)
	report := fault.Report{Out: d.screen.out, Columns: fault.HolderColumns}
	report.Titles()
	var errs []error
	var stalled time.Duration
	for _, f := range fault.OfTheHolder() {
		row := d.do(plane, f)
		report.Cells(row.HolderCells(true)...)
		errs = append(errs, row.Check())
		stalled += row.Stalled()
		if peer != nil && f.Act != fault.CrashBalancer { // its haproxy would stay dead: nobody restarts it
			report.Cells(d.do(peer, f).HolderCells(false)...)
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

func (d *Demo) do(plane *trial.Plane, f fault.Fault) fault.Row {
	defer d.screen.progress("%s: %s", plane.System.Name(), f.Name)()
	row := plane.Row(f)
	for i := 0; i < d.Runs && plane.Run(&row) == nil; i++ {
	}
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

// A screen shows the demo. On a terminal it says what is going on at the moment; elsewhere it writes plain lines only.
type screen struct {
	out      *os.File
	terminal bool
}

func newScreen(out *os.File) screen {
	_, err := unix.IoctlGetTermios(int(out.Fd()), unix.TCGETS)
	return screen{out: out, terminal: err == nil}
}

func (s screen) text(format string, args ...any) { fmt.Fprintf(s.out, format, args...) }

func (s screen) title(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if s.terminal {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	s.text("\n%s\n", text)
}

// progress says what is going on until the function it returns is called.
func (s screen) progress(format string, args ...any) (done func()) {
	if !s.terminal {
		return func() {}
	}
	s.text("… "+format, args...)
	return func() { s.text("\r\x1b[K") }
}
