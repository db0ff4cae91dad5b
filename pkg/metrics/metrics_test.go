// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
	m := New("51", "eth0", Known{
		States: []string{"Backup", "Active"}, DropReasons: []string{"checksum"}, Acquired: []string{"no_advertisement", "preemption"}, Released: []string{"yield"}, Alarms: []string{"Forged"},
	})
	m.StateChanged("", "Backup")
	m.StateChanged("Backup", "Active")
	m.Held(true, "no_advertisement")
	m.Unserved("no_advertisement", .64)
	m.Priority(100)
	m.Sent(100)
	m.Sent(0)
	m.Received()
	m.Dropped("vrid")
	m.Alarm("Filtered")
	m.Probed("Free")
	m.Checked("Reset")
	m.Failed("acquire")
	m.Announced()
	m.Late(0.002)
	m.Jitter(0.3)
	m.Asked("probe", 0.04)
	m.Consulted("read", "Answered", 0.02)
	wantLines(t, scrape(t, m),
		`harbinger_vrrp_state{interface="eth0",state="Active",vrid="51"} 1`,
		`harbinger_vrrp_state{interface="eth0",state="Backup",vrid="51"} 0`,
		`harbinger_vrrp_transitions_total{from="Backup",interface="eth0",to="Active",vrid="51"} 1`,
		`harbinger_vip_held{interface="eth0",vrid="51"} 1`,
		`harbinger_vip_moves_total{direction="acquired",interface="eth0",reason="no_advertisement",vrid="51"} 1`,
		`harbinger_vip_moves_total{direction="acquired",interface="eth0",reason="preemption",vrid="51"} 0`,
		`harbinger_vip_moves_total{direction="released",interface="eth0",reason="yield",vrid="51"} 0`,
		`harbinger_vip_unserved_seconds_bucket{interface="eth0",reason="no_advertisement",vrid="51",le="0.5"} 0`,
		`harbinger_vip_unserved_seconds_bucket{interface="eth0",reason="no_advertisement",vrid="51",le="0.7"} 1`,
		`harbinger_vip_unserved_seconds_count{interface="eth0",reason="preemption",vrid="51"} 0`,
		`harbinger_alarms_total{interface="eth0",kind="Forged",vrid="51"} 0`,
		`harbinger_alarms_total{interface="eth0",kind="Filtered",vrid="51"} 1`,
		`harbinger_vrrp_advertisement_jitter_seconds_bucket{interface="eth0",vrid="51",le="0.2"} 0`,
		`harbinger_vrrp_advertisement_jitter_seconds_bucket{interface="eth0",vrid="51",le="0.5"} 1`,
		`harbinger_question_seconds_bucket{interface="eth0",question="probe",vrid="51",le="0.05"} 1`,
		`harbinger_vrrp_advertisements_sent_total{interface="eth0",kind="release",vrid="51"} 1`,
		`harbinger_vrrp_advertisements_dropped_total{interface="eth0",reason="checksum",vrid="51"} 0`,
		`harbinger_vrrp_advertisements_dropped_total{interface="eth0",reason="vrid",vrid="51"} 1`,
		`harbinger_vip_probes_total{interface="eth0",verdict="Free",vrid="51"} 1`,
		`harbinger_holder_checks_total{finding="Reset",interface="eth0",vrid="51"} 1`,
		`harbinger_lease_questions_total{interface="eth0",kind="read",outcome="Answered",vrid="51"} 1`,
		`harbinger_lease_answer_seconds_bucket{interface="eth0",kind="read",vrid="51",le="0.02"} 1`,
	)
}

