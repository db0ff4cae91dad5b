// SPDX-License-Identifier: Apache-2.0

//go:build linux

package fault

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// The load on the API that is promised for a whole cluster, in requests a
// second; less than the least means that nobody renews the Lease.
const (
	maxWrites   = 1.2
	maxReads    = 2
	leastWrites = 0.5
)

// loadTime is for how long the load is counted.
const loadTime = 30 * time.Second

// steadyRows are what goes on while nothing happens.
func steadyRows() []Row {
	return []Row{
		{Name: "load on the API", Once: true, promise: served, do: func(s *stage) (sample, error) { return s.measure(s.countLoad) }},
		{Name: "least privilege", Once: true, promise: served, do: func(s *stage) (sample, error) { return s.measure(s.listRights) }},
	}
}

func (s *stage) countLoad() error {
	start := time.Now()
	observeFor(loadTime)
	load, err := s.Load(start)
	if err != nil {
		return err
	}
	passed := time.Since(start).Seconds()
	writes, reads := float64(load.Writes)/passed, float64(load.Reads)/passed
	s.note("Lease writes %.2f/s (≤ %g), reads %.2f/s (≤ %g)", writes, maxWrites, reads, float64(maxReads))
	for _, request := range slices.Sorted(maps.Keys(load.Other)) {
		s.note("other requests: %s %.2f/s", request, float64(load.Other[request])/passed)
	}
	if writes > maxWrites || writes < leastWrites {
		s.expect(fmt.Errorf("%.2f Lease writes a second, want %g to %g", writes, leastWrites, maxWrites))
	}
	if reads > maxReads {
		s.expect(fmt.Errorf("%.2f Lease reads a second, want at most %d", reads, maxReads))
	}
	return nil
}

// listRights shows what the credentials of a sidecar allow, and expects no more
// than the election and the balancer need.
func (s *stage) listRights() error {
	list, err := s.RightsList(s.Nodes[0])
	if err != nil {
		return err
	}
	s.note("kubectl auth can-i --list, in %s:\n%s", "kube-system", list)
	excess, err := s.ExcessRights(s.Nodes[0])
	if err != nil {
		return err
	}
	for _, right := range excess {
		s.expect(fmt.Errorf("the credentials allow what nobody needs: %s", right))
	}
	return nil
}
