// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"time"

	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/relay"
)

// rebalance returns of which server how many sessions are to end; none is no server.
func (m *monitor) rebalance(now time.Time) (server *relay.Server, count int) {
	if m.pool == nil {
		return nil, 0
	}
	i, count := m.moves.Step(now, m.pool, func(i int) int { return m.backends[i].server.Figures().Active }, m.settings.Rebalance.PerSecond)
	if ended := m.moves.Over(); ended > 0 {
		m.log.Info(logging.MsgRebalanced, logging.KeyEnded, ended)
	}
	if count == 0 {
		return nil, 0
	}
	return m.backends[i].server, count
}
