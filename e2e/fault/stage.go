// SPDX-License-Identifier: Apache-2.0

//go:build linux

package fault

import (
	"errors"
	"fmt"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/watch"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// Config says how rows are run.
type Config struct {
	System     trial.Harbinger
	Kubernetes string        // directory of the programs of a cluster
	Runs       int           // of each row that is not run once
	Outage     time.Duration // how long the API is away
}

// A kind is what a row needs of its plane. Rows of one kind share one.
type kind struct {
	bare      bool // nothing runs: the row starts it
	backplane bool // etcd has a network of its own
	unicast   bool // adverts are unicast
	discovery bool // backends are discovered
}

// spent reports whether a run leaves a plane that no other can use: one that
// runs, that has grown, or whose nodes wait a minute or two until they seize a
// Lease again.
func (k kind) spent() bool { return k.bare || k.discovery || k.backplane }

// A Theatre runs rows, on as few planes as it can.
type Theatre struct {
	cfg   Config
	plane *trial.Plane // nil before the first row, and after one that failed
	kind  kind
}

// NewTheatre returns a theatre without a plane.
func NewTheatre(cfg Config) *Theatre { return &Theatre{cfg: cfg} }

// Close ends its plane.
func (t *Theatre) Close() error {
	if t.plane == nil {
		return nil
	}
	plane := t.plane
	t.plane = nil
	return plane.Close()
}

// Run runs a row as often as it is asked to.
func (t *Theatre) Run(row Row) Result {
	result := Result{Row: row}
	runs := t.cfg.Runs
	if row.Once {
		runs = 1
	}
	for range runs {
		if err := t.runOnce(row, &result); err != nil {
			result.broken = append(result.broken, err.Error())
			// What the row has left behind is unknown.
			if err := t.Close(); err != nil {
				result.broken = append(result.broken, err.Error())
			}
			break
		}
	}
	return result
}

func (t *Theatre) runOnce(row Row, result *Result) error {
	if err := t.prepare(row.kind); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	s := &stage{Plane: t.plane, cfg: t.cfg}
	var before int32
	if !row.kind.bare {
		if err := s.calm(); err != nil {
			return fmt.Errorf("before: %w", err)
		}
		before = s.epoch()
	}
	sample, err := row.do(s)
	result.notes = append(result.notes, s.notes...)
	result.broken = append(result.broken, s.broken...)
	if err != nil {
		return err
	}
	sample.before, sample.after = before, s.epoch()
	result.samples = append(result.samples, sample)
	return nil
}

// prepare makes sure of a plane of that kind.
func (t *Theatre) prepare(k kind) error {
	if t.plane != nil && t.kind == k && !k.spent() {
		return nil
	}
	if err := t.Close(); err != nil {
		return err
	}
	plane, err := t.newPlane(k)
	if err != nil {
		return err
	}
	t.plane, t.kind = plane, k
	if k.bare {
		return nil
	}
	if err := errors.Join(t.start(plane), plane.Start()); err != nil {
		return errors.Join(err, t.Close())
	}
	return nil
}

func (t *Theatre) newPlane(k kind) (*trial.Plane, error) {
	system := t.cfg.System
	if k.unicast {
		system.Flags = peerFlags()
	}
	return trial.New(trial.Config{
		System:     system,
		Port:       trial.APIServerPort,
		Kubernetes: t.cfg.Kubernetes,
		Backplane:  k.backplane,
		Client:     watch.ClientConfig{Interval: 20 * time.Millisecond, Timeout: 500 * time.Millisecond},
	})
}

// peerFlags name the nodes to the generator.
func peerFlags() (flags []string) {
	for i := range 3 {
		flags = append(flags, "--peer", fmt.Sprintf("192.168.238.%d", lab.FirstNode+i))
	}
	return flags
}

// start runs the cluster of a plane, with credentials for the sidecars.
func (t *Theatre) start(p *trial.Plane) error {
	if err := p.StartCluster(); err != nil {
		return err
	}
	for _, n := range p.Nodes {
		if err := t.cfg.System.Allow(n); err != nil {
			return err
		}
	}
	return nil
}

// A stage is a plane on which one run of a row is done.
type stage struct {
	*trial.Plane
	cfg    Config
	notes  []string
	broken []string
}

// note keeps something that is worth to be read.
func (s *stage) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// expect keeps what did not come true. The run goes on.
func (s *stage) expect(err error) {
	if err != nil {
		s.broken = append(s.broken, err.Error())
	}
}

// await waits for a condition that is not cheap to look at.
func (s *stage) await(timeout time.Duration, what string, condition func() bool) error {
	return s.Control.Until(timeout, what, func() bool {
		if condition() {
			return true
		}
		time.Sleep(50 * time.Millisecond)
		return false
	})
}

// observeFor lets a time pass in which the observers see what happens.
func observeFor(d time.Duration) { time.Sleep(d) }
