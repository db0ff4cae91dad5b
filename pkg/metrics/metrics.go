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
	unserved    *prometheus.HistogramVec
	sent        *prometheus.CounterVec
	received    prometheus.Counter
	dropped     *prometheus.CounterVec
	alarms      *prometheus.CounterVec
	probes      *prometheus.CounterVec
	checks      *prometheus.CounterVec
	failures    *prometheus.CounterVec
	announced   prometheus.Counter
	late        prometheus.Histogram
	jitter      prometheus.Histogram
	asked       *prometheus.HistogramVec
	consulted   *prometheus.CounterVec
	answers     *prometheus.HistogramVec
}

// Known are the values of labels that are known beforehand. A counter of each starts at zero, so that a rate can be taken from the first
// event on.
type Known struct {
	States      []string // of the election
	DropReasons []string // to refuse a packet
	Acquired    []string // causes for which the addresses come to this node
	Released    []string // causes for which they leave it
	Alarms      []string
}

// New returns the metrics of the virtual router vrid on an interface.
func New(vrid, iface string, known Known) *Metrics {
	o := options{"vrid": vrid, "interface": iface}
	m := &Metrics{
		registry:    prometheus.NewRegistry(),
		state:       o.gauges("vrrp_state", "1 for the state of the virtual router, 0 for the others.", "state"),
		priority:    prometheus.NewGauge(o.gauge("vrrp_priority", "Priority that this node advertises or would advertise.")),
		held:        prometheus.NewGauge(o.gauge("vip_held", "1 while this node holds the virtual addresses.")),
		transitions: o.counters("vrrp_transitions_total", "Changes of state.", "from", "to"),
		moves:       o.counters("vip_moves_total", "Times the virtual addresses came to this node (acquired) or left it (released), by the cause in one word.", "direction", "reason"),
		unserved: o.histograms("vip_unserved_seconds", "How long nobody served the virtual addresses before this node took them, as far as it knows: from the last sign of a "+
			"holder to its own first advertisement, by the cause of the move in one word. 0: no longer than two advertisements are apart.",
			[]float64{.01, .02, .05, .08, .1, .15, .2, .5, .7, 1, 2, 5, 10}, "reason"),
		sent:      o.counters("vrrp_advertisements_sent_total", "Advertisements sent, by kind: ordinary, or release (priority 0).", "kind"),
		received:  prometheus.NewCounter(o.counter("vrrp_advertisements_received_total", "Advertisements received and accepted.")),
		dropped:   o.counters("vrrp_advertisements_dropped_total", "Packets of protocol 112 refused, by reason. vrid are those of other virtual routers on the link.", "reason"),
		alarms:    o.counters("alarms_total", "Alarms of the election, by kind.", "kind"),
		probes:    o.counters("vip_probes_total", "Identity probes of the virtual address, by verdict.", "verdict"),
		checks:    o.counters("holder_checks_total", "Checks of the port of the control plane at the virtual address that another node holds, by what it answered.", "finding"),
		failures:  o.counters("action_failures_total", "Actions on the host that failed, by action.", "action"),
		announced: prometheus.NewCounter(o.counter("announcements_total", "Gratuitous ARP requests and unsolicited neighbour advertisements sent.")),
		late:      prometheus.NewHistogram(o.histogram("loop_lateness_seconds", "How late the control loop met its deadlines.", .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 3)),
		jitter: prometheus.NewHistogram(o.histogram("vrrp_advertisement_jitter_seconds",
			"By how much the time between two advertisements of one holder, as the control loop read them, differed from the interval that they name.",
			.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2)),
		asked: o.histograms("question_seconds", "How long the questions of the election to other hosts took: probe (who has the virtual address), holder (is the control "+
			"plane reached there), peers (who answers), rehearsal (would clients reach this node), predecessor (the Lease of kube-vip). Missing for those that were never asked.",
			[]float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1}, "question"),
		consulted: o.counters("lease_questions_total", "Reads and writes of the Lease, by outcome.", "kind", "outcome"),
		answers: o.histograms("lease_answer_seconds", "How long reads and writes of the Lease took.",
			[]float64{.005, .01, .02, .05, .1, .2, .5, .7}, "kind"),
	}
	known.start(m)
	m.registry.MustRegister(m.state, m.priority, m.held, m.transitions, m.moves, m.unserved, m.sent, m.received, m.dropped, m.alarms,
		m.probes, m.checks, m.failures, m.announced, m.late, m.jitter, m.asked, m.consulted, m.answers, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewBuildInfoCollector())
	return m
}

// start makes the counters of the values that are known.
func (k Known) start(m *Metrics) {
	for _, s := range k.States {
		m.state.WithLabelValues(s)
	}
	for _, r := range k.DropReasons {
		m.dropped.WithLabelValues(r)
	}
	for _, r := range k.Acquired {
		m.moves.WithLabelValues("acquired", r)
		m.unserved.WithLabelValues(r)
	}
	for _, r := range k.Released {
		m.moves.WithLabelValues("released", r)
	}
	for _, a := range k.Alarms {
		m.alarms.WithLabelValues(a)
	}
}

// options are the labels that each metric of a virtual router has.
type options prometheus.Labels

func (o options) counter(name, help string) prometheus.CounterOpts {
	return prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help, ConstLabels: prometheus.Labels(o)}
}

func (o options) counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(o.counter(name, help), labels)
}

func (o options) gauge(name, help string) prometheus.GaugeOpts {
	return prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help, ConstLabels: prometheus.Labels(o)}
}

func (o options) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(o.gauge(name, help), labels)
}

func (o options) histogram(name, help string, buckets ...float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, ConstLabels: prometheus.Labels(o), Buckets: buckets}
}

func (o options) histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(o.histogram(name, help, buckets...), labels)
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

// Held records whether this node holds the virtual addresses, and counts the change as a move for a cause.
func (m *Metrics) Held(held bool, cause string) {
	switch {
	case m == nil:
	case held:
		m.held.Set(1)
		m.moves.WithLabelValues("acquired", cause).Inc()
	default:
		m.held.Set(0)
		m.moves.WithLabelValues("released", cause).Inc()
	}
}

// Unserved observes how many seconds nobody served the virtual addresses before this node took them for a cause.
func (m *Metrics) Unserved(cause string, seconds float64) {
	if m != nil {
		m.unserved.WithLabelValues(cause).Observe(seconds)
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

// Checked counts a check of the holder under its finding.
func (m *Metrics) Checked(finding string) {
	if m != nil {
		m.checks.WithLabelValues(finding).Inc()
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

// Jitter observes by how many seconds an advertisement came earlier or later than the one before it had promised.
func (m *Metrics) Jitter(seconds float64) {
	if m != nil {
		m.jitter.Observe(seconds)
	}
}

// Asked observes how many seconds a question to other hosts took.
func (m *Metrics) Asked(question string, seconds float64) {
	if m != nil {
		m.asked.WithLabelValues(question).Observe(seconds)
	}
}
