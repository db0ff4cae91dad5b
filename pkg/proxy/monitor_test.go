// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"encoding/json"
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
	"github.com/harbinger-ha/harbinger/pkg/relay"
)

// Each state of a backend reaches the log and the keeper as it is, with its reason.
func TestStateOfABackendIsReportedWithItsReason(t *testing.T) {
	a := newGreeter(t, "a")
	var log []string
	m := newMonitor(funcr.New(func(_, args string) { log = append(log, args) }, funcr.Options{}), newServer(t), (&verdicts{}).newChecker)
	m.probe = func(*prober, time.Duration) {}
	defer m.close()
	now := time.Unix(1_800_000_000, 0)
	m.apply(now, testSettings(balance.Backend{Address: a.address}))
	for _, tt := range []struct {
		want   health.State
		reason string
		happen func()
	}{
		{health.Healthy, "", func() { m.checked(now, result{prober: m.backends[0].prober, err: nil}) }},
		{health.Suspect, "reset", func() { m.shown(now, sign{m.backends[0].server, health.DialFailed{Reason: "reset"}}) }},
		{health.NotReady, errNotReady.Error(), func() { m.checked(now, result{prober: m.backends[0].prober, err: errNotReady}) }},
		{health.Down, "refuses connections", func() { m.checked(now, result{prober: m.backends[0].prober, err: syscall.ECONNREFUSED}) }},
	} {
		for range 5 { // more than any threshold
			if now = now.Add(time.Second); m.backends[0].check.State() != tt.want {
				m.tick(now)
				tt.happen()
			}
		}
		text, err := json.Marshal(m.status(now))
		must(t, err)
		var got []BackendStatus
		must(t, json.Unmarshal(text, &got))
		if got[0].State != tt.want || tt.reason != "" && got[0].Reason != tt.reason || got[0].Since.IsZero() {
			t.Errorf("the keeper reads %+v, want %s: %q", got[0], tt.want, tt.reason)
		}
		if last := log[len(log)-1]; !strings.Contains(last, `"to"="`+tt.want.String()+`"`) || !strings.Contains(last, `"reason"="`+tt.reason) {
			t.Errorf("log line %s, want %s: %q", last, tt.want, tt.reason)
		}
	}
}

// A proof lasts as long as the backend is one, whatever becomes of it. Another address, or one that comes back, needs another.
func TestProofOfABackend(t *testing.T) {
	a, b := newGreeter(t, "a"), newGreeter(t, "b")
	m := newMonitor(logr.Discard(), newServer(t), (&verdicts{}).newChecker)
	m.probe = func(*prober, time.Duration) {}
	defer m.close()
	now := time.Unix(1_800_000_000, 0)
	apply := func(addresses ...netip.AddrPort) {
		var backends []balance.Backend
		for _, address := range addresses {
			backends = append(backends, balance.Backend{Address: address})
		}
		m.apply(now, testSettings(backends...))
	}
	checked := func(r result) (changed bool) {
		now = now.Add(time.Second)
		m.tick(now)
		r.prober = m.backends[0].prober
		return m.checked(now, r)
	}
	apply(a.address)
	for range 5 {
		checked(result{})
	}
	if m.status(now)[0].Proved {
		t.Error("proved by a check that proves nothing")
	}
	if !checked(result{proved: true}) || !m.status(now)[0].Proved {
		t.Error("not proved, or that is no change")
	}
	for range 5 {
		checked(result{err: syscall.ECONNREFUSED})
	}
	if s := m.status(now)[0]; !s.Proved || s.State != health.Down {
		t.Errorf("a proof ended with the health: %+v", s)
	}
	apply(b.address)
	if m.status(now)[0].Proved {
		t.Error("another address needs no proof")
	}
	apply(a.address)
	if m.status(now)[0].Proved {
		t.Error("a backend that came back needs no proof")
	}
}

// A trusting checker remembers whom to trust.
type trusting struct {
	fakeChecker
	by []string
}

func (c *trusting) Trust(a health.Authority) { c.by = append(c.by, string(a.Certificates)) }

// The authority that the keeper has read reaches each check that verifies: the ones that go on, those of new settings, and those of
// backends that come.
func TestAuthorityReachesEveryCheck(t *testing.T) {
	checkers := map[netip.AddrPort][]*trusting{}
	m := newMonitor(logr.Discard(), newServer(t), func(b balance.Backend, _ health.Config) Checker {
		checkers[b.Address] = append(checkers[b.Address], &trusting{})
		return checkers[b.Address][len(checkers[b.Address])-1]
	})
	defer m.close()
	one, two := balance.Backend{Address: netip.MustParseAddrPort("192.0.2.1:1")}, balance.Backend{Address: netip.MustParseAddrPort("192.0.2.2:1")}
	apply := func(authority string, change func(*Settings), backends ...balance.Backend) {
		settings := testSettings(backends...)
		settings.Authority.Certificates = []byte(authority)
		change(&settings)
		m.apply(time.Now(), settings)
	}
	apply("first", func(*Settings) {}, one)
	apply("second", func(*Settings) {}, one, two)
	apply("third", func(s *Settings) { s.HealthCheck.Path = "/livez" }, one, two)
	var got []string
	for _, b := range []balance.Backend{one, two} {
		for _, c := range checkers[b.Address] {
			got = append(got, strings.Join(c.by, " "))
		}
	}
	if want := "first second, third, second, third"; strings.Join(got, ", ") != want {
		t.Errorf("the checks trust %s, want %s", strings.Join(got, ", "), want)
	}
}

// What changes is the authority alone, and the newest counts.
func TestSupervisorPassesOnWhomToTrust(t *testing.T) {
	s := NewSupervisor(SupervisorConfig{Settings: Settings{HealthCheck: health.Config{Path: "/readyz"}}})
	s.Trust(health.Authority{Certificates: []byte("a")})
	s.Trust(health.Authority{Certificates: []byte("b")})
	if got := s.wanted().Settings; string(got.Authority.Certificates) != "b" || got.HealthCheck.Path != "/readyz" {
		t.Errorf("it sends %+v", got)
	}
}

// newServer makes servers of a relay that serves nothing.
func newServer(t testing.TB) func(netip.AddrPort) *relay.Server {
	t.Helper()
	r, err := relay.New(relay.Config{Log: logr.Discard()})
	must(t, err)
	return r.Server
}

// A backend that learns of its clients in another way gets checks that speak as they do. What is known of its health stays.
func TestCheckSpeaksAsConnectionsDo(t *testing.T) {
	var made []balance.ProxyProtocol
	m := newMonitor(logr.Discard(), newServer(t), func(b balance.Backend, _ health.Config) Checker {
		made = append(made, b.ProxyProtocol)
		return &trusting{}
	})
	m.probe = func(*prober, time.Duration) {}
	defer m.close()
	now := time.Unix(1_800_000_000, 0)
	backend := balance.Backend{Address: netip.MustParseAddrPort("192.0.2.1:1")}
	for i, protocol := range []balance.ProxyProtocol{balance.ProxyProtocolNone, balance.ProxyProtocolV2, balance.ProxyProtocolV2} {
		backend.ProxyProtocol = protocol
		m.apply(now, testSettings(backend))
		if i == 0 {
			m.tick(now)
			m.checked(now, result{prober: m.backends[0].prober})
		}
	}
	if want := []balance.ProxyProtocol{balance.ProxyProtocolNone, balance.ProxyProtocolV2}; !slices.Equal(made, want) {
		t.Errorf("checks were made for %q, want %q", made, want)
	}
	if s := m.status(now)[0]; s.State != health.Healthy {
		t.Errorf("it is %s", s.State)
	}
}
