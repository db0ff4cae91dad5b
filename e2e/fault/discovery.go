// SPDX-License-Identifier: Apache-2.0

//go:build linux

package fault

import (
	"fmt"
	"time"
)

// discoveryTime is within what a new control-plane node has to get traffic,
// from when it is ready.
const discoveryTime = 5 * time.Second

// discoveryRow is a fourth control-plane node. No file of another changes.
func discoveryRow() Row {
	return Row{Name: "fourth control-plane node", kind: kind{discovery: true}, promise: served, do: func(s *stage) (sample, error) {
		return s.measure(s.grow)
	}}
}

func (s *stage) grow() error {
	n, err := s.AddNode()
	if err != nil {
		return err
	}
	if err := s.AwaitAPIServer(n); err != nil {
		return err
	}
	ready := time.Now()
	err = s.Control.Until(discoveryTime, n.Name+" answers a client of the virtual address", func() bool {
		return s.Client.Nodes(ready)[n.Name] > 0
	})
	if err != nil {
		s.expect(fmt.Errorf("%w; who answered: %v", err, s.Client.Nodes(ready)))
	} else {
		s.note("%s got traffic %s s after it was ready", n.Name, seconds(time.Since(ready)))
	}
	return n.APIServer.Kill()
}
