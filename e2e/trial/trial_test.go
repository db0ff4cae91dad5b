// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

// harbinger is the program under test, built once.
var harbinger Harbinger

func TestMain(m *testing.M) {
	os.Exit(Main(func() int {
		flag.Parse()
		acts[cutClients] = dropClients
		// The tests wait more than they work: these fill two processors.
		if err := flag.Set("test.parallel", "4"); err != nil {
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
var must = labtest.Must

// until waits for a condition, or ends the test.
func until(t *testing.T, p *Plane, timeout time.Duration, what string, condition func() bool) {
	t.Helper()
	must(t, p.Control.Until(timeout, what, condition))
}

// machine is shared by the planes of the tests. A test that floods it takes it alone.
var machine sync.RWMutex

// alone waits until no other test has a plane.
func alone(t *testing.T) {
	t.Helper()
	t.Parallel()
	machine.Lock()
	t.Cleanup(machine.Unlock)
}

// newPlane returns a control plane on a machine that has time for it. No sidecar runs yet.
func newPlane(t *testing.T, cfg Config) *Plane {
	t.Helper()
	machine.RLock()
	t.Cleanup(machine.RUnlock)
	p := makePlane(t, cfg)
	start := time.Now()
	t.Cleanup(func() {
		if err := p.Control.Check(start); err != nil {
			t.Error(err)
		}
	})
	return p
}

// makePlane returns a control plane that ends with the test, and shows what its sidecars wrote if the test failed.
func makePlane(t *testing.T, cfg Config) *Plane {
	t.Helper()
	// Several labs share the machine.
	cfg.Client.Interval = cmp.Or(cfg.Client.Interval, 20*time.Millisecond)
	cfg.Client.Timeout = cmp.Or(cfg.Client.Timeout, 250*time.Millisecond)
	p, err := New(cfg)
	must(t, err)
	t.Cleanup(func() {
		for _, n := range p.Nodes {
			if t.Failed() {
				t.Logf("%s of %s:\n%s", p.System.Name(), n.Name, n.Output())
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
func do(t *testing.T, p *Plane, f fault.Fault, runs int) fault.Row {
	t.Helper()
	row := p.Row(f)
	for range runs {
		err := p.Run(&row)
		s := row.Samples[len(row.Samples)-1]
		t.Logf("%s: %s → %s, outage %v, at repair %v, held %v, answered %v, left %v, the machine stalled for %v",
			f.Name, s.Before, s.After, s.Outage, s.Undoing, s.Live, s.Kernel, s.Left, s.Stalled)
		must(t, err)
	}
	return row
}

// holder returns the node that has the address alone.
func holder(t *testing.T, p *Plane) *Node {
	t.Helper()
	n, err := p.Holder()
	must(t, err)
	return n
}

// observeFor lets a plane be watched for a time in which nothing should happen.
func observeFor(d time.Duration) { time.Sleep(d) }
