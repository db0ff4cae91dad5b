// SPDX-License-Identifier: Apache-2.0

// Package metrics holds every Prometheus metric of the program, on a registry of its own. It measures nothing itself:
// the packages that do something report it here, and a nil *Metrics takes reports and does nothing.
package metrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const namespace = "harbinger"

// Metrics are the metrics of one virtual router and its balancer.
type Metrics struct {
	registry    *prometheus.Registry
	state       *prometheus.GaugeVec
	priority    prometheus.Gauge
	held        prometheus.Gauge
	transitions *prometheus.CounterVec
	moves       *prometheus.CounterVec
	sent        *prometheus.CounterVec
	received    prometheus.Counter
	dropped     *prometheus.CounterVec
	alarms      *prometheus.CounterVec
	probes      *prometheus.CounterVec
	failures    *prometheus.CounterVec
	announced   prometheus.Counter
	late        prometheus.Histogram
	consulted   *prometheus.CounterVec
	answers     *prometheus.HistogramVec
}

// New returns the metrics of the virtual router vrid on an interface. Every counter of a label that is known beforehand
// (states, dropReasons) starts at zero, so that a rate can be taken from the first event on.
func New(vrid, iface string, states, dropReasons []string) *Metrics {
	labels := prometheus.Labels{"vrid": vrid, "interface": iface}
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help, ConstLabels: labels}
	}
	gauge := func(name, help string) prometheus.GaugeOpts {
		return prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help, ConstLabels: labels}
	}
	m := &Metrics{
		registry:    prometheus.NewRegistry(),
		state:       prometheus.NewGaugeVec(gauge("vrrp_state", "1 for the state of the virtual router, 0 for the others."), []string{"state"}),
		priority:    prometheus.NewGauge(gauge("vrrp_priority", "Priority that this node advertises or would advertise.")),
		held:        prometheus.NewGauge(gauge("vip_held", "1 while this node holds the virtual addresses.")),
		transitions: prometheus.NewCounterVec(counter("vrrp_transitions_total", "Changes of state."), []string{"from", "to"}),
		moves:       prometheus.NewCounterVec(counter("vip_moves_total", "Times the virtual addresses came to this node or left it."), []string{"direction"}),
		sent:        prometheus.NewCounterVec(counter("vrrp_advertisements_sent_total", "Advertisements sent, by kind: ordinary, or release (priority 0)."), []string{"kind"}),
		received:    prometheus.NewCounter(counter("vrrp_advertisements_received_total", "Advertisements received and accepted.")),
		dropped:     prometheus.NewCounterVec(counter("vrrp_advertisements_dropped_total", "Packets of protocol 112 refused, by reason."), []string{"reason"}),
		alarms:      prometheus.NewCounterVec(counter("alarms_total", "Alarms of the election, by kind."), []string{"kind"}),
		probes:      prometheus.NewCounterVec(counter("vip_probes_total", "Identity probes of the virtual address, by verdict."), []string{"verdict"}),
		failures:    prometheus.NewCounterVec(counter("action_failures_total", "Actions on the host that failed, by action."), []string{"action"}),
		announced:   prometheus.NewCounter(counter("announcements_total", "Gratuitous ARP requests and unsolicited neighbour advertisements sent.")),
		late: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: "loop_lateness_seconds", ConstLabels: labels,
			Help: "How late the control loop met its deadlines.", Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 3}}),
	}
	m.consulted = prometheus.NewCounterVec(counter("lease_questions_total", "Reads and writes of the Lease, by outcome."), []string{"kind", "outcome"})
	m.answers = prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: "lease_answer_seconds", ConstLabels: labels,
		Help: "How long reads and writes of the Lease took.", Buckets: []float64{.005, .01, .02, .05, .1, .2, .5, .7}}, []string{"kind"})
	for _, s := range states {
		m.state.WithLabelValues(s)
	}
	for _, r := range dropReasons {
		m.dropped.WithLabelValues(r)
	}
	for _, d := range []string{"acquired", "released"} {
		m.moves.WithLabelValues(d)
	}
	m.registry.MustRegister(m.state, m.priority, m.held, m.transitions, m.moves, m.sent, m.received, m.dropped, m.alarms,
		m.probes, m.failures, m.announced, m.late, m.consulted, m.answers, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewBuildInfoCollector())
	return m
}

// Handler serves the metrics in the text format of Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// StateChanged counts a transition and shows the new state. An empty from is the state at the start.
func (m *Metrics) StateChanged(from, to string) {
	if m == nil {
		return
	}
	if from != "" {
		m.state.WithLabelValues(from).Set(0)
		m.transitions.WithLabelValues(from, to).Inc()
	}
	m.state.WithLabelValues(to).Set(1)
}

// Priority shows the effective priority.
func (m *Metrics) Priority(p uint8) {
	if m != nil {
		m.priority.Set(float64(p))
	}
}

// Held records whether this node holds the virtual addresses, and counts the change as a move.
func (m *Metrics) Held(held bool) {
	switch {
	case m == nil:
	case held:
		m.held.Set(1)
		m.moves.WithLabelValues("acquired").Inc()
	default:
		m.held.Set(0)
		m.moves.WithLabelValues("released").Inc()
	}
}

// Sent counts an advertisement of a priority.
func (m *Metrics) Sent(priority uint8) {
	if m == nil {
		return
	}
	kind := "ordinary"
	if priority == 0 {
		kind = "release"
	}
	m.sent.WithLabelValues(kind).Inc()
}

// Received counts an accepted advertisement.
func (m *Metrics) Received() {
	if m != nil {
		m.received.Inc()
	}
}

// Dropped counts a refused packet under its reason.
func (m *Metrics) Dropped(reason string) {
	if m != nil {
		m.dropped.WithLabelValues(reason).Inc()
	}
}

// Alarm counts an alarm of the election.
func (m *Metrics) Alarm(kind string) {
	if m != nil {
		m.alarms.WithLabelValues(kind).Inc()
	}
}

// Probed counts an identity probe under its verdict.
func (m *Metrics) Probed(verdict string) {
	if m != nil {
		m.probes.WithLabelValues(verdict).Inc()
	}
}

// Failed counts an action on the host that failed.
func (m *Metrics) Failed(action string) {
	if m != nil {
		m.failures.WithLabelValues(action).Inc()
	}
}

// Announced counts one announcement of one virtual address.
func (m *Metrics) Announced() {
	if m != nil {
		m.announced.Inc()
	}
}

// Consulted counts a question for the Lease (read or write) under its outcome, and how many seconds it took.
func (m *Metrics) Consulted(kind, outcome string, seconds float64) {
	if m != nil {
		m.consulted.WithLabelValues(kind, outcome).Inc()
		m.answers.WithLabelValues(kind).Observe(seconds)
	}
}

// Late observes how many seconds after its deadline the control loop turned.
func (m *Metrics) Late(seconds float64) {
	if m != nil {
		m.late.Observe(seconds)
	}
}
