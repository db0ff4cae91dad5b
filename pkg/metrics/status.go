// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"time"

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
	splitSuspected  = desc("split_suspected", "1 while the holder lives but is not heard: is protocol 112 filtered?")
	filtered        = desc("filtered", "1 for what a firewall keeps from passing between this node and another one: protocol 112 or the identity port, direction in, out or unknown.", "protocol", "peer", "direction")
	activeKey       = desc("vrrp_signing_active_key_id", "ID of the key that this node signs advertisements with.")
	clockBad        = desc("vrrp_signing_clock_unsynchronised", "1 while nothing keeps the clock of this host right, on which signed advertisements depend.")
	peerKey         = desc("vrrp_signing_peer_key_id", "ID of the key that the last accepted advertisement of the peer was signed with.", "peer")
	peerSkew        = desc("vrrp_signing_peer_skew_seconds", "By how much the clock of the peer was ahead of this node's at its last signed advertisement.", "peer")
	peerUnsigned    = desc("vrrp_signing_unsigned_total", "Advertisements accepted without a signature.", "peer")
	peersAsked      = desc("peers_asked", "Addresses of peers that were asked last whether this node reaches them.")
	peersReached    = desc("peers_reached", "Those of them that proved that they answer.")
	gatewayAnswers  = desc("gateway_answers", "1 while the gateway answers, 0 while it does not. Missing where there is none.")
	isolated        = desc("isolated", "1 while this node reaches fewer peers than a majority, and takes nothing from a holder.")
	unreachable     = desc("unreachable", "1 while most peers cannot reach the virtual addresses at this node.")
	witnessFailures = desc("witness_failures", "Checks in a row in which this node did not reach the virtual addresses at the holder. Missing where it checks nobody.")
	fencedNow       = desc("fenced", "1 while a fence keeps the virtual addresses of a killed or frozen process off the wire, 0 where there is none.")
	fencePutBack    = desc("fence_put_back_total", "Times that something on this host had removed the fence, and it was put back.")
	leaseArbitrates = desc("lease_arbitrates", "1 while the Lease decides who holds the virtual addresses, 0 while VRRP does alone.")
	leaseEpoch      = desc("lease_epoch", "Epoch of the Lease as this node knows it.")
	leaseHeld       = desc("lease_held", "1 while this node is the holder of the Lease.")
	expiry          = desc("client_certificate_expiry_timestamp_seconds", "When the certificate in the kubeconfig expires. Missing without one.")
)

// collect hands over one value of a metric.
type collect func(d *prometheus.Desc, v float64, labels ...string)

// collects returns what collects the metrics of one type.
func collects(ch chan<- prometheus.Metric, of prometheus.ValueType) collect {
	return func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, of, v, labels...)
	}
}

// Describe implements prometheus.Collector. It names no metric: which there are depends on the status.
func (c *statusCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *statusCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.report()
	gauge, counter := collects(ch, prometheus.GaugeValue), collects(ch, prometheus.CounterValue)
	collectBalancer(s.Balancer, c.states, gauge, counter)
	gauge(splitSuspected, number(s.VirtualRouter.SplitSuspected))
	for _, x := range s.VirtualRouter.Filtered {
		gauge(filtered, 1, x.Protocol, x.Peer, x.Direction)
	}
	collectSigning(s.VirtualRouter.Signing, gauge, counter)
	collectProofs(s.VirtualRouter, gauge)
	if f := s.VirtualRouter.Fence; f != nil {
		gauge(fencedNow, number(f.State != "Absent" && f.Reason == ""))
		counter(fencePutBack, float64(f.PutBack))
	}
	if s.Lease != nil {
		gauge(leaseArbitrates, number(s.VirtualRouter.Arbiter == "lease"))
		gauge(leaseEpoch, float64(s.Lease.Epoch))
		gauge(leaseHeld, number(s.VirtualRouter.Epoch > 0))
	}
	if s.API != nil && s.API.Expires != nil {
		gauge(expiry, float64(s.API.Expires.Unix()))
	}
	collectFindings(s, gauge)
	collectTimes(s.VirtualRouter, gauge)
	collectHosts(s, gauge)
}

// collectSigning collects the metrics of signed advertisements. The peers are few: see v1alpha1.Signing.
func collectSigning(s *v1alpha1.Signing, gauge, counter collect) {
	if s == nil {
		return
	}
	gauge(activeKey, float64(s.ActiveKey))
	gauge(clockBad, number(s.ClockUnsynchronised))
	for _, p := range s.Peers {
		counter(peerUnsigned, float64(p.Unsigned), p.Address)
		if p.Signed != nil {
			skew, _ := time.ParseDuration(p.Skew) // it was written by the same program
			gauge(peerKey, float64(p.Key), p.Address)
			gauge(peerSkew, skew.Seconds(), p.Address)
		}
	}
}

// collectProofs collects whom this node reaches, and what it finds of the holder.
func collectProofs(r v1alpha1.VirtualRouter, gauge collect) {
	gauge(isolated, number(r.Isolated))
	gauge(unreachable, number(r.Unreachable))
	if r.Reach != nil {
		reached := 0
		for _, peer := range r.Reach.Peers {
			if peer.Reached {
				reached++
			}
		}
		gauge(peersAsked, float64(len(r.Reach.Peers)))
		gauge(peersReached, float64(reached))
		if r.Reach.Gateway.Address != "" {
			gauge(gatewayAnswers, number(r.Reach.Gateway.Finding == "Answers"))
		}
	}
	if r.Witness != nil {
		gauge(witnessFailures, float64(r.Witness.Failures))
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
