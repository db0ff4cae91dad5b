// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

const monitoring = "../../manifests/monitoring/"

var (
	metricOf = regexp.MustCompile(`(harbinger_[a-z_0-9]+)(?:\{([^}]*)\})?`)
	labelOf  = regexp.MustCompile(`([a-z_]+)\s*[=!]~?`)
	groupOf  = regexp.MustCompile(`(?:by|on) \(([^)]*)\)`)
)

// rules has the fields of a file of Prometheus rules that are used.
type rules struct {
	Groups []struct {
		Name  string `json:"name"`
		Rules []rule `json:"rules"`
	} `json:"groups"`
}

type rule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// Each alert and each panel asks for metrics and labels that there are.
func TestMonitoringKnowsTheMetrics(t *testing.T) {
	labels := exposed(t)
	asked := 0
	for name, rule := range alerts(t) {
		asked += ask(t, name, rule.Expr, labels)
		if rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
			t.Errorf("%s has no severity, no summary or no description", name)
		}
	}
	for _, panel := range readDashboard(t).Panels {
		for _, target := range panel.Targets {
			asked += ask(t, panel.Title, target.Expr, labels)
		}
	}
	if asked < 20 {
		t.Errorf("only %d metrics were found in the expressions", asked)
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(monitoring + name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// ofTheScrape are labels that Prometheus adds, or whoever configures it.
var ofTheScrape = []string{"instance", "job", "cluster"}

// everything is a scrape that has each metric.
func everything(t *testing.T) string {
	t.Helper()
	m := New("51", "eth0", Known{States: []string{"Backup"}, DropReasons: []string{"checksum"}, Acquired: []string{"preemption"}, Alarms: []string{"Forged"}})
	m.StateChanged("Backup", "Active")
	m.Asked("probe", 0.1)
	m.Checked("Answers")
	m.Sent(100)
	m.Alarm("Filtered")
	m.Probed("Free")
	m.Failed("acquire")
	m.Consulted("read", "Answered", 0.01)
	m.WatchStatus(func() v1alpha1.HarbingerStatus {
		s := full()
		s.Balancer.Backends[0].Checked = &s.VirtualRouter.Since
		return s
	}, []string{"Healthy"})
	m.WatchChecks(checks)
	m.WatchSessions(sessions)
	return scrape(t, m)
}

// exposed returns the labels of each metric of a scrape, by the metric's name.
func exposed(t *testing.T) map[string][]string {
	t.Helper()
	labels := map[string][]string{}
	for _, line := range strings.Split(everything(t), "\n") {
		name, rest, _ := strings.Cut(line, " ")
		name, of, _ := strings.Cut(name, "{")
		if !strings.HasPrefix(line, "#") && rest != "" {
			for _, label := range labelOf.FindAllStringSubmatch(of, -1) {
				labels[name] = append(labels[name], label[1])
			}
			labels[name] = append(labels[name], ofTheScrape...)
		}
	}
	return labels
}

// ask checks an expression and returns how many metrics it names.
func ask(t *testing.T, where, expr string, labels map[string][]string) int {
	t.Helper()
	metrics := metricOf.FindAllStringSubmatch(expr, -1)
	if len(metrics) == 0 {
		t.Errorf("%s: no metric in %q", where, expr)
	}
	var groups []string
	for _, group := range groupOf.FindAllStringSubmatch(expr, -1) {
		groups = append(groups, strings.Split(group[1], ", ")...)
	}
	if strings.Contains(expr, "group_left") { // a join: the one metric has the labels that the other one has not
		var joined []string
		for _, metric := range metrics {
			joined = append(joined, labels[metric[1]]...)
		}
		for _, label := range groups {
			if !slices.Contains(joined, label) {
				t.Errorf("%s: no metric has a label %s", where, label)
			}
		}
		groups = nil
	}
	for _, metric := range metrics {
		if labels[metric[1]] == nil {
			t.Errorf("%s: there is no metric %s", where, metric[1])
		}
		wanted := slices.Clone(groups)
		for _, label := range labelOf.FindAllStringSubmatch(metric[2], -1) {
			wanted = append(wanted, label[1])
		}
		for _, label := range wanted {
			if !slices.Contains(labels[metric[1]], label) {
				t.Errorf("%s: %s has no label %s", where, metric[1], label)
			}
		}
	}
	return len(metrics)
}
