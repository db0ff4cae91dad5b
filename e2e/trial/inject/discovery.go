// SPDX-License-Identifier: Apache-2.0

package inject

import (
	"fmt"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/promise"
)

// grow adds a fourth control-plane node. No file of another changes.
func (r *run) grow() error {
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
