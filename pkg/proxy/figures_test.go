// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"io"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

// What the balancer has counted outlasts a backend that goes, and one that comes back has its figures still.
func TestFiguresOutlastAChangeOfSettings(t *testing.T) {
	a, b, v, both := twoGreeters(t)
	one := both
	one.Backends = both.Backends[:1]
	balancer := newBalancer(t, v, both)
	balancer.untilStates(t, "Healthy", "Healthy")
	conns := map[string]io.ReadWriter{}
	for range 2 {
		conn := dial(t, balancer.address)
		conns[greeting(t, conn)] = conn
	}
	say := func(name string, size int) {
		t.Helper()
		_, err := conns[name].Write(make([]byte, size))
		must(t, err)
		_, err = io.ReadFull(conns[name], make([]byte, size))
		must(t, err)
	}
	figures := func(what string, sent, received uint64, backends map[netip.AddrPort]uint64) {
		t.Helper()
		until(t, what, func() bool {
			s := balancer.now()
			good := s.Sent == sent && s.Received == received && s.Accepted == 2 && s.Peak == 2 && s.Active == 2 && s.PeakRate >= 1 && len(s.Backends) == len(backends)
			for _, x := range s.Backends {
				of := backends[x.Address]
				good = good && x.Sent == of && x.Received == of+1 && x.Peak == 1 && x.Checks.Count > 0
			}
			return good
		})
	}
	say("a", 1000)
	say("b", 300)
	figures("bytes are counted", 1302, 1300, map[netip.AddrPort]uint64{a.address: 1000, b.address: 300})
	balancer.command(t, command{Settings: one})
	balancer.untilStates(t, "Healthy")
	say("b", 50)
	figures("the session of a backend that is gone counts", 1352, 1350, map[netip.AddrPort]uint64{a.address: 1000})
	balancer.command(t, command{Settings: both})
	balancer.untilStates(t, "Healthy", "Healthy")
	figures("the backend is back", 1352, 1350, map[netip.AddrPort]uint64{a.address: 1000, b.address: 350})
	must(t, conns["b"].(io.Closer).Close())
	until(t, "the end of a session is counted", func() bool {
		all := balancer.now().Sessions()
		return all[a.address.String()].Ended[session.Finished] == 0 && all[b.address.String()].Ended[session.Finished] == 1 && len(all) == 2
	})
}

// Nobody is connected to a process that is gone, and what it has counted is not lost before the next one counts.
func TestFiguresOfAProcessThatIsGone(t *testing.T) {
	a := newGreeter(t, "a")
	var mu sync.Mutex
	var lost []Status
	s := newSupervisor(t, testSettings(balance.Backend{Address: a.address}), func(status Status) {
		mu.Lock()
		defer mu.Unlock()
		if status.PID == 0 {
			lost = append(lost, status)
		}
	})
	pid := s.untilHealthy(t, 0)
	greeting(t, dial(t, s.address))
	until(t, "the connection is counted", func() bool { return s.Status().Active == 1 && s.Status().Sent == 1 })
	before := s.Status()
	must(t, syscall.Kill(pid, syscall.SIGKILL))
	s.untilHealthy(t, pid)
	mu.Lock()
	defer mu.Unlock()
	if len(lost) != 1 || lost[0].Active != 0 || lost[0].Backends[0].Connections != 0 || lost[0].Accepted != 1 || lost[0].Sent != 1 || lost[0].Backends[0].Total != 1 {
		t.Errorf("statuses without a process %+v, want one without connections", lost)
	}
	if before.Backends[0].Connections != 1 {
		t.Errorf("an older status has changed: %+v", before)
	}
}

// A check that is late enough to look at shows in its backend's figures, as the check itself measures it.
func TestCheckIsMeasured(t *testing.T) {
	const took = 30 * time.Millisecond
	p := &prober{address: closedPort(t), checker: slowChecker(took)}
	if r := p.check(t.Context(), patience, func() {}); r.err != nil || r.took < took || r.took > patience {
		t.Errorf("result %+v of a check that takes %v", r, took)
	}
	m := newMonitor(logr.Discard(), newServer(t), (&verdicts{}).newChecker)
	m.probe = func(*prober, time.Duration) {}
	defer m.close()
	now := time.Unix(1_800_000_000, 0)
	m.apply(now, testSettings(balance.Backend{Address: p.address}))
	if s := m.status(now)[0]; !s.Checked.IsZero() || s.Checks.Count != 0 {
		t.Errorf("figures %+v of a check that was not made", s.Figures)
	}
	m.tick(now)
	m.checked(now, result{prober: m.backends[0].prober, took: took})
	if s := m.status(now)[0]; !s.Checked.Equal(now) || s.Took != took || s.Checks.Count != 1 || s.State != health.Healthy {
		t.Errorf("%s with figures %+v, want a check that took %v", s.State, s.Figures, took)
	}
}

// A slowChecker finds a backend ready after a time.
type slowChecker time.Duration

func (c slowChecker) Check(ctx context.Context) error {
	select {
	case <-time.After(time.Duration(c)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (slowChecker) Close() error { return nil }
