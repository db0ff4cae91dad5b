// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// rateTimeout bounds one connection of a measured rate.
const rateTimeout = 2 * time.Second

// Rate returns how many connections per second a host can make, each with a request and its answer, so many of them in
// parallel for some time.
func Rate(h *lab.Host, target netip.AddrPort, parallel int, length time.Duration) float64 {
	c := &Client{cfg: ClientConfig{Target: target, Try: PlainHTTP}}
	start := time.Now()
	var served atomic.Int64
	var ended sync.WaitGroup
	for range parallel {
		ended.Go(func() {
			_ = h.Do(func() error {
				for time.Since(start) < length {
					if _, err := c.try(time.Now().Add(rateTimeout)); err == nil {
						served.Add(1)
					}
				}
				return nil
			})
		})
	}
	ended.Wait()
	return float64(served.Load()) / time.Since(start).Seconds()
}
