// SPDX-License-Identifier: Apache-2.0

// Package inject does the faults of the catalogue to a control plane of real API servers, on a real etcd, and judges what
// came of them.
package inject

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/watch"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// Config says how faults are done.
type Config struct {
	System     trial.Harbinger
	Kubernetes string        // directory of the programs of a cluster
	Runs       int           // of each fault that is not done once
	Logs       string        // directory for the logs of rows that break a promise, if any
	Outage     time.Duration // how long the API is away where its servers end
}

// A runner does faults, on as few planes as it can.
type runner struct {
	cfg   Config
	plane *trial.Plane // nil before the first fault, and after one that failed
	needs fault.Needs
}

// close ends its plane.
func (r *runner) close() error {
	if r.plane == nil {
		return nil
	}
	plane := r.plane
	r.plane = nil
	return plane.Close()
}

// run does a fault as often as it is asked to.
func (r *runner) run(f fault.Fault) fault.Row {
	row := fault.Row{Fault: f}
	runs := r.cfg.Runs
	if f.Once {
		runs = 1
	}
	for range runs {
		if err := r.runOnce(&row); err != nil {
			row.Fail(err)
			row.Fail(r.close()) // what the fault has left behind is unknown
			break
		}
	}
	row.Median = true
	return row
}

func (r *runner) runOnce(row *fault.Row) error {
	f := row.Fault
	if err := r.prepare(f.Needs); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	row.System, row.Limits = r.plane.System.Name(), r.plane.Row(f).Limits
	one := &run{Plane: r.plane, cfg: r.cfg, row: row}
	var before int32
	if !f.Needs.Bare {
		if err := one.calm(); err != nil {
			return fmt.Errorf("before: %w", err)
		}
		var err error
		if one.holder, err = one.Holder(); err != nil {
			return fmt.Errorf("before: %w", err)
		}
		before = one.epoch()
	}
	sample, err := one.do(f)
	if err != nil {
		return err
	}
	sample.EpochBefore, sample.EpochAfter = before, one.epoch()
	row.Samples = append(row.Samples, sample)
	return nil
}

// prepare makes sure of a plane for those needs. A run may leave a plane that no other can use: one that runs, that has
// grown, or whose nodes wait a minute or two until they seize a Lease again.
func (r *runner) prepare(n fault.Needs) error {
	if spent := n.Bare || n.Discovery || n.Backplane; r.plane != nil && r.needs == n && !spent {
		return nil
	}
	if err := r.close(); err != nil {
		return err
	}
	plane, err := r.newPlane(n)
	if err != nil {
		return err
	}
	r.plane, r.needs = plane, n
	if n.Bare {
		return nil
	}
	if err := errors.Join(r.start(plane), plane.Start()); err != nil {
		return errors.Join(err, r.close())
	}
	return nil
}

func (r *runner) newPlane(n fault.Needs) (*trial.Plane, error) {
	system := r.cfg.System
	if n.Unicast {
		for i := range 3 {
			system.Flags = append(system.Flags, "--peer", fmt.Sprintf("192.168.238.%d", lab.FirstNode+i))
		}
	}
	return trial.New(trial.Config{
		System:     system,
		Port:       trial.APIServerPort,
		Interval:   Interval,
		Kubernetes: r.cfg.Kubernetes,
		Backplane:  n.Backplane,
		Client:     watch.ClientConfig{Interval: 20 * time.Millisecond, Timeout: 500 * time.Millisecond},
	})
}

// start runs the cluster of a plane, with credentials for the sidecars.
func (r *runner) start(p *trial.Plane) error {
	if err := p.StartCluster(); err != nil {
		return err
	}
	return p.Each(r.cfg.System.Allow)
}

// A run is one run of a fault on a plane.
type run struct {
	*trial.Plane
	cfg    Config
	row    *fault.Row
	holder *trial.Node // before the fault; nil where nothing runs yet
}

