// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func TestScrape(t *testing.T) {
	m := New("51", "eth0", []string{"Backup", "Active"}, []string{"checksum"})
	m.StateChanged("", "Backup")
	m.StateChanged("Backup", "Active")
	m.Held(true)
	m.Priority(100)
	m.Sent(100)
	m.Sent(0)
	m.Received()
	m.Dropped("vrid")
	m.Alarm("SplitSuspected")
	m.Probed("Free")
	m.Failed("acquire")
	m.Announced()
	m.Late(0.002)
	m.WatchBalancer(func() Balancer {
		return Balancer{Up: true, Active: 3, Backends: []Backend{{Address: "10.0.0.1:6443", Healthy: true, Connections: 2, Total: 9, Failures: 1}}}
	})
	body := scrape(t, m)
	for _, want := range []string{
		`harbinger_vrrp_state{interface="eth0",state="Active",vrid="51"} 1`,
		`harbinger_vrrp_state{interface="eth0",state="Backup",vrid="51"} 0`,
		`harbinger_vrrp_transitions_total{from="Backup",interface="eth0",to="Active",vrid="51"} 1`,
		`harbinger_vip_held{interface="eth0",vrid="51"} 1`,
		`harbinger_vip_moves_total{direction="acquired",interface="eth0",vrid="51"} 1`,
		`harbinger_vip_moves_total{direction="released",interface="eth0",vrid="51"} 0`,
		`harbinger_vrrp_advertisements_sent_total{interface="eth0",kind="release",vrid="51"} 1`,
		`harbinger_vrrp_advertisements_dropped_total{interface="eth0",reason="checksum",vrid="51"} 0`,
		`harbinger_vrrp_advertisements_dropped_total{interface="eth0",reason="vrid",vrid="51"} 1`,
		`harbinger_backend_healthy{backend="10.0.0.1:6443"} 1`,
		`harbinger_backend_connections_total{backend="10.0.0.1:6443"} 9`,
		`harbinger_connections 3`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no line %q", want)
		}
	}
}

func TestNilTakesReports(t *testing.T) {
	var m *Metrics
	m.StateChanged("Backup", "Active")
	m.Held(true)
	m.Priority(1)
	m.Sent(0)
	m.Received()
	m.Dropped("vrid")
	m.Alarm("x")
	m.Probed("Free")
	m.Failed("acquire")
	m.Announced()
	m.Late(1)
	m.WatchBalancer(nil)
}
