// SPDX-License-Identifier: Apache-2.0

package terminal_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/view"
	"github.com/harbinger-ha/harbinger/pkg/view/terminal"
)

var rewrite = flag.Bool("rewrite", false, "write the texts in testdata anew")

// now is the moment of the documents.
var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

const documents = "../../apis/status/v1alpha1/testdata/"

// read returns the documents by their names.
func read(t *testing.T) map[string]*v1alpha1.HarbingerStatus {
	t.Helper()
	files, err := filepath.Glob(documents + "*.json")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*v1alpha1.HarbingerStatus{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := new(v1alpha1.HarbingerStatus)
		if err := json.Unmarshal(text, s); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".json")] = s
	}
	return all
}

// columns is how many columns a text has, by the tables of Unicode.
func columns(text string) (n int) {
	for _, r := range text {
		n++
		if kind := width.LookupRune(r).Kind(); kind == width.EastAsianWide || kind == width.EastAsianFullwidth {
			n++
		}
	}
	return n
}

// fits fails where a line is wider than the terminal, or has something that is no text.
func fits(t interface{ Errorf(string, ...any) }, name, text string, wide int) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if n := columns(line); n > wide {
			t.Errorf("%s: a line has %d columns of %d: %q", name, n, wide, line)
		}
		if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return unicode.Is(unicode.C, r) }) {
			t.Errorf("%s: a line has characters that are no text: %q", name, line)
		}
	}
}

// first returns the first lines of a text as one.
func first(text string, n int) string {
	lines := strings.SplitN(text, "\n", n+1)
	return strings.Join(lines[:min(n, len(lines))], " ")
}

func TestDocumentsFit(t *testing.T) {
	for name, s := range read(t) {
		for _, wide := range []int{20, 40, 80, 120, 300} {
			for _, more := range []bool{false, true} {
				what := fmt.Sprintf("%s at %d", name, wide)
				text := terminal.Render(s, terminal.Options{Now: now, Width: wide, Wide: more})
				fits(t, what, text, min(wide, 160))
				fits(t, what+", hosts", terminal.Hosts(s.Hosts, terminal.Options{Now: now, Width: wide}), min(wide, 160))
				head := first(text, 3)
				if worst := s.Worst(); worst != nil {
					sentence := strings.Fields(worst.Summary)
					begin := strings.Join(sentence[:min(len(sentence), 4)], " ")
					if !strings.Contains(head, begin) || !strings.HasPrefix(head, strings.ToUpper(worst.Severity)+": ") || strings.Contains(text, "Well:") {
						t.Errorf("%s begins with %q, want %s: %q", what, head, worst.Severity, worst.Summary)
					}
					if wide >= 80 && !strings.Contains(head, strings.Join(strings.Fields(worst.Action)[:1], " ")) {
						t.Errorf("%s begins with %q, want what to do: %q", what, head, worst.Action)
					}
				} else if view.HeadlineOf(s).Severity == "" && !strings.HasPrefix(head, "Well: ") {
					t.Errorf("%s begins with %q", what, head)
				}
			}
		}
	}
}

// The texts are looked at by people when they change: go test ./pkg/view/terminal -rewrite writes them.
func TestTexts(t *testing.T) {
	for name, s := range read(t) {
		texts := map[string]string{}
		for _, wide := range []int{80, 120} {
			texts[fmt.Sprintf("%s-%d.txt", name, wide)] = terminal.Render(s, terminal.Options{Now: now, Width: wide})
		}
		if name == "full" {
			texts["full-wide-80.txt"] = terminal.Render(s, terminal.Options{Now: now, Width: 80, Wide: true})
			texts["full-40.txt"] = terminal.Render(s, terminal.Options{Now: now, Width: 40})
		}
		for file, text := range texts {
			file = filepath.Join("testdata", file)
			if *rewrite {
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil || string(want) != text {
				t.Errorf("%s (%v; -rewrite writes it) is now\n%s", file, err, text)
			}
		}
	}
}

// sequences are those of the styles, and no others.
var sequences = regexp.MustCompile("\x1b\\[(0|1|2|1;31|32|33)m")

// Colours change nothing else.
func TestColour(t *testing.T) {
	for name, s := range read(t) {
		o := terminal.Options{Now: now, Width: 80, Wide: true}
		bare := terminal.Render(s, o)
		o.Color = true
		colored := terminal.Render(s, o)
		if sequences.ReplaceAllString(colored, "") != bare || !sequences.MatchString(colored) {
			t.Errorf("%s has other words in colour:\n%s", name, colored)
		}
		severe := view.HeadlineOf(s).Severity == v1alpha1.SeverityCritical
		if severe != strings.HasPrefix(colored, "\x1b[1;31mCRITICAL: ") {
			t.Errorf("%s begins with %q", name, first(colored, 1))
		}
	}
}

// Who asks for more reads how many connections the balancer takes; where they are fewer than configured, everybody does, with the reason.
func TestLimitOfConnections(t *testing.T) {
	s := read(t)["busy"]
	const limit = "takes 20,000 connections at a time"
	if brief, wide := terminal.Render(s, terminal.Options{Now: now, Width: 120}), terminal.Render(s, terminal.Options{Now: now, Width: 120, Wide: true}); strings.Contains(brief, limit) || !strings.Contains(wide, limit) {
		t.Errorf("the limit is in\n%s\nor not in\n%s", brief, wide)
	}
	s.Balancer.Limit, s.Balancer.Lowered = 462, "20000 are configured"
	for _, wide := range []bool{false, true} {
		text := terminal.Render(s, terminal.Options{Now: now, Width: 120, Wide: wide, Color: true})
		if strings.Count(text, "\x1b[1;31mtakes 462 connections at a time: 20000 are configured") != 1 {
			t.Errorf("wide %v:\n%s", wide, text)
		}
	}
}
