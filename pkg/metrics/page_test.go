// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the table of the metrics into its page")

// The page has a table with each metric of a scrape, its type, its labels and its help.
func TestPageListsTheMetrics(t *testing.T) {
	const path, begin, end = "../../cmd/harbinger/docs/metrics.md", "<!-- metrics: begin; made by go test ./pkg/metrics -rewrite -->\n", "<!-- metrics: end -->"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s lacks the lines around the table", path)
	}
	page := before + begin + tableOfMetrics(t) + end + after
	switch {
	case page == string(text):
	case *rewrite:
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s has another table: go test ./pkg/metrics -rewrite", path)
	}
}

// tableOfMetrics makes a table of what a scrape says of itself.
func tableOfMetrics(t *testing.T) string {
	t.Helper()
	table := "| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n"
	labels, help := exposed(t), map[string]string{}
	for line := range strings.Lines(everything(t)) {
		words := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
		if len(words) < 4 || words[0] != "#" || !strings.HasPrefix(words[2], namespace+"_") {
			continue
		}
		if words[1] == "HELP" {
			help[words[2]] = words[3]
			continue
		}
		name, kind := words[2], words[3]
		of := labels[name]
		if kind == "histogram" {
			of = labels[name+"_count"]
		}
		of = slices.DeleteFunc(slices.Clone(of), func(l string) bool { return slices.Contains(ofTheScrape, l) })
		slices.Sort(of)
		shown := "none"
		if of = slices.Compact(of); len(of) > 0 {
			shown = "`" + strings.Join(of, "`, `") + "`"
		}
		if help[name] == "" {
			t.Errorf("%s has no help", name)
		}
		table += fmt.Sprintf("| `%s` | %s | %s | %s |\n", name, kind, shown, help[name])
	}
	return table
}
