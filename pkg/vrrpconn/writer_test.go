// SPDX-License-Identifier: Apache-2.0

package vrrpconn

import (
	"testing"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// TestSentCostsNoMemory: a holder sends many times a second.
func TestSentCostsNoMemory(t *testing.T) {
	hosts := labtest.Hosts(t, 2)
	for _, m := range []mode{modes[2], modes[4]} {
		t.Run(m.name, func(t *testing.T) {
			sender := listen(t, hosts[0], m.config(t, hosts[0]))
			must(t, sender.Send(m.advertisement(100)))
			to := sender.destinations[0]
			must(t, socket.Control(sender.raw, func(fd int) error {
				n := testing.AllocsPerRun(100, func() {
					must(t, sender.out.send(fd, sender.message, sender.source, to, sender.cfg.Interface.Index))
				})
				if n != 0 {
					t.Errorf("%g allocations for each packet", n)
				}
				return nil
			}))
		})
	}
}
