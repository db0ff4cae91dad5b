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
)

func TestRateIsOfTheLastSecondThatIsOver(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	r := rate{start: start}
	for _, tt := range []struct {
		at         time.Duration
		add        int
		last, peak int
	}{
		{0, 1, 0, 1},
		{999 * time.Millisecond, 2, 0, 3}, // the second runs still
		{time.Second, 0, 3, 3},
		{1500 * time.Millisecond, 2, 3, 3},
		{1400 * time.Millisecond, 1, 3, 3}, // late, and counted all the same
		{2 * time.Second, 5, 3, 5},
		{3 * time.Second, 0, 5, 5},
		{5 * time.Second, 0, 0, 5}, // nothing came for a whole second
		{time.Hour, 1, 0, 5},
	} {
		now := start.Add(tt.at)
		for range tt.add {
			r.add(now)
		}
		if last, peak := r.read(now); last != tt.last || peak != tt.peak {
			t.Errorf("after %v: %d in the last second, %d at most, want %d and %d", tt.at, last, peak, tt.last, tt.peak)
		}
	}
}

// A connection that is one too many is none, whoever else comes and goes.
func TestLevelKeepsItsPeak(t *testing.T) {
	var l level
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				if l.enter(5) {
					l.leave()
				}
			}
		})
	}
	all.Wait()
	if l.now() != 0 || l.peak() < 1 || l.peak() > 5 {
		t.Errorf("%d now, peak %d, want none, and at most the limit", l.now(), l.peak())
	}
	for range 7 {
		l.enter(0)
	}
	if l.leave(); l.now() != 6 || l.peak() != 7 {
		t.Errorf("%d now, peak %d, want 6 and 7", l.now(), l.peak())
	}
}

func TestRefusalsAreCountedByTheirReason(t *testing.T) {
	const connect = 200 * time.Millisecond
	full := newRoute(t, connect, closedPort(t), closedPort(t))
	full.perLimit = 1
	for _, server := range full.servers {
		server.active.enter(0)
	}
	pickedOut := newRoute(t, connect, closedPort(t)) // the pool knows the limit, and gives none
	pickedOut.pool = balance.New(balance.Config{ConnectionLimit: 1, Backends: []balance.Candidate{{Healthy: true}}})
	pickedOut.servers[0].active.enter(0)
	for name, tt := range map[string]struct {
		route *route
		gone  bool // the client is
		want  Refusal
	}{
		"no backend":             {newRoute(t, connect), false, NoBackend},
		"backends that refuse":   {newRoute(t, connect, closedPort(t), closedPort(t)), false, BackendFailed},
		"a backend that is deaf": {newRoute(t, connect, deafPort(t)), false, BackendFailed},
		"backends that are full": {full, false, ConnectionLimit},
		"a pool that is full":    {pickedOut, false, ConnectionLimit},
		"no client":              {newRoute(t, connect, closedPort(t)), true, ClientFailed},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDispatcher(logr.Discard())
			d.route.Store(tt.route)
			_, client := connected(t)
			if tt.gone {
				client.Close()
			}
			if !d.admit(client) {
				t.Fatal("not admitted")
			}
			d.serve(t.Context(), client)
			by, all := d.refused.read()
			if all != 1 || by[tt.want] != 1 || len(by) != len(Refusals()) || d.active.now() != 0 {
				t.Errorf("refused %v, %d in all, want one %s, and a count of each reason", by, all, tt.want)
			}
		})
	}
}

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
	m := newMonitor(logr.Discard(), (&verdicts{}).newChecker)
	m.probe = func(*prober, time.Duration) {}
	defer m.close()
	now := time.Unix(1_800_000_000, 0)
	m.apply(t.Context(), now, testSettings(balance.Backend{Address: p.address}))
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
