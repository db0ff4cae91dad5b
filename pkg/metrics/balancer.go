// SPDX-License-Identifier: Apache-2.0

package metrics

import "github.com/prometheus/client_golang/prometheus"

// Balancer is what the balancer reports at one moment.
type Balancer struct {
	Up       bool   // the balancer process runs and reports
	Restarts uint64 // times it was started again
	Steered  bool   // traffic of VIP:port is steered to the balancer
	Active   int    // client connections now
	Accepted uint64 // client connections accepted
	Refused  uint64 // client connections closed for want of a backend or by a limit
	Backends []Backend
}

// Backend is what the balancer reports of one backend.
type Backend struct {
	Address     string
	Healthy     bool
	Connections int    // connections now
	Total       uint64 // connections opened
	Failures    uint64 // dials that failed
}

// WatchBalancer collects the balancer's metrics from report at each scrape.
func (m *Metrics) WatchBalancer(report func() Balancer) {
	if m != nil {
		m.registry.MustRegister(newBalancerCollector(report))
	}
}

type balancerCollector struct {
	report                                          func() Balancer
	up, restarts, steered, active, accepted, refuse *prometheus.Desc
	healthy, connections, total, failures           *prometheus.Desc
}

func newBalancerCollector(report func() Balancer) *balancerCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
	}
	return &balancerCollector{
		report:      report,
		up:          desc("balancer_up", "1 while the balancer process runs and reports."),
		restarts:    desc("balancer_restarts_total", "Times the balancer process was started again."),
		steered:     desc("balancer_steered", "1 while traffic of VIP:port is steered to the balancer beside an apiserver on the same port."),
		active:      desc("connections", "Client connections now."),
		accepted:    desc("connections_accepted_total", "Client connections accepted."),
		refuse:      desc("connections_refused_total", "Client connections closed for want of a backend or by a limit."),
		healthy:     desc("backend_healthy", "1 while the backend passes its health checks.", "backend"),
		connections: desc("backend_connections", "Connections to the backend now.", "backend"),
		total:       desc("backend_connections_total", "Connections opened to the backend.", "backend"),
		failures:    desc("backend_failures_total", "Connections to the backend that could not be opened.", "backend"),
	}
}

// Describe implements prometheus.Collector.
func (c *balancerCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.up, c.restarts, c.steered, c.active, c.accepted, c.refuse, c.healthy, c.connections, c.total, c.failures} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *balancerCollector) Collect(ch chan<- prometheus.Metric) {
	r := c.report()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(c.up, number(r.Up))
	counter(c.restarts, r.Restarts)
	gauge(c.steered, number(r.Steered))
	gauge(c.active, float64(r.Active))
	counter(c.accepted, r.Accepted)
	counter(c.refuse, r.Refused)
	for _, b := range r.Backends {
		gauge(c.healthy, number(b.Healthy), b.Address)
		gauge(c.connections, float64(b.Connections), b.Address)
		counter(c.total, b.Total, b.Address)
		counter(c.failures, b.Failures, b.Address)
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
