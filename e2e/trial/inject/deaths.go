// SPDX-License-Identifier: Apache-2.0

package inject

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/lab/watch"
	"github.com/harbinger-ha/harbinger/e2e/promise"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// Interval is the default one between advertisements.
const Interval = 200 * time.Millisecond

// A tuning is a configuration in which the deaths of a holder are measured.
type tuning struct {
	name     string
	interval time.Duration
	lease    bool          // a Lease arbitrates: mode Hybrid, else VRRP
	goal     time.Duration // the longest outage that is wanted of a death without a plan
	deaths   []fault.Fault
}

// plannedGoal is the longest outage that is wanted of a planned stop, whatever the configuration.
const plannedGoal = 50 * time.Millisecond

// withoutPlan are the deaths that are done where the interval alone differs.
var withoutPlan = []fault.Fault{fault.Kill, fault.Freeze, fault.WholeCut}

// tunings returns those whose intervals follow one another, so that keepalived is measured once for each.
func tunings() []tuning {
	all := fault.OfDeaths()
	onWire := slices.DeleteFunc(slices.Clone(all), func(f fault.Fault) bool { return f.Act == fault.SilentCut.Act }) // without a Lease it is a silent cut
	return []tuning{
		{"defaults", Interval, true, time.Second, all},
		{"20 ms, VRRP", 20 * time.Millisecond, false, 80 * time.Millisecond, onWire},
		{"20 ms, Hybrid", 20 * time.Millisecond, true, 120 * time.Millisecond, all},
		{"10 ms, VRRP", 10 * time.Millisecond, false, 50 * time.Millisecond, withoutPlan},
	}
}

// ofPeer are the deaths that keepalived is done to as well. The others are the same to it as one of these.
var ofPeer = []fault.Fault{fault.PlannedStop, fault.Kill, fault.Freeze, fault.CableCut, fault.WholeCut}

// system returns the program of a tuning.
func (t tuning) system(ours trial.Harbinger) trial.Harbinger {
	if !t.lease {
		ours.Flags = append(slices.Clone(ours.Flags), "--election-mode", "vrrp")
	}
	return ours
}

// goalOf returns the longest outage that is wanted of a death.
func (t tuning) goalOf(f fault.Fault) time.Duration {
	if f.Act == fault.PlannedStop.Act {
		return plannedGoal
	}
	return t.goal
}

// nameOf returns the name of a row.
func (t tuning) nameOf(f fault.Fault) string { return f.Name + ", " + t.name }

// A death is one row: a way to end, in one tuning.
type death struct {
	tuning
	fault.Fault
}

// chosenDeaths returns those whose names match.
func chosenDeaths(names *regexp.Regexp) (chosen []death) {
	for _, t := range tunings() {
		for _, f := range t.deaths {
			if names.MatchString(t.nameOf(f)) {
				chosen = append(chosen, death{t, f})
			}
		}
	}
	return chosen
}

// A subject is a system that dies, with the name under which it is known here.
type subject struct {
	name     string
	system   trial.System
	interval time.Duration
	lease    bool
}

// A stage is a plane on which subjects die, one after another.
type stage struct {
	cfg   Config
	plane *trial.Plane // nil before the first death, and after one that failed
	runs  string       // name of the subject that runs there
}

// sight is the time between two questions of the observer on the wire. Two hosts may both answer one of them, in the moment of a takeover.
const sight = 10 * time.Millisecond

// set makes a subject run. The cluster below it stays.
func (s *stage) set(who subject) (err error) {
	switch {
	case s.plane == nil:
		err = s.start(who)
	case s.runs != who.name:
		err = s.plane.Replace(who.system, who.interval)
	}
	s.runs = who.name
	return err
}

// start runs a cluster, and a subject on it.
func (s *stage) start(who subject) (err error) {
	// A client that asks more often than an advertisement is sent sees for how long a takeover lasts. That an API server refuses plain
	// HTTP proves that it is reached, at a tenth of the cost of HTTPS.
	client := watch.ClientConfig{Interval: 5 * time.Millisecond, Timeout: 500 * time.Millisecond, Try: watch.PlainHTTP}
	s.plane, err = trial.New(trial.Config{
		System: who.system, Interval: who.interval, Port: trial.APIServerPort, Kubernetes: s.cfg.Kubernetes, Backplane: true, Client: client,
	})
	if err != nil {
		return err
	}
	return errors.Join(s.plane.StartCluster(), s.plane.Each(s.cfg.System.Allow), s.plane.Start())
}

func (s *stage) close() error {
	if s.plane == nil {
		return nil
	}
	plane := s.plane
	s.plane, s.runs = nil, ""
	return plane.Close()
}

