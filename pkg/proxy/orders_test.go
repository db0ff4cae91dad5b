// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

// ordered has a supervisor order a backend out or back.
func ordered(t testing.TB, s *testSupervisor, backend netip.AddrPort, to balance.AdminState) {
	t.Helper()
	if _, err := s.Order(t.Context(), backend, to, false); err != nil {
		t.Fatal(err)
	}
	for _, b := range s.Status().Backends {
		if b.Address == backend && b.Admin != to {
			t.Errorf("the balancer has %s in %s, want %s", backend, b.Admin, to)
		}
	}
}

// Drain keeps the sessions, maintenance closes them; neither takes a new connection, and a balancer that is started again knows.
func TestOrdersOfBackends(t *testing.T) {
	settings := greeters(t, "a", "b")
	a, b := settings.Backends[0].Address, settings.Backends[1].Address
	s := newSupervisor(t, settings, nil)
	pid := s.untilHealthy(t, 0)
	all := func() bool {
		return !slices.ContainsFunc(s.Status().Backends, func(b BackendStatus) bool { return !b.Healthy })
	}
	until(t, "both are healthy", all)
	conn := dial(t, s.address)
	name := greeting(t, conn)
	mine, other, its := a, "b", b
	if name == "b" {
		mine, other, its = b, "a", a
	}
	goesTo := func(when, want string) {
		t.Helper()
		for range 4 {
			if got := greeting(t, dial(t, s.address)); got != want {
				t.Errorf("%s, a new connection went to %q, want %q", when, got, want)
			}
		}
	}
	ordered(t, s, mine, balance.Drain)
	goesTo("drained", other)
	must(t, echoes(conn))
	if _, err := s.Order(t.Context(), its, balance.Maintenance, false); err == nil || !strings.Contains(err.Error(), mine.String()+" is in Drain") {
		t.Errorf("the last one: %v", err)
	}
	must(t, syscall.Kill(pid, syscall.SIGKILL))
	s.untilHealthy(t, pid)
	goesTo("after a crash", other)
	ordered(t, s, mine, balance.Ready)
	until(t, "both are healthy", all)
	for conn = dial(t, s.address); greeting(t, conn) != name; conn = dial(t, s.address) {
	}
	ordered(t, s, mine, balance.Maintenance)
	wantReset(t, conn)
	goesTo("in maintenance", other)
	ordered(t, s, mine, balance.Ready)
	until(t, "it takes connections again", func() bool { return greeting(t, dial(t, s.address)) == name })
}

// An order that takes out all that could serve is obeyed by force only; what is no backend has none.
func TestOrdersThatAreRefused(t *testing.T) {
	var log []string
	one, two, none := netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.2:1"), netip.MustParseAddrPort("192.0.2.3:1")
	settings := testSettings(balance.Backend{Address: one}, balance.Backend{Address: two, Backup: true})
	s := NewSupervisor(SupervisorConfig{Log: funcr.New(func(_, args string) { log = append(log, args) }, funcr.Options{}), Settings: settings})
	for _, tt := range []struct {
		state   health.State
		accepts bool
		want    string // part of the reason; empty: it may
	}{
		{health.Healthy, false, ""}, {health.Suspect, false, ""}, {health.NotReady, true, ""}, {health.NotReady, false, two.String() + " is NotReady"},
		{health.Down, true, ""}, {health.Down, false, "no other backend could take connections: " + two.String() + " is Down"},
	} {
		s.update(func(status *Status) {
			status.Backends = []BackendStatus{{Address: two, State: tt.state, Accepts: tt.accepts}}
		})
		_, err := s.Order(t.Context(), one, balance.Drain, false)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("the other is %s, accepts %t: %v, want %q", tt.state, tt.accepts, err, tt.want)
		}
		if _, err := s.Order(t.Context(), one, balance.Ready, false); err != nil {
			t.Errorf("back: %v", err)
		}
	}
	for _, force := range []bool{false, true} {
		if _, err := s.Order(t.Context(), none, balance.Drain, force); err == nil || !strings.Contains(err.Error(), "Its backends are: 192.0.2.1:1, 192.0.2.2:1") {
			t.Errorf("an unknown one: %v", err)
		}
	}
	if _, err := s.Order(t.Context(), one, "Holiday", false); err == nil || !strings.Contains(err.Error(), `"Holiday" is no state`) {
		t.Errorf("an unknown state: %v", err)
	}
	if from, err := s.Order(t.Context(), one, balance.Maintenance, true); err != nil || from != balance.Ready {
		t.Errorf("by force: from %s, %v", from, err)
	}
	if from, err := s.Order(t.Context(), one, balance.Drain, false); err != nil || from != balance.Maintenance {
		t.Errorf("one that is out already: from %s, %v", from, err)
	}
	s.Apply(testSettings(balance.Backend{Address: two}))
	s.Apply(settings)
	if got := s.wanted().Orders; len(got) != 0 {
		t.Errorf("of a backend that had gone it remembers %v", got)
	}
	last := log[len(log)-1]
	for _, part := range []string{`"backend"="192.0.2.1:1"`, `"from"="Drain"`, `"to"="Ready"`, `"reason"="it is no backend any more"`} {
		if !strings.Contains(last, part) {
			t.Errorf("the log says %s, which lacks %s", last, part)
		}
	}
	if all := strings.Join(log, "\n"); strings.Count(all, "--force: no other backend could take connections") != 1 {
		t.Errorf("the log does not say once what was forced:\n%s", all)
	}
}

