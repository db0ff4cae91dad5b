// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/preflight"
)

// warnOfRouting logs where the host routes the answers from a virtual address another way than those from its own. Nothing
// depends on it: what cannot be found out is left out.
func (s *sidecar) warnOfRouting() {
	var facts preflight.Facts
	var err error
	if facts.Links, err = address.Links(); err != nil {
		return
	}
	if facts.Routing, err = address.GetRouting(); err != nil {
		return
	}
	for _, w := range preflight.CheckRouting(s.cfg, facts) {
		if w.Status == preflight.Warn {
			logging.Warn(s.Log, logging.MsgRoutingDiffers, logging.KeyReason, w.String())
		}
	}
}
