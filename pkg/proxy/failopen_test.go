// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"math"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/health"
)

// untilDegraded waits until the balancer goes on without a healthy backend, or no longer does.
func (b *testBalancer) untilDegraded(t testing.TB, want bool) {
	t.Helper()
	until(t, "the balancer is degraded, or is not", func() bool { return b.now().Degraded() == want })
}

// wantNames makes connections, which all have to come to the backend of that name.
func (b *testBalancer) wantNames(t testing.TB, name string) {
	t.Helper()
	for range 4 {
		if got := greeting(t, dial(t, b.address)); got != name {
			t.Errorf("new connection went to %q, want %q", got, name)
		}
	}
}

// Where all backends are not ready, as in an outage of etcd, clients are served, and sessions stay. Where one is healthy, it alone
// gets connections; one that is dead gets none.
func TestBalancerFailsOpen(t *testing.T) {
	a, c, v, settings := twoGreeters(t)
	b := newBalancer(t, v, settings)
	b.untilStates(t, "Healthy", "Healthy")
	conn := dial(t, b.address)
	greeting(t, conn)
	v.set(a.address, errNotReady)
	v.set(c.address, errNotReady)
	b.untilDegraded(t, true)
	must(t, echoes(conn))
	names := map[string]bool{}
	for range 8 {
		names[greeting(t, dial(t, b.address))] = true
	}
	if len(names) != 2 {
		t.Errorf("connections came to %v, want both backends", names)
	}
	v.set(c.address, nil)
	b.untilDegraded(t, false)
	b.wantNames(t, "b")
	v.set(a.address, syscall.ECONNREFUSED)
	v.set(c.address, errNotReady)
	b.untilStates(t, "Down", "NotReady")
	b.wantNames(t, "b")
	v.set(c.address, syscall.ECONNREFUSED)
	b.untilStates(t, "Down", "Down")
	if b.now().Degraded() || !refused(b.address) {
		t.Error("dead backends get connections")
	}
}

// A backend that accepts connections and does not answer in time is used where none is better; one that does not accept any is not.
func TestBalancerFailsOpenToLateBackends(t *testing.T) {
	late, deaf := newGreeter(t, "a"), deafPort(t)
	settings := testSettings(balance.Backend{Address: late.address}, balance.Backend{Address: deaf})
	settings.HealthCheck.Timeout = 300 * time.Millisecond
	v := &verdicts{} // no check is ever answered
	b := newBalancer(t, v, settings)
	b.untilStates(t, "Down", "Down")
	b.untilDegraded(t, true)
	b.wantNames(t, "a")
	if accepts := b.now().Backends[1].Accepts; accepts {
		t.Error("a backend that accepts no connection is said to")
	}
}

// The sessions of a late backend are closed while another one is healthy. It gets new ones when that is no longer so.
func TestBalancerComesBackToALateBackend(t *testing.T) {
	late, other := newGreeter(t, "a"), newGreeter(t, "b")
	settings := testSettings(balance.Backend{Address: late.address}, balance.Backend{Address: other.address})
	settings.HealthCheck.Timeout = 300 * time.Millisecond
	v := &verdicts{}
	v.set(other.address, nil)
	b := newBalancer(t, v, settings)
	b.untilStates(t, "Down", "Healthy")
	b.wantNames(t, "b")
	v.set(other.address, syscall.ECONNREFUSED)
	b.untilDegraded(t, true)
	b.wantNames(t, "a")
}

// What accepts connections is found out in the time of the check: a dead backend is found no later.
func TestCheckFindsOutWhatAccepts(t *testing.T) {
	const timeout = 300 * time.Millisecond
	open, deaf, closed := newGreeter(t, "a").address, deafPort(t), closedPort(t)
	v := &verdicts{}
	check := func(a netip.AddrPort) result {
		p := &prober{address: a, checker: v.newChecker(balance.Backend{Address: a}, testSettings().HealthCheck)}
		return p.check(t.Context(), timeout, func() {})
	}
	for _, tc := range []struct {
		name    string
		address netip.AddrPort
		err     error // of the check; nil: it is not answered
		want    bool
	}{
		{"late", open, nil, true},
		{"late, and the host is silent", deaf, nil, false},
		{"late, and the process has gone", closed, nil, false},
		{"not ready", open, errNotReady, true},
		{"not asked, and the process has gone", closed, errNotReady, false},
		{"refused", open, syscall.ECONNREFUSED, false},
		{"reset", open, syscall.ECONNRESET, false},
		{"no route", open, syscall.EHOSTUNREACH, false},
	} {
		if v.forget(tc.address); tc.err != nil {
			v.set(tc.address, tc.err)
		}
		start := time.Now()
		if r := check(tc.address); r.err == nil || r.accepts != tc.want {
			t.Errorf("%s: %v, accepts %t, want %t", tc.name, r.err, r.accepts, tc.want)
		}
		if took := time.Since(start); took > 3*timeout {
			t.Errorf("%s: the check took %v", tc.name, took)
		}
	}
}

// A balancer that is short of file descriptors or local ports cannot ask, and keeps the verdict that it has.
func TestWhatCouldNotBeAskedChangesNothing(t *testing.T) {
	a := newGreeter(t, "a")
	v := &verdicts{}
	v.set(a.address, nil)
	b := newBalancer(t, v, testSettings(balance.Backend{Address: a.address}))
	b.untilStates(t, "Healthy")
	asked := v.asked(a.address)
	v.set(a.address, &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)})
	until(t, "it was asked for more often than any threshold", func() bool { return v.asked(a.address) > asked+5 })
	b.wantNames(t, "a")
	if got := b.now().Backends[0].State; got != health.Healthy {
		t.Errorf("it is %v", got)
	}
	v.set(a.address, syscall.ECONNREFUSED)
	b.untilStates(t, "Down")
}

// A backend whose host accepts no connection is doubted long before its check is over: new connections keep clear of it.
func TestSilentHostIsDoubtedEarly(t *testing.T) {
	greeter, deaf := newGreeter(t, "a"), deafPort(t)
	settings := testSettings(balance.Backend{Address: greeter.address}, balance.Backend{Address: deaf})
	settings.HealthCheck.FailureThreshold = math.MaxInt // no check decides
	settings.HealthCheck.Timeout = 5 * (askAfter + deafAfter)
	v := &verdicts{}
	v.set(greeter.address, nil)
	v.set(deaf, nil)
	b := newBalancer(t, v, settings)
	b.untilStates(t, "Healthy", "Healthy")
	v.forget(deaf)
	b.untilStates(t, "Healthy", "Suspect")
	b.wantNames(t, "a")
}

// A backend that is slow to answer is not doubted as long as its host accepts connections.
func TestBusyBackendIsNotDoubted(t *testing.T) {
	doubted := make(chan struct{}, 1)
	p := &prober{address: newGreeter(t, "a").address, checker: slowChecker(3 * (askAfter + deafAfter))}
	if r := p.check(t.Context(), patience, func() { doubted <- struct{}{} }); r.err != nil || len(doubted) != 0 {
		t.Errorf("result %+v, doubted %d times", r, len(doubted))
	}
}
