// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"encoding/json"
	"strings"
	"syscall"
	"testing"
	"time"

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
		{health.Down, syscall.ECONNREFUSED.Error(), func() { m.checked(now, result{prober: m.backends[0].prober, err: syscall.ECONNREFUSED}) }},
	} {
		for range 5 { // more than any threshold
			if now = now.Add(time.Second); m.backends[0].check.State() != tt.want {
				m.tick(now)
				tt.happen()
			}
		}
		text, err := json.Marshal(m.status())
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
