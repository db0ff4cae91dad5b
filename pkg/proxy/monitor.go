// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"net/netip"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/fault"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// A monitor knows the health of all backends. One goroutine owns it.
type monitor struct {
	log        logr.Logger
	newChecker func(netip.AddrPort, health.Config) Checker
	probe      func(*prober, time.Duration) // starts a check whose outcome comes back to checked

	settings Settings
	backends []*monitored
	servers  servers
	leaving  map[*prober]bool // their check is still under way, and nobody waits for its outcome
	doubts   int              // the number of the last doubt
}

// monitored is a backend with its health.
type monitored struct {
	balance.Backend
	server    *server
	prober    *prober
	check     *health.Check
	proved    bool      // a check has proved that it belongs to the cluster
	slowSince time.Time // when it came back after it had been out; zero when it never was
}

func newMonitor(log logr.Logger, newChecker func(netip.AddrPort, health.Config) Checker) *monitor {
	return &monitor{log: log, newChecker: newChecker, servers: servers{}, leaving: make(map[*prober]bool)}
}

// apply takes over new settings. A backend that stays keeps its health and its connections; the connections of one that
// goes last as long as they like.
func (m *monitor) apply(ctx context.Context, now time.Time, settings Settings) {
	before := m.backends
	rechecked := settings.HealthCheck != m.settings.HealthCheck
	m.settings, m.backends = settings, nil
	for _, backend := range settings.Backends {
		b := find(before, func(b *monitored) bool { return b.Address == backend.Address })
		switch {
		case b == nil:
			b = &monitored{server: m.server(ctx, backend.Address), check: health.New(settings.HealthCheck, now)}
			b.prober = &prober{address: backend.Address, checker: m.newChecker(backend.Address, settings.HealthCheck)}
		case rechecked:
			m.retire(b.prober)
			b.prober = &prober{address: backend.Address, checker: m.newChecker(backend.Address, settings.HealthCheck)}
			b.check.Reconfigure(settings.HealthCheck, now)
		}
		b.Backend = backend
		m.backends = append(m.backends, b)
	}
	for _, b := range before {
		if find(m.backends, func(kept *monitored) bool { return kept == b }) == nil {
			m.retire(b.prober)
		}
	}
}

// server returns the server of an address.
func (m *monitor) server(ctx context.Context, address netip.AddrPort) *server {
	if m.servers[address] == nil {
		m.servers[address] = newServer(ctx, address)
	}
	return m.servers[address]
}

// retire closes the checker of a prober, at once or when its check has ended.
func (m *monitor) retire(p *prober) {
	if p.busy {
		m.leaving[p] = true
		return
	}
	m.closeChecker(p)
}

func (m *monitor) closeChecker(p *prober) {
	if err := p.checker.Close(); err != nil {
		m.log.Error(err, logging.MsgCheckerNotClosed)
	}
}

// close closes all checkers. No check may be under way any more.
func (m *monitor) close() {
	for _, b := range m.backends {
		m.closeChecker(b.prober)
	}
	for p := range m.leaving {
		m.closeChecker(p)
	}
}

// find returns the first backend that matches, or nil.
func find(backends []*monitored, matches func(*monitored) bool) *monitored {
	for _, b := range backends {
		if matches(b) {
			return b
		}
	}
	return nil
}

// deadline returns when tick has something to do; zero means never.
func (m *monitor) deadline() time.Time {
	var earliest time.Time
	for _, b := range m.backends {
		if d := b.check.Deadline(); !d.IsZero() && (earliest.IsZero() || d.Before(earliest)) {
			earliest = d
		}
	}
	return earliest
}

// tick starts the checks that are due.
func (m *monitor) tick(now time.Time) {
	for _, b := range m.backends {
		m.step(now, b, health.Tick{})
	}
}

// checked takes the outcome of a check and reports whether a state changed.
func (m *monitor) checked(now time.Time, r result) bool {
	if r.silent {
		b := find(m.backends, func(b *monitored) bool { return b.prober == r.prober })
		return b != nil && m.step(now, b, health.Doubted{Reason: noAnswer("a connection", deafAfter)})
	}
	r.prober.busy = false
	if m.leaving[r.prober] {
		delete(m.leaving, r.prober)
		m.closeChecker(r.prober)
		return false
	}
	b := find(m.backends, func(b *monitored) bool { return b.prober == r.prober })
	switch {
	case r.err == nil:
		proves := r.proved && !b.proved
		b.proved = b.proved || r.proved
		return m.step(now, b, health.Passed{Took: r.took}) || proves
	case r.missed:
		return m.step(now, b, health.Missed{})
	}
	accepted := b.check.Accepts()
	changed := m.step(now, b, health.Failed{Unreachable: unreachable(r.err), Accepts: r.accepts, Reason: fault.Brief(r.err), Took: r.took})
	return changed || b.check.Accepts() != accepted
}

