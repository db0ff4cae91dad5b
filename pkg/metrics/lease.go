// SPDX-License-Identifier: Apache-2.0

package metrics

import "github.com/prometheus/client_golang/prometheus"

// Consulted counts a question for the Lease (read or write) under its outcome, and how many seconds it took.
func (m *Metrics) Consulted(kind, outcome string, seconds float64) {
	if m != nil {
		m.consulted.WithLabelValues(kind, outcome).Inc()
		m.answers.WithLabelValues(kind).Observe(seconds)
	}
}

// Lease is what is known of the Lease at one moment.
type Lease struct {
	Arbitrates     bool    // it decides who holds the virtual addresses
	Epoch          int     // as it was last read or written
	Held           bool    // this node is its holder
	SplitSuspected bool    // its holder renews it, or serves, but is not heard
	Expires        float64 // when the client certificate does, in seconds since 1970; 0: there is none
}

// WatchLease collects the metrics of the Lease from report at each scrape.
func (m *Metrics) WatchLease(report func() Lease) {
	if m != nil {
		m.registry.MustRegister(newLeaseCollector(report))
	}
}

type leaseCollector struct {
	report                                  func() Lease
	arbitrates, epoch, held, split, expires *prometheus.Desc
}

func newLeaseCollector(report func() Lease) *leaseCollector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, nil, nil)
	}
	return &leaseCollector{
		report:     report,
		arbitrates: desc("lease_arbitrates", "1 while the Lease decides who holds the virtual addresses, 0 while VRRP does alone."),
		epoch:      desc("lease_epoch", "Epoch of the Lease as this node knows it."),
		held:       desc("lease_held", "1 while this node is the holder of the Lease."),
		split:      desc("split_suspected", "1 while the holder lives but is not heard: is protocol 112 filtered?"),
		expires:    desc("client_certificate_expiry_timestamp_seconds", "When the certificate in the kubeconfig expires, 0 without one."),
	}
}

// Describe implements prometheus.Collector.
func (c *leaseCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.arbitrates, c.epoch, c.held, c.split, c.expires} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *leaseCollector) Collect(ch chan<- prometheus.Metric) {
	r := c.report()
	for d, v := range map[*prometheus.Desc]float64{
		c.arbitrates: number(r.Arbitrates), c.epoch: float64(r.Epoch), c.held: number(r.Held), c.split: number(r.SplitSuspected), c.expires: r.Expires,
	} {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
}
