// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

// A backend that comes back gets its share of the sessions that were idle, and those that are not idle stay.
func TestIdleSessionsMoveToABackendThatComesBack(t *testing.T) {
	_, c, v, settings := twoGreeters(t)
	v.set(c.address, errNotReady)
	settings.Rebalance.PerSecond = 2
	b := newBalancer(t, v, settings)
	b.untilStates(t, "Healthy", "NotReady")
	const idle = 8
	var clients sync.WaitGroup
	opened := make(chan net.Conn, idle)
	busy := dial(t, b.address)
	greeting(t, busy)
	for range idle {
		conn := dial(t, b.address)
		greeting(t, conn)
		must(t, conn.SetDeadline(time.Time{}))
		clients.Go(func() {
			io.Copy(io.Discard, conn)
			if again, err := net.Dial("tcp", b.address.String()); err == nil { // as its client does
				opened <- again
			}
		})
	}
	defer func() {
		b.stop() // which ends the others
		clients.Wait()
		close(opened)
		for conn := range opened {
			conn.Close()
		}
	}()
	v.set(c.address, nil)
	labtest.Until(t, 3*patience, "the shares are even", func() bool {
		must(t, busy.SetDeadline(time.Now().Add(patience)))
		must(t, echoes(busy))
		both := b.now().Backends
		return both[0].Connections+both[1].Connections == idle+1 && both[1].Connections >= 3
	})
	until(t, "the figures have it", func() bool { return b.now().Backends[0].Sessions.Ended[session.Rebalanced] >= 3 })
	if n := b.now().Backends[1].Sessions.Ended[session.Rebalanced]; n > 0 {
		t.Errorf("%d sessions of the backend that has come back have ended", n)
	}
}

// The log says once how many sessions have moved; without a pool, or where nothing is to move, nothing does.
func TestMonitorRebalances(t *testing.T) {
	var log []string
	m := newMonitor(funcr.New(func(_, args string) { log = append(log, args) }, funcr.Options{}), newServer(t), (&verdicts{}).newChecker)
	defer m.close()
	m.probe = func(*prober, time.Duration) {}
	now := time.Unix(1_800_000_000, 0)
	if _, n := m.rebalance(now); n != 0 {
		t.Errorf("%d sessions without a backend", n)
	}
	settings := testSettings(balance.Backend{Address: newGreeter(t, "a").address})
	settings.SlowStart, settings.Rebalance.PerSecond = time.Minute, 3
	m.apply(now, settings)
	m.tick(now)
	m.checked(now, result{prober: m.backends[0].prober})
	m.route()
	if got := m.moves.Deadline(); !got.Equal(now.Add(time.Minute)) {
		t.Errorf("it looks at %v, want the end of the slow start", got)
	}
	m.moves.Ended(now, 7)
	for range 2 {
		if _, n := m.rebalance(now.Add(time.Minute)); n != 0 {
			t.Errorf("%d sessions of the only backend are to move", n)
		}
	}
	if all := strings.Join(log, "\n"); strings.Count(all, `"msg"="Sessions rebalanced" "ended"=7`) != 1 {
		t.Errorf("the log is\n%s", all)
	}
	m.order(now, balance.Orders{m.backends[0].Address: balance.Drain})
	if !m.moves.Deadline().IsZero() {
		t.Error("what goes is looked at")
	}
	m.order(now, nil)
	if m.moves.Deadline().IsZero() {
		t.Error("what was ordered back is not looked at")
	}
}