// shown takes what a connection of a client showed and reports whether a state changed.
func (m *monitor) shown(now time.Time, s sign) bool {
	b := find(m.backends, func(b *monitored) bool { return b.server == s.server })
	return b != nil && m.step(now, b, s.event)
}

// doubt takes a doubt of the keeper, once.
func (m *monitor) doubt(now time.Time, d doubt) {
	if d.Number == m.doubts {
		return
	}
	m.doubts = d.Number
	for _, b := range m.backends {
		if b.Address.Addr() == d.Host {
			m.step(now, b, health.Doubted{Reason: d.Reason})
		}
	}
}

// step performs what the health of one backend asks for and reports whether its state changed.
func (m *monitor) step(now time.Time, b *monitored, ev health.Event) (changed bool) {
	for _, action := range b.check.Step(now, ev) {
		switch action := action.(type) {
		case health.Probe:
			b.prober.busy = true
			m.probe(b.prober, m.settings.HealthCheck.Timeout)
		case health.Transition:
			changed = true
			m.transition(now, b, action)
		}
	}
	return changed
}

func (m *monitor) transition(now time.Time, b *monitored, t health.Transition) {
	log := m.log.WithValues(logging.KeyBackend, b.Address.String(), logging.KeyFrom, t.From.String(), logging.KeyTo, t.To.String(), logging.KeyReason, t.Reason)
	if t.To == health.Down || t.To == health.NotReady {
		logging.Warn(log, logging.MsgBackendChanged)
	} else {
		log.Info(logging.MsgBackendChanged)
	}
	if t.To == health.Healthy && (t.From == health.NotReady || t.From == health.Down) {
		b.slowSince = now
	}
}

// openSessions allows connections to every backend that is not down, and to one that is the best there is.
func (m *monitor) openSessions(ctx context.Context) {
	for _, b := range m.backends {
		if b.check.State() != health.Down || b.check.Accepts() && !m.anyHealthy() {
			b.server.openSessions(ctx)
		}
	}
}

// closeSessions closes the connections of the backends that are down, but only while another one is healthy: without one
// they could not come back anywhere, and a backend that is just too slow may recover.
func (m *monitor) closeSessions() {
	if m.settings.OnBackendDown == balance.KeepSessions || !m.anyHealthy() {
		return
	}
	for _, b := range m.backends {
		if b.check.State() == health.Down {
			b.server.closeSessions()
		}
	}
}

func (m *monitor) anyHealthy() bool {
	return find(m.backends, func(b *monitored) bool { return b.check.State() == health.Healthy }) != nil
}

// route makes the route that the settings and the health of the backends ask for.
func (m *monitor) route() *route {
	r := &route{
		limit:    descriptorLimit(m.settings.Limits.Total),
		perLimit: m.settings.Limits.PerBackend,
		timeouts: m.settings.Timeouts,
	}
	cfg := balance.Config{Policy: m.settings.Policy, SlowStart: m.settings.SlowStart, ConnectionLimit: m.settings.Limits.PerBackend}
	for _, b := range m.backends {
		state := b.check.State()
		r.servers = append(r.servers, b.server)
		cfg.Backends = append(cfg.Backends, balance.Candidate{
			Backend:      b.Backend,
			Healthy:      state == health.Healthy,
			Undecided:    state == health.Unknown || state == health.Suspect,
			NotReady:     state == health.NotReady && b.check.Accepts(),
			Late:         state == health.Down && b.check.Accepts(),
			HealthySince: b.slowSince,
		})
	}
	r.pool = balance.New(cfg)
	return r
}

// status reports on every backend.
func (m *monitor) status(now time.Time) []BackendStatus {
	var all []BackendStatus
	for _, b := range m.backends {
		state := b.check.State()
		all = append(all, BackendStatus{
			Address: b.Address, Backup: b.Backup,
			State: state, Since: b.check.Since(), Reason: b.check.Reason(), Healthy: state == health.Healthy || state == health.Suspect,
			Accepts: b.check.Accepts(), Proved: b.proved,
			Connections: b.server.active.now(), Peak: b.server.active.peak(), Total: b.server.total.Load(), Failures: b.server.failures.Load(),
			Sent: b.server.sent.Load(), Received: b.server.received.Load(), Figures: b.check.Figures(now),
		})
	}
	return all
}
