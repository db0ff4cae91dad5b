// SPDX-License-Identifier: Apache-2.0

//go:build linux

package trial

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/internal/lab"
	"github.com/harbinger-ha/harbinger/pkg/internal/lab/observe"
)

// harbinger is the program under test, built once.
var harbinger Harbinger

func TestMain(m *testing.M) {
	os.Exit(Main(func() int {
		flag.Parse()
		// The tests wait more than they work.
		if err := flag.Set("test.parallel", "10"); err != nil {
			panic(err)
		}
		dir, err := os.MkdirTemp("", "trial")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		if harbinger, err = Build(filepath.Join(dir, "harbinger")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}))
}

// must ends the test at an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// until waits for a condition, or ends the test.
func until(t *testing.T, timeout time.Duration, what string, condition func() bool) {
	t.Helper()
	must(t, lab.Until(timeout, what, condition))
}

// machine is shared by the planes of the tests. A test that needs it whole takes
// it alone.
var machine sync.RWMutex

// alone waits until no other test has a plane and the machine has time to
// spare: the other packages of a run are tested beside this one.
func alone(t *testing.T) {
	t.Helper()
	t.Parallel()
	machine.Lock()
	t.Cleanup(machine.Unlock)
	if err := lab.Until(2*time.Minute, "the machine has time to spare", func() bool { return idle(t) > 0.5 }); err != nil {
		t.Log(err)
	}
}

// idle returns the share of half a second in which the processors had nothing
// to do.
func idle(t *testing.T) float64 {
	t.Helper()
	read := func() (idle, total float64) {
		content, err := os.ReadFile("/proc/stat")
		must(t, err)
		line, _, _ := strings.Cut(string(content), "\n")
		for i, field := range strings.Fields(line)[1:] {
			ticks, err := strconv.ParseFloat(field, 64)
			must(t, err)
			if total += ticks; i == 3 {
				idle = ticks
			}
		}
		return idle, total
	}
	idle, total := read()
	watch(500 * time.Millisecond)
	idleAfter, totalAfter := read()
	return (idleAfter - idle) / (totalAfter - total)
}

// newPlane returns a control plane that ends with the test, and shows what its
// sidecars wrote if the test failed. No sidecar runs yet.
func newPlane(t *testing.T, cfg Config) *Plane {
	t.Helper()
	machine.RLock()
	t.Cleanup(machine.RUnlock)
	return makePlane(t, cfg)
}

func makePlane(t *testing.T, cfg Config) *Plane {
	t.Helper()
	// Several labs share the machine.
	cfg.Client = observe.ClientConfig{Interval: 20 * time.Millisecond, Timeout: 250 * time.Millisecond}
	p, err := New(cfg)
	must(t, err)
	t.Cleanup(func() {
		for _, n := range p.Nodes {
			if t.Failed() && n.Sidecar != nil {
				t.Logf("%s of %s:\n%s", p.System.Name(), n.Name, n.Sidecar.Keeper.Output())
			}
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// startPlane returns a control plane whose sidecars run and have settled.
func startPlane(t *testing.T, cfg Config) *Plane {
	t.Helper()
	p := newPlane(t, cfg)
	must(t, p.Start())
	return p
}

// do does a fault to a plane, so many times, and logs what it did.
func do(t *testing.T, p *Plane, f Fault, runs int) Row {
	t.Helper()
	row := Row{Fault: f}
	for range runs {
		err := row.Do(p)
		r := row.Results[len(row.Results)-1]
		t.Logf("%s: %s → %s, outage %v (%d of %d failed: %v), at repair %v, held %v, answered %v, left %v",
			f.Name, r.Before, r.After, r.Outage.Longest, r.Outage.Failed, r.Outage.Attempts, r.Outage.LastError,
			r.RepairOutage.Longest, r.Held, r.Answered, r.Left)
		must(t, err)
	}
	return row
}

// holder returns the node that has the address alone.
func holder(t *testing.T, p *Plane, except ...string) *Node {
	t.Helper()
	n, err := p.Holder(except...)
	must(t, err)
	return n
}

// steady repeats a measurement that a stall of the shared machine can spoil, but
// nothing can make better than it is: it has to hold once in three times.
func steady(t *testing.T, measure func() error) {
	t.Helper()
	var err error
	for range 3 {
		if err = measure(); err == nil {
			return
		}
		t.Logf("measured: %v", err)
	}
	t.Error(err)
}

// watch lets a plane be watched for a time in which nothing should happen.
func watch(d time.Duration) { time.Sleep(d) }
