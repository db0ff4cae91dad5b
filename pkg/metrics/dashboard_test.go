// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// dashboard has the fields of a Grafana dashboard that are used.
type dashboard struct {
	Templating struct {
		List []struct {
			Name  string `json:"name"`
			Query any    `json:"query"`
		} `json:"list"`
	} `json:"templating"`
	Panels []panel `json:"panels"`
}

type panel struct {
	ID          int    `json:"id"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Type        string `json:"type"`
	GridPos     struct {
		H int `json:"h"`
		W int `json:"w"`
		X int `json:"x"`
		Y int `json:"y"`
	} `json:"gridPos"`
	FieldConfig struct {
		Defaults struct {
			Unit       string `json:"unit"`
			Thresholds struct {
				Steps []struct {
					Color string `json:"color"`
				} `json:"steps"`
			} `json:"thresholds"`
		} `json:"defaults"`
	} `json:"fieldConfig"`
	Targets []struct {
		Expr   string `json:"expr"`
		Legend string `json:"legendFormat"`
	} `json:"targets"`
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal(read(t, "dashboard.json"), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// The first row answers who holds the address, whether all is well, and what moved for which reason.
func TestDashboardAnswersFirst(t *testing.T) {
	var first []panel
	for _, p := range readDashboard(t).Panels {
		if p.Type != "row" && p.GridPos.Y == 1 {
			first = append(first, p)
		}
	}
	want := [][]string{{"harbinger_vip_held{", "{{node}}"}, {"harbinger_finding{", "{{condition}}"}, {"harbinger_vip_moves_total{", "{{reason}}"}}
	if len(first) != len(want) {
		t.Fatalf("%d panels in the first row, want %d", len(first), len(want))
	}
	for i, p := range first {
		for _, target := range p.Targets {
			if !strings.Contains(target.Expr, want[i][0]) || !strings.Contains(target.Legend, want[i][1]) {
				t.Errorf("%s asks %s and shows %s, want %v", p.Title, target.Expr, target.Legend, want[i])
			}
		}
	}
}

// Each panel says what it shows, has a unit and thresholds, is narrowed by the variables, overlaps no other one, and has expressions
// that Prometheus reads.
func TestDashboardPanels(t *testing.T) {
	d := readDashboard(t)
	var variables []string
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name)
	}
	if want := []string{"datasource", "cluster", "vrid", "instance"}; !slices.Equal(variables, want) {
		t.Errorf("variables %v, want %v", variables, want)
	}
	taken, ids := map[[2]int]string{}, map[int]bool{}
	var expressions []string
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("%s has the id %d of another panel", p.Title, p.ID)
		}
		ids[p.ID] = true
		for cell := range p.GridPos.H * p.GridPos.W {
			at := [2]int{p.GridPos.X + cell%p.GridPos.W, p.GridPos.Y + cell/p.GridPos.W}
			if taken[at] != "" || at[0] > 23 {
				t.Fatalf("%s is where %s is, or off the page", p.Title, taken[at])
			}
			taken[at] = p.Title
		}
		if p.Type == "row" {
			continue
		}
		if f := p.FieldConfig.Defaults; f.Unit == "" || len(f.Thresholds.Steps) == 0 || p.Description == "" || len(p.Targets) == 0 {
			t.Errorf("%s has no unit, no thresholds, no description or no target", p.Title)
		}
		for _, target := range p.Targets {
			expressions = append(expressions, target.Expr)
			for _, m := range metricOf.FindAllStringSubmatch(target.Expr, -1) {
				if !strings.Contains(m[2], `cluster=~"$cluster"`) || !strings.Contains(m[2], `instance=~"$instance"`) {
					t.Errorf("%s does not narrow %s by the variables", p.Title, m[1])
				}
			}
		}
	}
	readExpressions(t, expressions)
}

// readExpressions has Prometheus read expressions of a dashboard.
func readExpressions(t *testing.T, expressions []string) {
	t.Helper()
	type recording struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var all []recording
	for i, e := range expressions {
		e = regexp.MustCompile(`\$__(rate_interval|range)`).ReplaceAllString(e, "5m")
		all = append(all, recording{fmt.Sprintf("panel:%d", i), e})
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": all}}})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), promtool(t), "check", "rules", "/dev/stdin")
	cmd.Stdin = strings.NewReader(string(text))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}