func TestNilTakesReports(*testing.T) {
	var m *Metrics
	m.StateChanged("Backup", "Active")
	m.Held(true, "yield")
	m.Unserved("release", 1)
	m.Priority(1)
	m.Jitter(1)
	m.Asked("probe", 1)
	m.Sent(0)
	m.Received()
	m.Dropped("vrid")
	m.Alarm("x")
	m.Probed("Free")
	m.Checked("Reset")
	m.Failed("acquire")
	m.Announced()
	m.Late(1)
	m.Consulted("read", "Answered", 1)
	m.WatchStatus(nil, nil)
	m.WatchChecks(nil)
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
	s.VirtualRouter.Signing = &v1alpha1.Signing{ActiveKey: 2, ClockUnsynchronised: true, Peers: []v1alpha1.SigningPeer{
		{Address: "10.0.0.2", Signed: &expires, Key: 1, Skew: "-1.5s", Unsigned: 3}, {Address: "10.0.0.3"}, {Address: "other", Unsigned: 7},
	}}
	r := &s.VirtualRouter
	r.Fence = &v1alpha1.Fence{State: "Open", PutBack: 2}
	r.Isolated, r.Unreachable, r.Witness = true, true, &v1alpha1.Witness{Failures: 3}
	r.Reach = &v1alpha1.Reach{Peers: []v1alpha1.PeerReach{{Reached: true}, {}}, Gateway: v1alpha1.Gateway{Address: "10.0.0.254", Finding: "Answers"}}
	s.Balancer = v1alpha1.Balancer{Up: true, Restarts: 1, Steered: true, Degraded: true, Active: 3, Accepted: 10, Refused: 2, LeftOut: 7, RefusedByReason: map[string]uint64{"NoBackend": 0, "ConnectionLimit": 2}, Backends: []v1alpha1.Backend{
		{Address: "10.0.0.1:6443", State: "Suspect", Healthy: true, Connections: 2, Total: 9, Failures: 1},
		{Address: "10.0.0.2:6443", State: "NotReady"},
	}}
	s.VirtualRouter.VRID, s.VirtualRouter.Since, s.VirtualRouter.HolderHeard = 51, expires, &expires
	s.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady}}
	s.Hosts = []v1alpha1.HostSummary{{Node: "node1", Address: "10.0.0.1", Self: true}, {Node: "node2", Address: "10.0.0.2", Answered: &expires}}
	return s
}

func TestStatus(t *testing.T) {
	m := New("51", "eth0", Known{})
	m.WatchStatus(full, []string{"Healthy", "Suspect", "NotReady", "Down"})
	wantLines(t, scrape(t, m),
		`harbinger_balancer_up 1`, `harbinger_balancer_restarts_total 1`, `harbinger_balancer_steered 1`, `harbinger_balancer_degraded 1`, `harbinger_backends_left_out 7`,
		`harbinger_connections 3`, `harbinger_connections_accepted_total 10`, `harbinger_connections_refused_total{reason="ConnectionLimit"} 2`, `harbinger_connections_refused_total{reason="NoBackend"} 0`,
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
		`harbinger_vrrp_signing_active_key_id 2`, `harbinger_vrrp_signing_clock_unsynchronised 1`,
		`harbinger_vrrp_signing_peer_key_id{peer="10.0.0.2"} 1`, `harbinger_vrrp_signing_peer_skew_seconds{peer="10.0.0.2"} -1.5`,
		`harbinger_vrrp_signing_unsigned_total{peer="10.0.0.2"} 3`, `harbinger_vrrp_signing_unsigned_total{peer="10.0.0.3"} 0`, `harbinger_vrrp_signing_unsigned_total{peer="other"} 7`,
		`harbinger_peers_asked 2`, `harbinger_peers_reached 1`, `harbinger_gateway_answers 1`, `harbinger_isolated 1`, `harbinger_unreachable 1`, `harbinger_witness_failures 3`,
		`harbinger_fenced 1`, `harbinger_fence_put_back_total 2`, `harbinger_split_suspected 1`, `harbinger_lease_arbitrates 1`, `harbinger_lease_epoch 5`, `harbinger_lease_held 1`,
		`harbinger_client_certificate_expiry_timestamp_seconds 1.8e+09`,
	)
}

// A node that asked nobody says nothing of others: a zero would be a lie.
func TestStatusWithoutProofs(t *testing.T) {
	m := New("51", "eth0", Known{})
	m.WatchStatus(func() (s v1alpha1.HarbingerStatus) { return s }, nil)
	body := scrape(t, m)
	wantLines(t, body, `harbinger_isolated 0`, `harbinger_unreachable 0`)
	for _, metric := range []string{"harbinger_peers", "harbinger_gateway", "harbinger_witness"} {
		if strings.Contains(body, metric) {
			t.Errorf("there is a metric %s", metric)
		}
	}
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
			"harbinger_lease_epoch 5", []string{"harbinger_client_certificate"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := New("51", "eth0", Known{})
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
	m := New("51", "eth0", Known{})
	m.Held(true, "no_advertisement")
	m.Held(false, "yield")
	m.Held(true, "no_advertisement")
	wantLines(t, scrape(t, m), `harbinger_vip_held{interface="eth0",vrid="51"} 1`,
		`harbinger_vip_moves_total{direction="acquired",interface="eth0",reason="no_advertisement",vrid="51"} 2`,
		`harbinger_vip_moves_total{direction="released",interface="eth0",reason="yield",vrid="51"} 1`)
}
