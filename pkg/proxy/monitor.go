// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net/netip"
	"slices"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/fault"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/relay"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

// A monitor knows the health of all backends. One goroutine owns it.
type monitor struct {
	log        logr.Logger
	newChecker func(balance.Backend, health.Config) Checker
	newServer  func(netip.AddrPort) *relay.Server
	probe      func(*prober, time.Duration) // starts a check whose outcome comes back to checked

	settings Settings
	backends []*monitored
	servers  map[netip.AddrPort]*relay.Server // all that were ever backends
	leaving  map[*prober]bool                 // their check is still under way, and nobody waits for its outcome
	pool     *balance.Pool                    // of the newest route, whose backends are these
	moves    balance.Rebalancing
	doubts   int    // the number of the last doubt
	limit    int    // of connections, in force; 0: none was set yet
	lowered  string // why it is lower than what is configured; empty: it is not
}

// monitored is a backend with its health.
type monitored struct {
	balance.Backend
	admin     balance.AdminState
	server    *relay.Server
	prober    *prober
	check     *health.Check
	leaves    bool      // it is no backend any more, and stays until one that came with it is healthy
	proved    bool      // a check has proved that it belongs to the cluster
	returns   bool      // it was ordered back, and was not healthy since
	silences  int       // of the check under way: after the second one its host is deaf
	deaf      bool      // its host answers no SYN, as the last check has found, or the one under way
	slowSince time.Time // when it came back after it had been out; zero when it never was
}

func newMonitor(log logr.Logger, newServer func(netip.AddrPort) *relay.Server, newChecker func(balance.Backend, health.Config) Checker) *monitor {
	return &monitor{
		log: log, newServer: newServer, newChecker: newChecker, servers: map[netip.AddrPort]*relay.Server{}, leaving: map[*prober]bool{},
	}
}

// apply takes over new settings. A backend that stays keeps its health and its connections; the connections of one that
// goes last as long as they like. Where no healthy one stays, the healthy ones that go take connections until one of those that
// came is healthy, or none of them can be any more: the same apiserver may just have another address, as its discovery names it.
func (m *monitor) apply(now time.Time, settings Settings) {
	before := m.backends
	rechecked := settings.HealthCheck != m.settings.HealthCheck
	m.settings, m.backends = settings, nil
	for _, backend := range settings.Backends {
		b := find(before, func(b *monitored) bool { return b.Address == backend.Address })
		switch {
		case b == nil:
			b = &monitored{admin: balance.Ready, server: m.server(backend.Address), check: health.New(settings.HealthCheck, now)}
			b.prober = m.newProber(backend)
		case rechecked || b.ProxyProtocol != backend.ProxyProtocol:
			m.retire(b.prober)
			b.prober = m.newProber(backend)
			b.check.Reconfigure(settings.HealthCheck, now)
		default:
			b.prober.trust(settings.Authority)
		}
		b.Backend, b.leaves = backend, false
		b.server.SetProxyProtocol(backend.ProxyProtocol)
		m.backends = append(m.backends, b)
	}
	for _, b := range before {
		if !slices.Contains(m.backends, b) {
			b.leaves = true
			m.backends = append(m.backends, b)
		}
	}
	m.part()
}

// takes reports whether a backend is healthy and may have connections.
func (b *monitored) takes() bool { return b.check.State() == health.Healthy && b.admin.Takes() }

// unsettled reports whether no backend that stays is healthy, and one of them may be: too few checks of it have ended.
func (m *monitor) unsettled() bool {
	return find(m.backends, func(b *monitored) bool { return !b.leaves && b.takes() }) == nil &&
		find(m.backends, func(b *monitored) bool { return !b.leaves && b.admin.Takes() && !b.check.Settled() }) != nil
}

// part lets the backends go that leave, as soon as nobody needs them.
func (m *monitor) part() {
	needed := m.unsettled()
	m.backends = slices.DeleteFunc(m.backends, func(b *monitored) bool {
		goes := b.leaves && !(needed && b.takes())
		if goes {
			m.retire(b.prober)
		}
		return goes
	})
}

// newProber returns a prober of a backend, as the settings are.
func (m *monitor) newProber(backend balance.Backend) *prober {
	p := &prober{address: backend.Address, checker: m.newChecker(backend, m.settings.HealthCheck)}
	p.trust(m.settings.Authority)
	return p
}

// server returns the server of an address.
func (m *monitor) server(address netip.AddrPort) *relay.Server {
	if m.servers[address] == nil {
		m.servers[address] = m.newServer(address)
	}
	return m.servers[address]
}

