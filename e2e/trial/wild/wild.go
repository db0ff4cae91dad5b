// SPDX-License-Identifier: Apache-2.0

// Package wild does to control planes what firewalls, network managers, a lack of time, cut networks and hosts that lie do to real
// hosts, and judges what came of it.
//
// It is one package because every row is a course on a plane of its own that shares how it is measured, judged and shown: the
// courses are a table, with a file for each kind.
package wild

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"runtime"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/lab/watch"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// Config says how rows are done.
type Config struct {
	System trial.Harbinger
	// Kubernetes is the directory of the programs of a cluster; not set, rows with a Lease are left out.
	Kubernetes string
	Runs       int           // of each change and move
	Watch      time.Duration // for how long a firewall is watched
	Parallel   int           // rows at the same time
	Long       bool          // the whole matrix
	Logs       string        // directory for what the sidecars of broken rows wrote; not set, their last lines are shown
}

// A course is how a fault is done, and what is looked at meanwhile. It adds samples to the row.
type course func(*run) error

// courses are those of the faults of real hosts.
var courses = map[fault.Act]course{
	fault.StartFiltered:    (*run).behindFirewall,
	fault.KillFiltered:     (*run).killBehindFirewall,
	fault.LoadFirewall:     (*run).loadFirewall,
	fault.ReplaceAddress:   changes(replaceAddress),
	fault.RenewAddress:     changes(renewAddress),
	fault.ChangeMAC:        changes(changeMAC),
	fault.RenameInterface:  changes(rename),
	fault.MoveToBridge:     changes(moveToBridge),
	fault.HandOverSessions: moves((*run).handOver),
	fault.StopSessions:     moves((*run).stop),
	fault.ThrottleBalancer: (*run).throttleBalancer,
	fault.FreezeBalancer:   (*run).freezeBalancer,
	fault.ForgeClaims:      (*run).forgeBesideLease,
	fault.ClosePort:        (*run).closePortOfHolder,
	fault.ClosePorts:       (*run).closePorts,
	fault.LoseBackends:     (*run).loseBackends,
	fault.IsolateHolder:    (*run).isolateHolder,
	fault.IsolateBackups:   (*run).isolateBackups,
	fault.PublishMany:      (*run).publishMany,
	fault.ReplaceLink:      changes(replaced),
	fault.MeddleRules:      (*run).meddle,
	fault.ReuseAddress:     (*run).reuse,
	fault.KillUnfenced:     (*run).killUnfenced,
	fault.LoseAQuarter:     (*run).loseFrames,
	fault.LoseTwoFifths:    (*run).loseFrames,
	fault.Saturate:         (*run).saturate,
	fault.StartAlone:       (*run).start,
	fault.StartTogether:    (*run).start,
	fault.SlowOthers:       (*run).slowOthers,
}

// A scenario is a fault in one of its variants.
type scenario struct {
	fault    fault.Fault
	hosts    int
	firewall firewall
	setting  setting
}

// name is that of its row.
func (s scenario) name() string {
	name := s.fault.Name
	if s.firewall.name != "" {
		name += fmt.Sprintf(", %s, %d hosts", s.firewall.name, s.hosts)
	}
	return name + s.setting.name
}

// A crowd is made of scenarios that are done at the same time.
type crowd int

const (
	quiet     crowd = iota // watched for long, and do little
	ordinary               // of stand-ins
	clustered              // of clusters, which take the time of many
	single                 // needs the machine for itself
)

func (s scenario) crowd() crowd {
	switch {
	case slices.Contains([]fault.Act{fault.ThrottleBalancer, fault.Saturate, fault.SlowOthers, fault.StartAlone, fault.StartTogether}, s.fault.Act):
		return single
	case s.setting.lease:
		return clustered
	case s.firewall.name != "" || s.setting.rule != "" || s.fault.Act == fault.LoseBackends ||
		s.fault.Act == fault.LoseAQuarter || s.fault.Act == fault.LoseTwoFifths:
		return quiet
	}
	return ordinary
}