// measure has a subject die as often as it is asked to.
func (s *stage) measure(f fault.Fault, who subject) fault.Row {
	row := fault.Row{Fault: f, System: who.name, Median: true}
	for range s.cfg.Runs {
		if err := s.once(&row, who); err != nil {
			row.Fail(err)
			row.Fail(s.close()) // what the death has left behind is unknown
			break
		}
	}
	return row
}

func (s *stage) once(row *fault.Row, who subject) error {
	if err := s.set(who); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	environment := promise.Lab
	if !who.lease {
		environment = promise.StandIns // as no Lease arbitrates there
	}
	row.Limits = row.Fault.Promise.In(environment, promise.At(who.interval))
	row.Limits.Live, row.Limits.Kernel = sight, sight
	if row.Fault.Promise.Class == promise.HostLost {
		// The leader of etcd may die with the host: then the wire decides between two Backups first, and the Lease after it.
		row.Limits.Moves = max(row.Limits.Moves, 2)
	}
	r := &run{Plane: s.plane, cfg: s.cfg, row: row}
	if err := errors.Join(r.AwaitCluster(), r.Settle()); err != nil {
		return fmt.Errorf("before: %w", err)
	}
	if who.lease {
		r.expect(r.awaitArbiter(byLease, arbiterTime))
	}
	sample, err := s.plane.Measure(row.Fault)
	if err != nil {
		return err
	}
	row.Samples = append(row.Samples, sample)
	if row.Fault.Needs.Backplane {
		s.runs = "" // its hosts may hold off from the Lease for a while
	}
	return nil
}

// showDeaths does deaths and writes a row for each, keepalived beside it. It returns the names of those that were broken.
func showDeaths(out io.Writer, cfg Config, chosen []death) ([]string, error) {
	if len(chosen) == 0 {
		return nil, nil
	}
	fmt.Fprintf(out, "Deaths of the holder: three nodes with kube-apiserver and etcd; a client connects to the virtual address every 5 ms.\n"+
		"Times in seconds: shortest, median and longest outage of %d, the worst of all else. A goal is what is wanted of the longest. Served after: from\n"+
		"when the next holder decided to the first connection that it served, median and longest (wanted 0.020); the client sees no less than 0.005.\n\n", cfg.Runs)
	s := &stage{cfg: cfg}
	report := fault.Report{Out: out, Columns: fault.DeathColumns}
	report.Titles()
	var broken []string
	var peers map[fault.Act]fault.Row
	for i, d := range chosen {
		if i == 0 || d.interval != chosen[i-1].interval {
			peers = s.peers(chosen, d.interval)
		}
		row := s.ours(d)
		peer, beside := peers[d.Act]
		if !beside {
			peer.System = ""
		}
		report.Cells(row.DeathCells(d.tuning.name, d.goalOf(d.Fault), peer)...)
		report.Lines(row.Notes...)
		report.Lines(row.Broken()...)
		report.Lines(peer.Failed...)
		if len(row.Broken()) > 0 {
			broken = append(broken, d.nameOf(d.Fault))
		}
		if len(row.Broken()) > 0 || row.Within(d.goalOf(d.Fault)) < len(row.Samples) {
			report.Lines(s.keepLogs(d))
		}
	}
	return broken, s.close()
}

// keepLogs keeps what the sidecars have written, where it is wanted, and returns what went wrong.
func (s *stage) keepLogs(d death) string {
	if s.cfg.Logs == "" || s.plane == nil {
		return ""
	}
	if err := s.plane.SaveOutput(s.cfg.Logs, d.nameOf(d.Fault)); err != nil {
		return err.Error()
	}
	return ""
}

// peers has keepalived die at an interval, where any of the chosen deaths has it.
func (s *stage) peers(chosen []death, interval time.Duration) map[fault.Act]fault.Row {
	rows := map[fault.Act]fault.Row{}
	if err := (trial.Keepalived{}).Installed(); err != nil {
		return rows
	}
	for _, f := range ofPeer {
		if !slices.ContainsFunc(chosen, func(d death) bool { return d.interval == interval && d.Act == f.Act }) {
			continue
		}
		f.Linger, f.Keeps = 0, true // that it leaves the address behind is known
		rows[f.Act] = s.measure(f, subject{"keepalived " + interval.String(), trial.Keepalived{}, interval, false})
	}
	return rows
}

// ours has Harbinger die. What is left behind is watched for at the defaults alone.
func (s *stage) ours(d death) fault.Row {
	f := d.Fault
	if d.interval != Interval {
		f.Linger, f.Keeps = 0, true
	}
	row := s.measure(f, subject{"harbinger " + d.tuning.name, d.system(s.cfg.System), d.interval, d.lease})
	if back := row.Undoing(); back > row.Limits.Outage {
		row.Fail(fmt.Errorf("outage %v when it came back, bound %v", back, row.Limits.Outage))
	}
	return row
}
