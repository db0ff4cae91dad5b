// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"cmp"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

// The counters of the balancer process start again with it.
var (
	balancerUp       = desc("balancer_up", "1 while the balancer process runs and reports.")
	balancerRestarts = desc("balancer_restarts_total", "Times the balancer process was started again.")
	balancerSteered  = desc("balancer_steered", "1 while traffic of VIP:port is steered to the balancer beside an apiserver on the same port.")
	balancerDegraded = desc("balancer_degraded", "1 while no backend is healthy, and connections go to those that still accept them.")
	backendsLeftOut  = desc("backends_left_out", "Apiservers that the configuration or the API name and that are not used: see the condition BackendsLeftOut.")
	connections      = desc("connections", "Client connections now.")
	connectionsPeak  = desc("connections_peak", "Most client connections at a time since the balancer process was started.")
	connectionsLimit = desc("connections_limit", "Client connections that the balancer takes at a time: what is configured, or fewer for want of file descriptors. Missing until it is known.")
	accepted         = desc("connections_accepted_total", "Client connections accepted.")
	refused          = desc("connections_refused_total", "Client connections accepted and reset, by reason.", "reason")
	bytesReceived    = desc("bytes_received_total", "Bytes from clients that went on to a backend.")
	bytesSent        = desc("bytes_sent_total", "Bytes to clients.")

	backendHealthy     = desc("backend_healthy", "1 while the backend passes its health checks.", "backend")
	backendState       = desc("backend_state", "1 for the health state of the backend, 0 for the others.", "backend", "state")
	backendAdmin       = desc("backend_admin_state", "1 for the state that `harbinger backend` has given the backend (Ready where it has given none), 0 for the others.", "backend", "state")
	backendSince       = desc("backend_state_since_timestamp_seconds", "When the backend entered its health state.", "backend")
	backendConnections = desc("backend_connections", "Connections to the backend now.", "backend")
	backendTotal       = desc("backend_connections_total", "Connections opened to the backend.", "backend")
	backendFailures    = desc("backend_failures_total", "Connections to the backend that could not be opened.", "backend")
	backendSent        = desc("backend_bytes_sent_total", "Bytes to the backend.", "backend")
	backendReceived    = desc("backend_bytes_received_total", "Bytes from the backend.", "backend")
	backendDowns       = desc("backend_downs_total", "Times the backend went from Healthy or Suspect to NotReady or Down.", "backend")
	backendDowntime    = desc("backend_downtime_seconds_total", "Time that the backend was NotReady or Down.", "backend")
	backendChecked     = desc("backend_last_check_timestamp_seconds", "When the last check of the backend ended. Missing where none has ended yet.", "backend")
	backendChecks      = desc("backend_check_duration_seconds", "How long the checks of the backend took. Missing where none has ended yet.", "backend")
	backendConnects    = desc("backend_connect_seconds", "How long connections to the backend took to be accepted by it. Those that could not be opened are not counted here.", "backend")
	backendAnswers     = desc("backend_first_answer_seconds", "How long after it had accepted a connection the backend sent its first byte. The time until the client has asked is in it.", "backend")
	backendSessions    = desc("backend_session_seconds", "How long connections that the backend served lasted, from the accept of the client to the end.", "backend")
	backendEnded       = desc("backend_connections_ended_total", "Connections that the backend served and that ended, by reason.", "backend", "reason")
)

// collectBalancer collects the figures of the balancer.
func collectBalancer(b v1alpha1.Balancer, states []string, gauge, counter collect) {
	gauge(balancerUp, number(b.Up))
	counter(balancerRestarts, float64(b.Restarts))
	gauge(balancerSteered, number(b.Steered))
	gauge(balancerDegraded, number(b.Degraded))
	gauge(backendsLeftOut, float64(b.LeftOut))
	gauge(connections, float64(b.Active))
	gauge(connectionsPeak, float64(b.Peak))
	if b.Limit > 0 {
		gauge(connectionsLimit, float64(b.Limit))
	}
	counter(accepted, float64(b.Accepted))
	for reason, count := range b.RefusedByReason {
		counter(refused, float64(count), reason)
	}
	counter(bytesReceived, float64(b.Received))
	counter(bytesSent, float64(b.Sent))
	for _, x := range b.Backends {
		collectBackend(x, states, gauge, counter)
	}
}

