// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/promise"
	"github.com/harbinger-ha/harbinger/pkg/manifest"
)

// page writes a page of that content and returns its path.
func page(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWriteAndCheck(t *testing.T) {
	pages := []string{page(t, "before\n<!-- x: begin; made by a command -->\nold\n<!-- x: end -->\nafter\n"), page(t, "nothing\n")}
	if err := update(pages, "x", "new\n", false); err == nil || !strings.Contains(err.Error(), pages[0]) {
		t.Errorf("check of another table: %v, want the page to be named", err)
	}
	if err := update(pages, "x", "new\n", true); err != nil {
		t.Fatal(err)
	}
	if err := update(pages, "x", "new\n", false); err != nil {
		t.Errorf("the table just written fails the check: %v", err)
	}
	got, err := os.ReadFile(pages[0])
	if err != nil {
		t.Fatal(err)
	}
	if want := "before\n<!-- x: begin; made by a command -->\nnew\n<!-- x: end -->\nafter\n"; string(got) != want {
		t.Errorf("the page is\n%s", got)
	}
}

func TestMarkersAreRequired(t *testing.T) {
	for _, content := range []string{"nothing\n", "<!-- x: begin -->\n", "<!-- x: end -->\n", "<!-- xy: begin -->\n<!-- xy: end -->\n"} {
		if err := update([]string{page(t, content)}, "x", "new\n", true); err == nil {
			t.Errorf("a table without a page is no error: %q", content)
		}
	}
}

// TestTables holds that each table can be made, by a line that it must have.
func TestTables(t *testing.T) {
	t.Chdir("../..")
	lines := map[string][]string{
		"condition-reference": {"| `Conflict` | True while", "| `APIReachable` | True while the Kubernetes API answers, and Unknown until it was asked. | False | Warning; Critical in mode Lease |"},
		"config-reference":    {"| `election.vrrp.virtualRouterID` | integer | `51` |", "| `loadBalancer.backends[].backup` | boolean | `false` |"},
		"failure-table":       {"| hung balancer | when it sends no report for 2 s, stopped or asleep, it is killed and started again; one that uses its processor for nothing after 10 s |  |", "| 0.8 s |"},
		"failures-in-short":   {"| kill -9 or crash of everything on the holder | 0.8 s | 3.76 s |"},
		"haproxy-keywords":    {"\n### bind\n", "\n### server, default-server\n", "| `maxconn`", "| `bind`"},
		"keepalived-keywords": {"\n### vrrp_instance\n", "| `virtual_server`, `virtual_server_group` | refused |", "| `include`"},
		"kube-vip-keywords":   {"\n### variable\n", "| `address`, `vip_address` | taken | virtualAddresses", "| `bgp_enable` | refused |", "| `--arp` | built in | as the variable vip_arp |"},
		"log-lines":           {"| `State changed` | INFO |", "| `Dial failed` | DEBUG+3 |", "| `vrid` | The virtual router ID. |"},
		"status-reference":    {"| `balancer.backends[].state` | string |", "| `virtualRouter.dropped[].count` | integer |", "| `conditions` | list of condition |"},
		"preflight-checks":    {"| `Ports` | ports of Harbinger, or of the apiserver, that another program listens on |"},
		"promises":            {"| kill | no answer | 3 A + skew + A/10 + 0.05 s; without a fence max(3 A + skew + A/10, A − r + L + 1.1 s + P) + 0.05 s | 0.8 s | 3.76 s | 0.13 s | 1 | `TestFaultsOfTheHolder`", "| docker and kind | 1.3 s |"},
	}
	for _, table := range tables {
		text, err := table.text()
		if err != nil {
			t.Errorf("%s: %v", table.name, err)
		}
		for _, line := range lines[table.name] {
			if !strings.Contains(text, line) {
				t.Errorf("%s lacks %q", table.name, line)
			}
		}
		if len(lines[table.name]) == 0 {
			t.Errorf("no line is known that %s must have", table.name)
		}
	}
}

// What harbinger explain knows is that of the source; a field that has another comment is found.
func TestFieldsFile(t *testing.T) {
	t.Chdir("../..")
	if err := updateFields(false); err != nil {
		t.Error(err)
	}
	content, err := fieldsDocument()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`"field": "election.vrrp.priority"`, `"default": "100"`, `"LeastConnections",`, `"field": "conditions[].type"`} {
		if !strings.Contains(string(content), line) {
			t.Errorf("no %q in the fields", line)
		}
	}
	t.Chdir(t.TempDir())
	if err := os.MkdirAll(filepath.Dir(fieldsFile), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := updateFields(false); err == nil {
		t.Error("no fields where there is no source are no error")
	}
}

// What harbinger manifest says of the start of the pod anew is what is promised of it.
func TestManifestSaysThePromise(t *testing.T) {
	for _, interval := range []time.Duration{time.Second, standard, 20 * time.Millisecond} {
		if promised := promise.PlannedStop.Outage.At(promise.At(interval)); promised != manifest.HandoverOutage {
			t.Errorf("a planned stop costs %v with advertisements every %v; harbinger manifest says %v", promised, interval, manifest.HandoverOutage)
		}
	}
}

// What is made from the rules and the dashboard follows them.
func TestMadeFiles(t *testing.T) {
	root := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range files {
		write(f.to, "old")
	}
	write(alerts, "# comment\ngroups: [{name: harbinger, rules: [{alert: A, expr: up == 0}]}]\n")
	write(dashboard, "{}")
	if err := updateFiles(root, false); err == nil || strings.Count(err.Error(), "is not what") != 3 {
		t.Errorf("three old files: %v", err)
	}
	if err := errors.Join(updateFiles(root, true), updateFiles(root, false)); err != nil {
		t.Error(err)
	}
	rule, err := os.ReadFile(filepath.Join(root, "manifests/monitoring/prometheusrule.yaml"))
	if err != nil || !strings.Contains(string(rule), "kind: PrometheusRule") || !strings.Contains(string(rule), "      expr: up == 0\n") {
		t.Errorf("%v\n%s", err, rule)
	}
	write(alerts, "groups: [\n")
	if err := updateFiles(root, true); err == nil || !strings.Contains(err.Error(), alerts) {
		t.Errorf("no YAML: %v", err)
	}
}
