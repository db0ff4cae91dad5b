// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

const (
	runbook    = "../../cmd/harbinger/docs/runbook.md"
	runbookURL = "https://github.com/harbinger-ha/harbinger/blob/main/cmd/harbinger/docs/runbook.md#"
)

// cases has the fields of a file of cases for promtool that are used.
type cases struct {
	RuleFiles          []string `json:"rule_files"`
	EvaluationInterval string   `json:"evaluation_interval"`
	Tests              []struct {
		Name        string `json:"name"`
		Interval    string `json:"interval"`
		InputSeries []struct {
			Series string `json:"series"`
			Values string `json:"values"`
		} `json:"input_series"`
		AlertRuleTest []struct {
			Alertname string `json:"alertname"`
			EvalTime  string `json:"eval_time"`
			ExpAlerts []struct {
				Labels      map[string]string `json:"exp_labels"`
				Annotations map[string]string `json:"exp_annotations"`
			} `json:"exp_alerts"`
		} `json:"alert_rule_test"`
	} `json:"tests"`
}

// alerts returns the rules by the names of the alerts.
func alerts(t *testing.T) map[string]rule {
	t.Helper()
	var file rules
	if err := yaml.UnmarshalStrict(read(t, "alerts.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	all := map[string]rule{}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			if _, twice := all[rule.Alert]; twice {
				t.Errorf("%s is there twice", rule.Alert)
			}
			all[rule.Alert] = rule
		}
	}
	return all
}

// Each alert has a case in which it fires and cases of its own in which it does not, beside the one of a healthy cluster, and each
// series of the cases is one of the program.
func TestAlertsHaveCases(t *testing.T) {
	var file cases
	if err := yaml.UnmarshalStrict(read(t, "alerts_test.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	labels, all := exposed(t), alerts(t)
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, c := range test.AlertRuleTest {
			fires[c.Alertname] = fires[c.Alertname] || len(c.ExpAlerts) > 0
			quiet[c.Alertname] = quiet[c.Alertname] || len(c.ExpAlerts) == 0 && !strings.HasSuffix(test.Name, "raises no alert")
			if _, known := all[c.Alertname]; !known {
				t.Errorf("%s: there is no alert %s", test.Name, c.Alertname)
			}
		}
		for _, input := range test.InputSeries {
			if !strings.HasPrefix(input.Series, "up{") {
				ask(t, test.Name, input.Series, labels)
			}
		}
	}
	for name := range all {
		if !fires[name] || !quiet[name] {
			t.Errorf("%s fires in a case: %t, does not in one of its own: %t", name, fires[name], quiet[name])
		}
	}
}

// promtool returns where the program is.
func promtool(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("%v: install Prometheus (Debian and Ubuntu: apt-get install --no-install-recommends prometheus)", err)
	}
	return path
}

// The rules and their cases are as Prometheus itself reads them.
func TestAlertsByPromtool(t *testing.T) {
	for _, arguments := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "alerts_test.yaml"}} {
		cmd := exec.CommandContext(t.Context(), promtool(t), arguments...)
		cmd.Dir = monitoring
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(arguments, " "), err, out)
		}
	}
}

// Each condition has an alert, so that nothing that the status finds stays unseen, and the alert has the severity of the finding or a
// metric that says more.
func TestEachConditionHasAnAlert(t *testing.T) {
	named := map[string]bool{}
	for _, a := range alerts(t) {
		if _, found, ok := strings.Cut(a.Expr, `harbinger_finding{condition="`); ok {
			condition, _, _ := strings.Cut(found, `"`)
			named[condition] = true
			if a.Labels["severity"] != "{{ $labels.severity | toLower }}" {
				t.Errorf("%s has the severity %q, not that of the finding", a.Alert, a.Labels["severity"])
			}
			if !slices.Contains(v1alpha1.ConditionTypes(), condition) {
				t.Errorf("%s: there is no condition %s", a.Alert, condition)
			}
		}
	}
	instead := map[string]string{ // the metric has the labels or the number that the finding has not, or stands where another finding covers it
		v1alpha1.ConditionArbitrated: "harbinger_lease_arbitrates ",
		v1alpha1.ConditionFiltered:   "harbinger_filtered ", v1alpha1.ConditionBackendsHealthy: "harbinger_backend_healthy ",
		v1alpha1.ConditionBackendsLeftOut: "harbinger_backends_left_out ", v1alpha1.ConditionCredentialsCurrent: "harbinger_client_certificate_expiry_timestamp_seconds ",
	}
	for _, condition := range v1alpha1.ConditionTypes() {
		if metric := instead[condition]; metric != "" {
			named[condition] = slices.ContainsFunc(slices.Collect(maps.Values(alerts(t))), func(a rule) bool {
				return strings.Contains(a.Expr, metric) && strings.HasSuffix(a.Annotations["runbook_url"], "#"+strings.ToLower(condition))
			})
		}
		if !named[condition] {
			t.Errorf("no alert is made of the condition %s", condition)
		}
	}
}

// Each alert leads to a section of the runbook that names it and its severity, and each section has an alert, commands, and when it is over.
func TestRunbookHasEachAlert(t *testing.T) {
	text, err := os.ReadFile(runbook)
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Harbinger\\w+)`")
	sections := map[string]string{} // by the anchor
	inSection := map[string]string{}
	for _, part := range strings.Split(string(text), "\n## ")[1:] {
		title, body, _ := strings.Cut(part, "\n")
		anchor := strings.ToLower(title)
		sections[anchor] = body
		lead, _, _ := strings.Cut(strings.TrimSpace(body), "\n\n")
		found := named.FindAllStringSubmatch(lead, -1)
		if !strings.HasPrefix(lead, "Alert") || len(found) == 0 {
			t.Errorf("section %s does not begin with its alerts", title)
		}
		for _, name := range found {
			inSection[name[1]] = anchor
		}
		if !strings.Contains(body, "\n```sh\n") || !strings.Contains(strings.ReplaceAll(body, "\n", " "), "t is over") {
			t.Errorf("section %s has no commands, or does not say when it is over", title)
		}
	}
	for name, a := range alerts(t) {
		anchor, here := strings.CutPrefix(a.Annotations["runbook_url"], runbookURL)
		if !here || sections[anchor] == "" || inSection[name] != anchor {
			t.Errorf("%s leads to %q, which is no section that begins with it", name, a.Annotations["runbook_url"])
		}
		if severity := a.Labels["severity"]; !strings.Contains(severity, "{{") && !strings.Contains(sections[anchor], fmt.Sprintf("`%s` (%s", name, severity)) {
			t.Errorf("the section of %s does not say that it is %s", name, severity)
		}
		delete(inSection, name)
	}
	if len(inSection) > 0 {
		t.Errorf("there is no alert for the sections of %v", inSection)
	}
}