// size returns how many of a crowd are done at the same time.
func (c crowd) size(cfg Config) int {
	switch c {
	case quiet:
		return 2 * cfg.Parallel
	case ordinary:
		return cfg.Parallel
	case clustered:
		return max(2, runtime.NumCPU()/2)
	case single:
	}
	return 1
}

// scenarios returns those of a configuration whose names match.
func scenarios(cfg Config, names *regexp.Regexp) []scenario {
	var all []scenario
	for _, f := range fault.OfRealHosts() {
		switch f.Act {
		case fault.StartFiltered:
			all = append(all, behindFirewalls(f, cfg.Long, 1, 2, 3)...)
		case fault.KillFiltered, fault.LoadFirewall:
			all = append(all, behindFirewalls(f, cfg.Long, 3)...)
		case fault.ForgeClaims:
			all = append(all, forgings(f, cfg.Long)...)
		case fault.ClosePort, fault.ClosePorts:
			all = append(all, closings(f, cfg.Long)...)
		case fault.IsolateHolder, fault.IsolateBackups:
			all = append(all, isolations(f, cfg.Long)...)
		case fault.LoseAQuarter, fault.LoseTwoFifths, fault.Saturate:
			all = append(all, strains(f)...)
		case fault.ReplaceLink, fault.MeddleRules, fault.ReuseAddress, fault.KillUnfenced:
			all = append(all, fences(f))
		case fault.StartAlone:
			all = append(all, scenario{fault: f, hosts: 1})
		case fault.StartTogether, fault.SlowOthers:
			all = append(all, scenario{fault: f, hosts: 3})
		case fault.PublishMany:
			all = append(all, scenario{fault: f, hosts: 3, setting: setting{name: ", Lease", lease: true, unicast: true}})
		default:
			all = append(all, scenario{fault: f, hosts: 3})
			if cfg.Long {
				all = append(all, scenario{fault: f, hosts: 3, setting: setting{name: ", shared port", shared: true}})
			}
		}
	}
	return slices.DeleteFunc(all, func(s scenario) bool {
		return s.setting.lease && cfg.Kubernetes == "" || !names.MatchString(s.name())
	})
}

// Names returns those of the rows that match.
func Names(cfg Config, names *regexp.Regexp) (all []string) {
	for _, s := range scenarios(cfg, names) {
		all = append(all, s.name())
	}
	return all
}

// A run is one scenario on a plane of its own.
type run struct {
	*trial.Plane
	scenario
	cfg Config
	row *fault.Row
}

// note keeps something that is worth to be read.
func (r *run) note(format string, args ...any) {
	r.row.Notes = append(r.row.Notes, fmt.Sprintf(format, args...))
}

// eachHolder does something once for each run to the node that holds the address then.
func (r *run) eachHolder(do func(*trial.Node) error) error {
	for range r.cfg.Runs {
		holder, err := r.Holder()
		if err != nil {
			return err
		}
		if err := do(holder); err != nil {
			return err
		}
	}
	return nil
}

// sample keeps what was measured, and shows an outage that is too long.
func (r *run) sample(s fault.Sample) {
	if s.Outage.Length() > r.row.Limits.Outage {
		r.note("outage %v", s.Outage)
	}
	r.row.Samples = append(r.row.Samples, s)
}

// observeFor lets a time pass in which the observers see what happens.
func observeFor(d time.Duration) { time.Sleep(d) }

// attempts is how often a row is done in which nothing was measured, as the machine stalled.
const attempts = 3

// do does a scenario on a plane of its own, and does it again where the machine stalled for most of the time.
func do(cfg Config, s scenario) fault.Row {
	for attempt := 1; ; attempt++ {
		if row, stalled := doOnce(cfg, s); !stalled || attempt == attempts {
			return row
		}
	}
}

