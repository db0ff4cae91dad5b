// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

// checks are those of two backends, of which one was not checked yet.
func checks() map[string]health.Durations {
	d := health.Durations{Count: 3, Sum: 1512 * time.Millisecond}
	for i, bound := range health.Bounds {
		for _, took := range []time.Duration{4 * time.Millisecond, 8 * time.Millisecond, 1500 * time.Millisecond} {
			if took <= bound {
				d.UpTo[i]++
			}
		}
	}
	return map[string]health.Durations{"10.0.0.1:6443": d, "10.0.0.2:6443": {}}
}

// sessions are those of a backend: four connects, one that nothing bounds, and two that have ended.
func sessions() map[string]session.Figures {
	f := session.Figures{Ended: map[session.Cause]uint64{session.Finished: 2, session.BackendDown: 0}}
	f.Connects = session.Durations{Sum: 3003500 * time.Microsecond, In: [9]uint64{1, 2, 8: 1}}
	f.Answers = session.Durations{Sum: 250 * time.Millisecond, In: [9]uint64{6: 1}}
	f.Lasted = session.Durations{Sum: 90 * time.Minute, In: [9]uint64{4: 1, 5: 0, 6: 1}}
	return map[string]session.Figures{"10.0.0.1:6443": f, "10.0.0.2:6443": {}}
}

func TestSessionsOfTheBackends(t *testing.T) {
	m := New("51", "eth0", Known{})
	m.WatchSessions(sessions)
	wantLines(t, scrape(t, m),
		`harbinger_backend_connect_seconds_bucket{backend="10.0.0.1:6443",le="0.0005"} 1`,
		`harbinger_backend_connect_seconds_bucket{backend="10.0.0.1:6443",le="0.001"} 3`,
		`harbinger_backend_connect_seconds_bucket{backend="10.0.0.1:6443",le="1"} 3`,
		`harbinger_backend_connect_seconds_bucket{backend="10.0.0.1:6443",le="+Inf"} 4`,
		`harbinger_backend_connect_seconds_count{backend="10.0.0.1:6443"} 4`,
		`harbinger_backend_connect_seconds_sum{backend="10.0.0.1:6443"} 3.0035`,
		`harbinger_backend_first_answer_seconds_bucket{backend="10.0.0.1:6443",le="0.1"} 0`,
		`harbinger_backend_first_answer_seconds_bucket{backend="10.0.0.1:6443",le="0.25"} 1`,
		`harbinger_backend_session_seconds_bucket{backend="10.0.0.1:6443",le="600"} 1`,
		`harbinger_backend_session_seconds_bucket{backend="10.0.0.1:6443",le="21600"} 2`,
		`harbinger_backend_session_seconds_sum{backend="10.0.0.1:6443"} 5400`,
		`harbinger_backend_session_seconds_count{backend="10.0.0.2:6443"} 0`, // a rate can be taken from the first on
		`harbinger_backend_connections_ended_total{backend="10.0.0.1:6443",reason="Finished"} 2`,
		`harbinger_backend_connections_ended_total{backend="10.0.0.1:6443",reason="BackendDown"} 0`,
	)
}

func TestFiguresOfTheBalancer(t *testing.T) {
	at := time.UnixMilli(1_800_000_000_250)
	m := New("51", "eth0", Known{})
	m.WatchStatus(func() v1alpha1.HarbingerStatus {
		s := full()
		s.Balancer.Peak, s.Balancer.Received, s.Balancer.Sent = 7, 1000, 90000
		b := &s.Balancer.Backends[0]
		b.Admin = "Drain"
		b.Since, b.Checked, b.Downs, b.Downtime, b.Sent, b.Received = at, &at, 2, "17m4.3s", 900, 80000
		return s
	}, nil)
	m.WatchChecks(checks)
	body := scrape(t, m)
	wantLines(t, body,
		`harbinger_connections_peak 7`, `harbinger_bytes_received_total 1000`, `harbinger_bytes_sent_total 90000`,
		`harbinger_backend_state_since_timestamp_seconds{backend="10.0.0.1:6443"} 1.80000000025e+09`,
		`harbinger_backend_last_check_timestamp_seconds{backend="10.0.0.1:6443"} 1.80000000025e+09`,
		`harbinger_backend_admin_state{backend="10.0.0.1:6443",state="Drain"} 1`, `harbinger_backend_admin_state{backend="10.0.0.1:6443",state="Ready"} 0`,
		`harbinger_backend_admin_state{backend="10.0.0.2:6443",state="Maintenance"} 0`, `harbinger_backend_admin_state{backend="10.0.0.2:6443",state="Ready"} 1`,
		`harbinger_backend_downs_total{backend="10.0.0.1:6443"} 2`, `harbinger_backend_downs_total{backend="10.0.0.2:6443"} 0`,
		`harbinger_backend_downtime_seconds_total{backend="10.0.0.1:6443"} 1024.3`, `harbinger_backend_downtime_seconds_total{backend="10.0.0.2:6443"} 0`,
		`harbinger_backend_bytes_sent_total{backend="10.0.0.1:6443"} 900`, `harbinger_backend_bytes_received_total{backend="10.0.0.1:6443"} 80000`,
		`harbinger_backend_check_duration_seconds_bucket{backend="10.0.0.1:6443",le="0.002"} 0`,
		`harbinger_backend_check_duration_seconds_bucket{backend="10.0.0.1:6443",le="0.005"} 1`,
		`harbinger_backend_check_duration_seconds_bucket{backend="10.0.0.1:6443",le="0.01"} 2`,
		`harbinger_backend_check_duration_seconds_bucket{backend="10.0.0.1:6443",le="2"} 3`,
		`harbinger_backend_check_duration_seconds_bucket{backend="10.0.0.1:6443",le="+Inf"} 3`,
		`harbinger_backend_check_duration_seconds_sum{backend="10.0.0.1:6443"} 1.512`,
		`harbinger_backend_check_duration_seconds_count{backend="10.0.0.1:6443"} 3`,
	)
	// A backend that was never checked has no time of its last check, and no check that took no time.
	for _, metric := range []string{"last_check_timestamp_seconds", "check_duration_seconds_count", "check_duration_seconds_bucket"} {
		if strings.Contains(body, "harbinger_backend_"+metric+`{backend="10.0.0.2:6443"`) {
			t.Errorf("there is a metric %s of a backend that was not checked", metric)
		}
	}
}

// The page of the status sends readers of haproxy's page to metrics that there are.
func TestPageOfTheStatusKnowsTheMetrics(t *testing.T) {
	page, err := os.ReadFile("../../cmd/harbinger/docs/status.md")
	if err != nil {
		t.Fatal(err)
	}
	m := New("51", "eth0", Known{})
	m.WatchStatus(func() v1alpha1.HarbingerStatus {
		s := full()
		s.Balancer.Backends[0].Checked = new(time.Time)
		return s
	}, []string{"Healthy"})
	m.WatchChecks(checks)
	body, named := scrape(t, m), metricOf.FindAllStringSubmatch(string(page), -1)
	for _, metric := range named {
		if !strings.Contains(body, "# TYPE "+metric[1]+" ") {
			t.Errorf("there is no metric %s", metric[1])
		}
	}
	if len(named) < 15 {
		t.Errorf("only %d metrics are named", len(named))
	}
}