// In maintenance nothing is checked, and nothing that was under way counts. Afterwards the first check decides, and the start is slow.
func TestMonitorInMaintenance(t *testing.T) {
	one, two := netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.2:1")
	m := newMonitor(logr.Discard(), newServer(t), (&verdicts{}).newChecker)
	defer m.close()
	var probed []netip.AddrPort
	m.probe = func(p *prober, _ time.Duration) { probed = append(probed, p.address) }
	now := time.Unix(1_800_000_000, 0)
	m.apply(now, testSettings(balance.Backend{Address: one}, balance.Backend{Address: two}))
	m.tick(now)
	first, second := m.backends[0], m.backends[1]
	m.checked(now, result{prober: first.prober})
	m.checked(now, result{prober: second.prober})
	now = now.Add(time.Second)
	m.tick(now)
	late := first.prober
	m.order(now, balance.Orders{one: balance.Maintenance})
	m.checked(now, result{prober: late, err: syscall.ECONNREFUSED})
	m.shown(now, sign{first.server, health.DialFailed{Reason: "reset"}})
	probed = nil
	m.checked(now, result{prober: second.prober})
	now = now.Add(time.Hour)
	m.tick(now)
	if s := m.status(now)[0]; s.State != health.Unknown || s.Reason != "in maintenance" || s.Admin != balance.Maintenance || s.Healthy {
		t.Errorf("in maintenance it is %+v", s)
	}
	if !slices.Equal(probed, []netip.AddrPort{two}) {
		t.Errorf("probes of %v, want one of %s", probed, two)
	}
	if lost := m.lost(); len(lost) != 1 || lost[0].server != first.server || lost[0].why != session.Maintenance {
		t.Errorf("closed are the sessions of %v", lost)
	}
	probed = nil
	m.order(now, nil)
	if !slices.Equal(probed, []netip.AddrPort{one}) || len(m.lost()) != 0 {
		t.Errorf("back, probes of %v; %d lose their sessions", probed, len(m.lost()))
	}
	now = now.Add(time.Minute)
	m.checked(now, result{prober: first.prober})
	if s := m.status(now)[0]; s.State != health.Healthy || s.Admin != balance.Ready || !first.slowSince.Equal(now) {
		t.Errorf("after the first check it is %+v, and starts slowly since %v", s, first.slowSince)
	}
}

// A backend that is drained is checked all along, but no other one's sessions are closed because it is healthy.
func TestMonitorOfADrainedBackend(t *testing.T) {
	one, two := netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.2:1")
	m := newMonitor(logr.Discard(), newServer(t), (&verdicts{}).newChecker)
	defer m.close()
	m.probe = func(*prober, time.Duration) {}
	now := time.Unix(1_800_000_000, 0)
	m.apply(now, testSettings(balance.Backend{Address: one}, balance.Backend{Address: two}))
	m.order(now, balance.Orders{one: balance.Drain})
	m.tick(now)
	m.checked(now, result{prober: m.backends[0].prober})
	m.checked(now, result{prober: m.backends[1].prober, err: syscall.ECONNREFUSED})
	all := m.status(now)
	if all[0].State != health.Healthy || all[1].State != health.Down || len(m.lost()) != 0 {
		t.Errorf("%+v, and %d lose their sessions", all, len(m.lost()))
	}
	status := Status{PID: 1, Backends: all}
	if status.Healthy() || status.Degraded() {
		t.Error("a backend that was ordered out counts as one that takes connections")
	}
	m.order(now, nil)
	status.Backends = m.status(now)
	if !status.Healthy() || len(m.lost()) != 1 || !m.backends[0].slowSince.Equal(now) {
		t.Errorf("back it is %+v, and %d lose their sessions", status.Backends[0], len(m.lost()))
	}
}