// bytes returns how many bytes all servers were sent, and have sent.
func (m *monitor) bytes() (sent, received uint64) {
	for _, server := range m.servers {
		f := server.Figures()
		sent, received = sent+f.Sent, received+f.Received
	}
	return sent, received
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

// deadline returns when tick or rebalance has something to do; zero means never.
func (m *monitor) deadline() time.Time {
	earliest := m.moves.Deadline()
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

// checked takes the outcome of a check and reports whether the route may change.
func (m *monitor) checked(now time.Time, r result) bool {
	if r.silent {
		return m.silent(now, r.prober)
	}
	r.prober.busy = false
	if m.leaving[r.prober] {
		delete(m.leaving, r.prober)
		m.closeChecker(r.prober)
		return false
	}
	b := find(m.backends, func(b *monitored) bool { return b.prober == r.prober })
	b.silences, b.deaf = 0, b.deaf && timedOut(r.err) && !r.accepts
	switch {
	case r.err == nil:
		proves := r.proved && !b.proved
		b.proved = b.proved || r.proved
		return m.step(now, b, health.Passed{Took: r.took}) || proves
	case r.missed:
		return m.step(now, b, health.Missed{})
	}
	accepted, settled := b.check.Accepts(), b.check.Settled()
	changed := m.step(now, b, health.Failed{Unreachable: unreachable(r.err), Accepts: r.accepts, Reason: fault.Brief(r.err), Took: r.took})
	return changed || b.check.Accepts() != accepted || b.check.Settled() != settled
}

// silent takes that the backend leaves a check without an answer, and reports whether that shows something new.
func (m *monitor) silent(now time.Time, p *prober) bool {
	b := find(m.backends, func(b *monitored) bool { return b.prober == p && p.busy })
	if b == nil {
		return false
	}
	b.silences++
	turned := b.silences > 1 && !b.deaf
	b.deaf = b.deaf || turned
	return m.step(now, b, health.Doubted{Reason: relay.NoAnswer("a connection", deafAfter)}) || turned
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
	if t.To == health.Healthy && (t.From == health.NotReady || t.From == health.Down || b.returns) {
		b.slowSince, b.returns = now, false
	}
	if t.To == health.Healthy && t.From != health.Suspect {
		m.moves.Came(now.Add(m.settings.SlowStart))
	}
}

// lost is a server that is not to have connections, and why.
type lost struct {
	server *relay.Server
	why    session.Cause
}

// lost returns the backends whose connections are to be closed: those in maintenance, and those that are down, but the latter only
// while another one is healthy: without one they could not come back anywhere, and a backend that is just too slow may recover.
func (m *monitor) lost() (all []lost) {
	closes := m.settings.OnBackendDown != balance.KeepSessions && m.anyHealthy()
	for _, b := range m.backends {
		switch {
		case b.admin == balance.Maintenance:
			all = append(all, lost{b.server, session.Maintenance})
		case closes && b.check.State() == health.Down:
			all = append(all, lost{b.server, session.BackendDown})
		}
	}
	return all
}

func (m *monitor) anyHealthy() bool {
	return find(m.backends, (*monitored).takes) != nil
}

// route makes the route that the settings and the health of the backends ask for.
func (m *monitor) route() *relay.Route {
	m.part()
	limits := m.settings.Limits
	m.setLimit(descriptorLimit(limits.Total))
	r := &relay.Route{
		Limit:     m.limit,
		PerLimit:  limits.PerBackend,
		Unlimited: limits.UnlimitedSources,
		Timeouts:  m.settings.Timeouts,
		AccessLog: m.settings.AccessLog,
	}
	r.PerSource = limits.PerSource
	if limits.PerSource > 0 && r.Limit < limits.Total { // the share of a source stays what it is
		r.PerSource = max(1, limits.PerSource*r.Limit/limits.Total)
	}
	cfg := balance.Config{Policy: m.settings.Policy, SlowStart: m.settings.SlowStart, ConnectionLimit: m.settings.Limits.PerBackend}
	for _, b := range m.backends {
		r.Servers = append(r.Servers, b.server)
		c := candidate(b.Backend, b.admin, b.check.State(), b.check.Accepts())
		c.HealthySince, c.Preferred = b.slowSince, slices.Contains(m.settings.Preferred, b.Address)
		cfg.Backends = append(cfg.Backends, c)
	}
	r.Pool = balance.New(cfg)
	m.pool = r.Pool
	return r
}

// setLimit sets how many connections there may be, and says where that is less than what is configured, once until it changes.
func (m *monitor) setLimit(limit int, lowered string) {
	if lowered != "" && lowered != m.lowered {
		logging.Warn(m.log, logging.MsgConnectionsLimited, logging.KeyLimit, limit, logging.KeyReason, lowered)
	}
	m.limit, m.lowered = limit, lowered
}

// status reports on every backend.
func (m *monitor) status(now time.Time) []BackendStatus {
	var all []BackendStatus
	for _, b := range m.backends {
		state, f := b.check.State(), b.server.Figures()
		all = append(all, BackendStatus{
			Address: b.Address, Backup: b.Backup, Admin: b.admin,
			State: state, Since: b.check.Since(), Reason: b.check.Reason(), Healthy: state == health.Healthy || state == health.Suspect,
			Accepts: b.check.Accepts(), Proved: b.proved, Deaf: b.deaf,
			Connections: f.Active, Peak: f.Peak, Total: f.Total, Failures: f.Failures,
			Sent: f.Sent, Received: f.Received, Sessions: f.Sessions, Figures: b.check.Figures(now),
		})
	}
	return all
}