// note keeps something that is worth to be read.
func (r *run) note(format string, args ...any) {
	r.row.Notes = append(r.row.Notes, fmt.Sprintf(format, args...))
}

// expect keeps what did not come true. The run goes on.
func (r *run) expect(err error) { r.row.Fail(err) }

// await waits for a condition that is not cheap to look at.
func (r *run) await(timeout time.Duration, what string, condition func() bool) error {
	return r.Control.Until(timeout, what, func() bool {
		if condition() {
			return true
		}
		time.Sleep(50 * time.Millisecond)
		return false
	})
}

// observeFor lets a time pass in which the observers see what happens.
func observeFor(d time.Duration) { time.Sleep(d) }

// A Choice is what is done: deaths of the holder, and other faults of a cluster.
type Choice struct {
	deaths []death
	faults []fault.Fault
}

// Chosen returns the rows whose names match.
func Chosen(names *regexp.Regexp) Choice {
	c := Choice{deaths: chosenDeaths(names)}
	for _, f := range fault.OfKubernetes() {
		if names.MatchString(f.Name) {
			c.faults = append(c.faults, f)
		}
	}
	return c
}

// Names returns those of the rows, in the order in which they are done.
func (c Choice) Names() (names []string) {
	for _, d := range c.deaths {
		names = append(names, d.nameOf(d.Fault))
	}
	for _, f := range c.faults {
		names = append(names, f.Name)
	}
	return names
}

// A BrokenError names the faults whose promise did not hold.
type BrokenError struct {
	Names []string
	Of    int // faults that were done
}

// Error says how many promises were broken.
func (e BrokenError) Error() string {
	return fmt.Sprintf("%d of %d rows broke a promise", len(e.Names), e.Of)
}

// Pattern matches the names and no other.
func (e BrokenError) Pattern() string {
	var quoted []string
	for _, name := range e.Names {
		quoted = append(quoted, regexp.QuoteMeta(name))
	}
	return "^(" + strings.Join(quoted, "|") + ")$"
}

// Show does what was chosen and writes a row for each, with its notes and what was broken. The error is a [BrokenError] where a
// promise did not hold.
func Show(out io.Writer, cfg Config, chosen Choice) error {
	start, broken := time.Now(), BrokenError{Of: len(chosen.Names())}
	var errs []error
	for _, table := range []func() ([]string, error){
		func() ([]string, error) { return showDeaths(out, cfg, chosen.deaths) },
		func() ([]string, error) { return showFaults(out, cfg, chosen.faults) },
	} {
		names, err := table()
		broken.Names, errs = append(broken.Names, names...), append(errs, err)
	}
	fmt.Fprintf(out, "\nIt took %v.\n", time.Since(start).Round(time.Second))
	if len(broken.Names) > 0 {
		errs = append([]error{broken}, errs...)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Fprintf(out, "Every row stayed within its bounds.\n")
	return nil
}

// showFaults does faults and writes a row for each. It returns the names of those that were broken.
func showFaults(out io.Writer, cfg Config, faults []fault.Fault) (broken []string, err error) {
	if len(faults) == 0 {
		return nil, nil
	}
	fmt.Fprintf(out, "\nThree nodes with kube-apiserver and etcd; a client asks GET /readyz through the virtual address every 20 ms.\n"+
		"Times in seconds: median outage of %d, the worst of all else. The API is away for %v where its servers end, and for a third of that in other outages.\n\n", cfg.Runs, cfg.Outage)
	runner := &runner{cfg: cfg}
	report := fault.Report{Out: out, Columns: fault.ClusterColumns}
	report.Titles()
	for _, f := range faults {
		row := runner.run(f)
		report.Cells(row.ClusterCells()...)
		report.Lines(row.Notes...)
		report.Lines(row.Broken()...)
		if len(row.Broken()) > 0 {
			broken = append(broken, f.Name)
		}
	}
	return broken, runner.close()
}
