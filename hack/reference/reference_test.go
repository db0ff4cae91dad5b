// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
		"config-reference":  {"| `election.vrrp.virtualRouterID` | integer | `51` |", "| `loadBalancer.backends[].backup` | boolean | `false` |"},
		"failure-table":     {"| hung balancer | when it sends no report for 2 s, stopped or asleep, it is killed and started again; one that uses its processor for nothing after 10 s |  |", "| 3.95 s |"},
		"failures-in-short": {"| kill -9 or crash of everything on the holder | 3.95 s | 2.3 s |"},
		"log-lines":         {"| `State changed` | INFO |", "| `Dial failed` | DEBUG+3 |", "| `vrid` | The virtual router ID. |"},
		"status-reference":  {"| `balancer.backends[].state` | string |", "| `virtualRouter.dropped[].count` | integer |", "| `conditions` | list of condition |"},
		"promises":          {"| kill | no answer | max(3 A + skew + A/10, A − r + L + 1.1 s + P) + 0.05 s | 3.95 s | 2.3 s | 1 | `TestFaultsOfTheHolder`", "| docker and kind | 1.3 s |"},
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
