// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func wantLines(t *testing.T, body string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
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
	m.Alarm("Filtered")
	m.Probed("Free")
	m.Failed("acquire")
	m.Announced()
	m.Late(0.002)
	m.Consulted("read", "Answered", 0.02)
	wantLines(t, scrape(t, m),
		`harbinger_vrrp_state{interface="eth0",state="Active",vrid="51"} 1`,
		`harbinger_vrrp_state{interface="eth0",state="Backup",vrid="51"} 0`,
		`harbinger_vrrp_transitions_total{from="Backup",interface="eth0",to="Active",vrid="51"} 1`,
		`harbinger_vip_held{interface="eth0",vrid="51"} 1`,
		`harbinger_vip_moves_total{direction="acquired",interface="eth0",vrid="51"} 1`,
		`harbinger_vip_moves_total{direction="released",interface="eth0",vrid="51"} 0`,
		`harbinger_vrrp_advertisements_sent_total{interface="eth0",kind="release",vrid="51"} 1`,
		`harbinger_vrrp_advertisements_dropped_total{interface="eth0",reason="checksum",vrid="51"} 0`,
		`harbinger_vrrp_advertisements_dropped_total{interface="eth0",reason="vrid",vrid="51"} 1`,
		`harbinger_vip_probes_total{interface="eth0",verdict="Free",vrid="51"} 1`,
		`harbinger_lease_questions_total{interface="eth0",kind="read",outcome="Answered",vrid="51"} 1`,
		`harbinger_lease_answer_seconds_bucket{interface="eth0",kind="read",vrid="51",le="0.02"} 1`,
	)
}

func TestNilTakesReports(*testing.T) {
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
	m.Consulted("read", "Answered", 1)
	m.WatchStatus(nil, nil)
}

// full is a status with something in each field that becomes a metric.
func full() v1alpha1.HarbingerStatus {
	expires := time.Unix(1800000000, 0)
	s := v1alpha1.HarbingerStatus{
		VirtualRouter: v1alpha1.VirtualRouter{Arbiter: "lease", Epoch: 4, SplitSuspected: true, Filtered: []v1alpha1.Filter{
			{Protocol: "112", Peer: "10.0.0.2", Direction: "in"}, {Protocol: "TCP 10444", Peer: "10.0.0.2", Direction: "unknown"},
		}},
		Lease: &v1alpha1.Lease{Epoch: 5}, API: &v1alpha1.API{Expires: &expires},
	}
	s.Balancer = v1alpha1.Balancer{Up: true, Restarts: 1, Steered: true, Degraded: true, Active: 3, Accepted: 10, Refused: 2, Backends: []v1alpha1.Backend{
		{Address: "10.0.0.1:6443", State: "Suspect", Healthy: true, Connections: 2, Total: 9, Failures: 1},
		{Address: "10.0.0.2:6443", State: "NotReady"},
	}}
	return s
}

func TestStatus(t *testing.T) {
	m := New("51", "eth0", nil, nil)
	m.WatchStatus(full, []string{"Healthy", "Suspect", "NotReady", "Down"})
	wantLines(t, scrape(t, m),
		`harbinger_balancer_up 1`, `harbinger_balancer_restarts_total 1`, `harbinger_balancer_steered 1`, `harbinger_balancer_degraded 1`,
		`harbinger_connections 3`, `harbinger_connections_accepted_total 10`, `harbinger_connections_refused_total 2`,
		`harbinger_backend_healthy{backend="10.0.0.1:6443"} 1`,
		`harbinger_backend_healthy{backend="10.0.0.2:6443"} 0`,
		`harbinger_backend_state{backend="10.0.0.1:6443",state="Suspect"} 1`,
		`harbinger_backend_state{backend="10.0.0.1:6443",state="Healthy"} 0`,
		`harbinger_backend_state{backend="10.0.0.2:6443",state="NotReady"} 1`,
		`harbinger_backend_state{backend="10.0.0.2:6443",state="Down"} 0`,
		`harbinger_backend_connections{backend="10.0.0.1:6443"} 2`,
		`harbinger_backend_connections_total{backend="10.0.0.1:6443"} 9`,
		`harbinger_backend_failures_total{backend="10.0.0.1:6443"} 1`,
		`harbinger_filtered{direction="in",peer="10.0.0.2",protocol="112"} 1`,
		`harbinger_filtered{direction="unknown",peer="10.0.0.2",protocol="TCP 10444"} 1`,
		`harbinger_split_suspected 1`, `harbinger_lease_arbitrates 1`, `harbinger_lease_epoch 5`, `harbinger_lease_held 1`,
		`harbinger_client_certificate_expiry_timestamp_seconds 1.8e+09`,
	)
}

// Without a Lease, or without the API, there is nothing to say of them: a zero would be a lie.
func TestStatusWithoutTheAPI(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*v1alpha1.HarbingerStatus)
		want   string
		absent []string
	}{
		"mode VRRP with discovery": {func(s *v1alpha1.HarbingerStatus) { s.Lease = nil },
			"harbinger_client_certificate_expiry_timestamp_seconds 1.8e+09", []string{"harbinger_lease_arbitrates", "harbinger_lease_epoch", "harbinger_lease_held"}},
		"mode VRRP": {func(s *v1alpha1.HarbingerStatus) { s.Lease, s.API = nil, nil },
			"harbinger_split_suspected 1", []string{"harbinger_lease_epoch", "harbinger_client_certificate"}},
		"credentials without a certificate": {func(s *v1alpha1.HarbingerStatus) { s.API.Expires = nil },
			"harbinger_client_certificate_expiry_timestamp_seconds 0", nil},
	} {
		t.Run(name, func(t *testing.T) {
			m := New("51", "eth0", nil, nil)
			m.WatchStatus(func() v1alpha1.HarbingerStatus { s := full(); tt.change(&s); return s }, nil)
			body := scrape(t, m)
			wantLines(t, body, tt.want)
			for _, metric := range tt.absent {
				if strings.Contains(body, metric) {
					t.Errorf("there is a metric %s", metric)
				}
			}
		})
	}
}

func TestHeld(t *testing.T) {
	m := New("51", "eth0", nil, nil)
	for _, held := range []bool{true, false, true} {
		m.Held(held)
	}
	wantLines(t, scrape(t, m), `harbinger_vip_held{interface="eth0",vrid="51"} 1`,
		`harbinger_vip_moves_total{direction="acquired",interface="eth0",vrid="51"} 2`,
		`harbinger_vip_moves_total{direction="released",interface="eth0",vrid="51"} 1`)
}
