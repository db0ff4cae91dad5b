// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"encoding/json"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/health"
)

// Each state of a backend reaches the log and the keeper as it is, with its reason.
func TestStateOfABackendIsReportedWithItsReason(t *testing.T) {
	a := newGreeter(t, "a")
	var log []string
	m := newMonitor(funcr.New(func(_, args string) { log = append(log, args) }, funcr.Options{}), (&verdicts{}).newChecker)
	m.probe = func(*prober, time.Duration) {}
	defer m.close()
	now := time.Unix(1_800_000_000, 0)
	m.apply(t.Context(), now, testSettings(balance.Backend{Address: a.address}))
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
	m := newMonitor(logr.Discard(), (&verdicts{}).newChecker)
	m.probe = func(*prober, time.Duration) {}
	defer m.close()
	now := time.Unix(1_800_000_000, 0)
	apply := func(addresses ...netip.AddrPort) {
		var backends []balance.Backend
		for _, address := range addresses {
			backends = append(backends, balance.Backend{Address: address})
		}
		m.apply(t.Context(), now, testSettings(backends...))
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
