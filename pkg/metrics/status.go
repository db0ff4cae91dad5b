// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// WatchStatus collects the metrics of the balancer, its backends and the Lease from report at each scrape. States are the
// health states that a backend can have.
func (m *Metrics) WatchStatus(report func() v1alpha1.HarbingerStatus, states []string) {
	if m != nil {
		m.registry.MustRegister(&statusCollector{report: report, states: states})
	}
}

type statusCollector struct {
	report func() v1alpha1.HarbingerStatus
	states []string
}

// desc is one metric of a status.
func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

var (
	balancerUp       = desc("balancer_up", "1 while the balancer process runs and reports.")
	balancerRestarts = desc("balancer_restarts_total", "Times the balancer process was started again.")
	balancerSteered  = desc("balancer_steered", "1 while traffic of VIP:port is steered to the balancer beside an apiserver on the same port.")
	balancerDegraded = desc("balancer_degraded", "1 while no backend is healthy, and connections go to those that still accept them.")
	connections      = desc("connections", "Client connections now.")
	accepted         = desc("connections_accepted_total", "Client connections accepted.")
	refused          = desc("connections_refused_total", "Client connections reset because there was no backend or a limit was reached.")

	backendHealthy     = desc("backend_healthy", "1 while the backend passes its health checks.", "backend")
	backendState       = desc("backend_state", "1 for the health state of the backend, 0 for the others.", "backend", "state")
	backendConnections = desc("backend_connections", "Connections to the backend now.", "backend")
	backendTotal       = desc("backend_connections_total", "Connections opened to the backend.", "backend")
	backendFailures    = desc("backend_failures_total", "Connections to the backend that could not be opened.", "backend")

	splitSuspected  = desc("split_suspected", "1 while the holder lives but is not heard: is protocol 112 filtered?")
	filtered        = desc("filtered", "1 for what a firewall keeps from passing between this node and another one: protocol 112 or the identity port, direction in, out or unknown.", "protocol", "peer", "direction")
	leaseArbitrates = desc("lease_arbitrates", "1 while the Lease decides who holds the virtual addresses, 0 while VRRP does alone.")
	leaseEpoch      = desc("lease_epoch", "Epoch of the Lease as this node knows it.")
	leaseHeld       = desc("lease_held", "1 while this node is the holder of the Lease.")
	expiry          = desc("client_certificate_expiry_timestamp_seconds", "When the certificate in the kubeconfig expires, 0 without one.")
)

// Describe implements prometheus.Collector. It names no metric: which there are depends on the status.
func (c *statusCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *statusCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.report()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	b := s.Balancer
	gauge(balancerUp, number(b.Up))
	counter(balancerRestarts, b.Restarts)
	gauge(balancerSteered, number(b.Steered))
	gauge(balancerDegraded, number(b.Degraded))
	gauge(connections, float64(b.Active))
	counter(accepted, b.Accepted)
	counter(refused, b.Refused)
	for _, x := range b.Backends {
		gauge(backendHealthy, number(x.Healthy), x.Address)
		for _, state := range c.states {
			gauge(backendState, number(x.State == state), x.Address, state)
		}
		gauge(backendConnections, float64(x.Connections), x.Address)
		counter(backendTotal, x.Total, x.Address)
		counter(backendFailures, x.Failures, x.Address)
	}
	gauge(splitSuspected, number(s.VirtualRouter.SplitSuspected))
	for _, x := range s.VirtualRouter.Filtered {
		gauge(filtered, 1, x.Protocol, x.Peer, x.Direction)
	}
	if s.Lease != nil {
		gauge(leaseArbitrates, number(s.VirtualRouter.Arbiter == "lease"))
		gauge(leaseEpoch, float64(s.Lease.Epoch))
		gauge(leaseHeld, number(s.VirtualRouter.Epoch > 0))
	}
	if s.API != nil {
		expires := 0.0
		if s.API.Expires != nil {
			expires = float64(s.API.Expires.Unix())
		}
		gauge(expiry, expires)
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