func collectBackend(x v1alpha1.Backend, states []string, gauge, counter collect) {
	gauge(backendHealthy, number(x.Healthy), x.Address)
	for _, state := range states {
		gauge(backendState, number(x.State == state), x.Address, state)
	}
	for _, state := range balance.AdminStates() {
		gauge(backendAdmin, number(cmp.Or(x.Admin, string(balance.Ready)) == string(state)), x.Address, string(state))
	}
	gauge(backendSince, seconds(x.Since.UnixMilli()), x.Address)
	gauge(backendConnections, float64(x.Connections), x.Address)
	counter(backendTotal, float64(x.Total), x.Address)
	counter(backendFailures, float64(x.Failures), x.Address)
	counter(backendSent, float64(x.Sent), x.Address)
	counter(backendReceived, float64(x.Received), x.Address)
	counter(backendDowns, float64(x.Downs), x.Address)
	downtime, _ := time.ParseDuration(x.Downtime) // it was written by the same program; empty: none
	counter(backendDowntime, downtime.Seconds(), x.Address)
	if x.Checked != nil {
		gauge(backendChecked, seconds(x.Checked.UnixMilli()), x.Address)
	}
}

// WatchChecks collects from report, at each scrape, how long the checks of each backend took.
func (m *Metrics) WatchChecks(report func() map[string]health.Durations) {
	if m != nil {
		m.registry.MustRegister(checkCollector(report))
	}
}

type checkCollector func() map[string]health.Durations

// Describe implements prometheus.Collector. It names no metric: which backends there are depends on the report.
func (c checkCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c checkCollector) Collect(ch chan<- prometheus.Metric) {
	for backend, d := range c() {
		if d.Count == 0 {
			continue
		}
		buckets := map[float64]uint64{}
		for i, bound := range health.Bounds {
			buckets[bound.Seconds()] = d.UpTo[i]
		}
		ch <- prometheus.MustNewConstHistogram(backendChecks, d.Count, d.Sum.Seconds(), buckets, backend)
	}
}

// WatchSessions collects from report, at each scrape, what the sessions of each backend came to.
func (m *Metrics) WatchSessions(report func() map[string]session.Figures) {
	if m != nil {
		m.registry.MustRegister(sessionCollector(report))
	}
}

type sessionCollector func() map[string]session.Figures

// Describe implements prometheus.Collector. It names no metric: which backends there are depends on the report.
func (c sessionCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c sessionCollector) Collect(ch chan<- prometheus.Metric) {
	for backend, f := range c() {
		ch <- histogram(backendConnects, &session.QuickBounds, f.Connects, backend)
		ch <- histogram(backendAnswers, &session.QuickBounds, f.Answers, backend)
		ch <- histogram(backendSessions, &session.LastedBounds, f.Lasted, backend)
		for why, count := range f.Ended {
			ch <- prometheus.MustNewConstMetric(backendEnded, prometheus.CounterValue, float64(count), backend, why.String())
		}
	}
}

// histogram makes a metric of durations.
func histogram(metric *prometheus.Desc, bounds *session.Bounds, d session.Durations, backend string) prometheus.Metric {
	upTo, buckets := uint64(0), map[float64]uint64{}
	for i, bound := range bounds {
		upTo += d.In[i]
		buckets[bound.Seconds()] = upTo
	}
	return prometheus.MustNewConstHistogram(metric, upTo+d.In[len(bounds)], d.Sum.Seconds(), buckets, backend)
}