func doOnce(cfg Config, s scenario) (row fault.Row, stalled bool) {
	f := s.fault
	f.Name = s.name()
	plane, err := trial.New(s.setting.of(trial.Config{
		System: cfg.System, Nodes: s.hosts,
		Client: watch.ClientConfig{Interval: 20 * time.Millisecond, Timeout: 250 * time.Millisecond},
	}, cfg.Kubernetes))
	if err != nil {
		return fault.Row{Fault: f, Failed: []string{err.Error()}}, false
	}
	row = plane.Row(f)
	r := &run{Plane: plane, scenario: s, cfg: cfg, row: &row}
	start := time.Now()
	row.Fail(courses[f.Act](r))
	checked := plane.Control.Check(start)
	row.Fail(checked)
	if stalled := plane.Control.Stalled(start, time.Now()); stalled > time.Second {
		r.note("the machine stalled for %.3f s, which the times leave out", stalled.Seconds())
	}
	if len(row.Broken()) > 0 {
		row.Fail(r.keepLogs())
	}
	row.Fail(plane.Close())
	return row, errors.Is(checked, watch.ErrStalled)
}

// keepLogs shows or keeps what the sidecars have written.
func (r *run) keepLogs() error {
	if r.cfg.Logs == "" {
		r.note("%s", r.LastOutput())
		return nil
	}
	return r.SaveOutput(r.cfg.Logs, r.row.Fault.Name)
}

// Show does the rows whose names match, and writes each. The error names those that were broken.
func Show(out io.Writer, cfg Config, names *regexp.Regexp) error {
	chosen := scenarios(cfg, names)
	if len(chosen) == 0 {
		return fmt.Errorf("no row matches %q", names)
	}
	fmt.Fprintf(out, "Hosts with stand-ins for API servers; a client connects to the virtual address every 20 ms.\n"+
		"Times in seconds: the worst of %d runs. Firewalls are watched for %v.\n\n", cfg.Runs, cfg.Watch)
	report := fault.Report{Out: out, Columns: slices.DeleteFunc(slices.Clone(fault.ClusterColumns), isEpoch)}
	report.Columns[0].Width = longestName(chosen)
	report.Titles()
	var broken []error
	for row := range doAll(cfg, chosen) {
		report.Cells(slices.Delete(row.ClusterCells(), epochColumn, epochColumn+1)...)
		report.Lines(row.Notes...)
		report.Lines(row.Broken()...)
		if len(row.Broken()) > 0 {
			broken = append(broken, errors.New(row.Fault.Name))
		}
	}
	if len(broken) > 0 {
		return fmt.Errorf("%d of %d rows broke a promise:\n%w", len(broken), len(chosen), errors.Join(broken...))
	}
	fmt.Fprintf(out, "\nEvery row stayed within its bounds.\n")
	return nil
}

// epochColumn is where the columns of a cluster have the epoch of the Lease, which stand-ins have not.
var epochColumn = slices.IndexFunc(fault.ClusterColumns, isEpoch)

func isEpoch(c fault.Column) bool { return c.Title == "epoch" }

func longestName(chosen []scenario) (longest int) {
	for _, s := range chosen {
		longest = max(longest, len(s.name()))
	}
	return longest
}

// doAll yields the rows: of the scenarios that are done at the same time, then of those of which fewer are.
func doAll(cfg Config, chosen []scenario) iter.Seq[fault.Row] {
	return func(yield func(fault.Row) bool) {
		for c := quiet; c <= single; c++ {
			group := slices.DeleteFunc(slices.Clone(chosen), func(s scenario) bool { return s.crowd() != c })
			for _, row := range inParallel(cfg, group, c.size(cfg)) {
				if !yield(<-row) {
					return
				}
			}
		}
	}
}

// inParallel does scenarios, so many at the same time, and returns where each row comes.
func inParallel(cfg Config, scenarios []scenario, parallel int) []chan fault.Row {
	rows := make([]chan fault.Row, len(scenarios))
	next := make(chan int)
	for i := range rows {
		rows[i] = make(chan fault.Row, 1) // so that no scenario waits for the reader
	}
	for range parallel {
		// Ends when every scenario was begun.
		go func() {
			for i := range next {
				rows[i] <- do(cfg, scenarios[i])
			}
		}()
	}
	// Ends when every scenario was begun.
	go func() {
		defer close(next)
		for i := range scenarios {
			next <- i
		}
	}()
	return rows
}
