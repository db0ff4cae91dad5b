// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

const monitoring = "../../manifests/monitoring/"

var (
	metricOf = regexp.MustCompile(`(harbinger_[a-z_]+)(?:\{([^}]*)\})?`)
	labelOf  = regexp.MustCompile(`([a-z_]+)\s*[=!]~?`)
	groupOf  = regexp.MustCompile(`by \(([^)]*)\)`)
)

// rules has the fields of a file of Prometheus rules that are used.
type rules struct {
	Groups []struct {
		Name  string `json:"name"`
		Rules []struct {
			Alert       string            `json:"alert"`
			Expr        string            `json:"expr"`
			For         string            `json:"for"`
			Labels      map[string]string `json:"labels"`
			Annotations map[string]string `json:"annotations"`
		} `json:"rules"`
	} `json:"groups"`
}

// dashboard has the fields of a Grafana dashboard that hold expressions.
type dashboard struct {
	Panels []struct {
		Title   string `json:"title"`
		Targets []struct {
			Expr   string `json:"expr"`
			Legend string `json:"legendFormat"`
		} `json:"targets"`
	} `json:"panels"`
}

// Each alert and each panel asks for metrics and labels that there are.
func TestMonitoringKnowsTheMetrics(t *testing.T) {
	labels := exposed(t)
	var alerts rules
	if err := yaml.UnmarshalStrict(read(t, "alerts.yaml"), &alerts); err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, group := range alerts.Groups {
		for _, rule := range group.Rules {
			asked += ask(t, rule.Alert, rule.Expr, labels)
			if rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" {
				t.Errorf("%s has no severity or no summary", rule.Alert)
			}
		}
	}
	var d dashboard
	if err := json.Unmarshal(read(t, "dashboard.json"), &d); err != nil {
		t.Fatal(err)
	}
	for _, panel := range d.Panels {
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

// exposed returns the labels of each metric of a scrape, by the metric's name.
func exposed(t *testing.T) map[string][]string {
	t.Helper()
	m := New("51", "eth0", []string{"Backup"}, []string{"checksum"})
	m.StateChanged("Backup", "Active")
	m.Sent(100)
	m.Alarm("Filtered")
	m.Probed("Free")
	m.Failed("acquire")
	m.Consulted("read", "Answered", 0.01)
	m.WatchStatus(full, []string{"Healthy"})
	labels := map[string][]string{}
	for _, line := range strings.Split(scrape(t, m), "\n") {
		name, rest, _ := strings.Cut(line, " ")
		name, of, _ := strings.Cut(name, "{")
		if !strings.HasPrefix(line, "#") && rest != "" {
			for _, label := range labelOf.FindAllStringSubmatch(of, -1) {
				labels[name] = append(labels[name], label[1])
			}
			labels[name] = append(labels[name], "instance") // of the scrape
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
	for _, metric := range metrics {
		if labels[metric[1]] == nil {
			t.Errorf("%s: there is no metric %s", where, metric[1])
		}
		wanted := labelOf.FindAllStringSubmatch(metric[2], -1)
		for _, group := range groupOf.FindAllStringSubmatch(expr, -1) {
			for label := range strings.SplitSeq(group[1], ", ") {
				wanted = append(wanted, []string{"", label})
			}
		}
		for _, label := range wanted {
			if !slices.Contains(labels[metric[1]], label[1]) {
				t.Errorf("%s: %s has no label %s", where, metric[1], label[1])
			}
		}
	}
	return len(metrics)
}
