// SPDX-License-Identifier: Apache-2.0

package inject

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/promise"
)

// loadTime is for how long the load is counted.
const loadTime = 30 * time.Second

// countLoad counts what is asked of the API while nothing happens.
func (r *run) countLoad(fault.Fault) error {
	start := time.Now()
	before, failed := lab.UsageOf(r.holder.Sidecar.Keeper.PID())
	observeFor(loadTime)
	load, err := r.Load(start)
	if err != nil {
		return err
	}
	passed := time.Since(start).Seconds()
	after, err := lab.UsageOf(r.holder.Sidecar.Keeper.PID())
	if err := errors.Join(failed, err); err != nil {
		return err
	}
	r.note("the keeper of the holder takes %.2f %% of a processor", 100*(after.Busy-before.Busy).Seconds()/passed)
	writes, reads := float64(load.Writes)/passed, float64(load.Reads)/passed
	r.note("Lease writes %.2f/s (≤ %g), reads %.2f/s (≤ %g)", writes, promise.MostWrites, reads, float64(promise.MostReads))
	for _, request := range slices.Sorted(maps.Keys(load.Other)) {
		r.note("other requests: %s %.2f/s", request, float64(load.Other[request])/passed)
	}
	if writes > promise.MostWrites || writes < promise.LeastWrites {
		r.expect(fmt.Errorf("%.2f Lease writes a second, want %g to %g", writes, promise.LeastWrites, promise.MostWrites))
	}
	if reads > promise.MostReads {
		r.expect(fmt.Errorf("%.2f Lease reads a second, want at most %d", reads, promise.MostReads))
	}
	return nil
}

// listRights shows what the credentials of a sidecar allow, and expects no more than the election and the balancer need.
func (r *run) listRights(fault.Fault) error {
	own, excess, err := r.Rights(r.Nodes[0])
	if err != nil {
		return err
	}
	r.note("kubectl auth can-i --list, but for what every user may:\n%s", strings.Join(own, "\n"))
	if len(own) == 0 {
		r.expect(errors.New("kubectl lists no right of the credentials"))
	}
	for _, right := range excess {
		r.expect(fmt.Errorf("the credentials allow what no sidecar needs: %s", right))
	}
	return nil
}

// grow adds a fourth control-plane node. No file of another changes.
func (r *run) grow(fault.Fault) error {
	n, err := r.AddNode()
	if err != nil {
		return err
	}
	if err := r.AwaitAPIServer(n); err != nil {
		return err
	}
	ready := time.Now()
	err = r.Control.Until(promise.DiscoveryTime, n.Name+" answers a client of the virtual address", func() bool {
		return r.Client.Nodes(ready)[n.Name] > 0
	})
	if err != nil {
		r.expect(fmt.Errorf("%w; who answered: %v", err, r.Client.Nodes(ready)))
	} else {
		r.note("%s got traffic %.3f s after it was ready", n.Name, time.Since(ready).Seconds())
	}
	return n.APIServer.Kill()
}
