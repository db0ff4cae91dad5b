// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// specification is what comments cite by rows, rules, invariants and names of scenarios.
const specification = "pkg/election/README.md"

// published is where the files of this repository are read that are linked to from elsewhere.
const published = "https://github.com/harbinger-ha/harbinger/blob/main/"

// cited are the kinds of files whose text may cite something.
var cited = []string{".go", ".md", ".sh", ".pml", ".yaml", ".yml", ".bu", ".service"}

var (
	rfcSections = regexp.MustCompile(`RFC \d+, sections? \d+(\.\d+)*((, | and | to )(section )?\d+(\.\d+)*)*`)
	sections    = regexp.MustCompile(`(?i)(?:RFC \d+ )?\bsections? \d+(?:\.\d+)*`)
	rfcTest     = regexp.MustCompile(`rfc\d+_test\.go$`)
	rowNumbers  = regexp.MustCompile(`\b[Rr]ows? \d+((, and |, | and | to | or )\d+)*`)
	number      = regexp.MustCompile(`\d+`)
	rowOfTest   = regexp.MustCompile(`Row(\d+)(?:And(\d+))?`)
	labels      = regexp.MustCompile(`\b(F|S|L)\d+(-start)?\b`)
	onlyLabel   = regexp.MustCompile(`^"[SL]\d+(-start)?"$`)
	scenario    = regexp.MustCompile(`[Ss]cenario "([^"]+)"`)
	design      = regexp.MustCompile(`\b(the|of) design\b`)
	document    = regexp.MustCompile(`([\w./-]*\w\.md)(?:#([\w-]+))?`)
	link        = regexp.MustCompile(`\]\(([^)\s]*)\)`)
	heading     = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notInSlug   = regexp.MustCompile(`[^a-z0-9 _-]`)
	margin      = regexp.MustCompile(`\n[ \t]*(?:#|\*|//)?[ \t]*`)
	constants   = regexp.MustCompile("(?m)^\\|[^|\\n]*\\| `(\\w+)` \\| ([^|]*) \\|")
)

// entries returns what the tables of the specification define in their first column.
func entries(t *testing.T) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	for line := range strings.Lines(read(t, specification)) {
		if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| ") {
			known[strings.TrimPrefix(cells[0], "| ")] = true
		}
	}
	if len(known) < 100 {
		t.Fatalf("%s defines only %d things", specification, len(known))
	}
	return known
}

// TestReferencesResolve holds that what a comment, a script or a page cites is there: a row, rule, invariant or scenario of the
// specification, a document of this repository, or a section of an RFC.
func TestReferencesResolve(t *testing.T) {
	known := entries(t)
	for _, name := range repository(t) {
		for _, text := range texts(t, name) {
			for _, found := range unresolved(known, name, text) {
				t.Errorf("%s: %q: %s", name, found, strings.TrimSpace(text[:min(len(text), 120)]))
			}
		}
	}
}

// texts returns the comments of a Go file, with the names of its functions and the invariants that it names in strings, and
// all of any other file.
func texts(t *testing.T, name string) (all []string) {
	t.Helper()
	if filepath.Ext(name) != ".go" {
		return []string{margin.ReplaceAllString(read(t, name), " ")}
	}
	tree, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range tree.Comments {
		all = append(all, strings.ReplaceAll(group.Text(), "\n", " "))
	}
	if strings.HasPrefix(name, "pkg/election/") {
		ast.Inspect(tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				for _, row := range rowOfTest.FindAllString(n.Name.Name, -1) {
					all = append(all, "rows "+strings.Join(number.FindAllString(row, -1), ", "))
				}
			case *ast.BasicLit:
				if onlyLabel.MatchString(n.Value) {
					all = append(all, n.Value)
				}
			}
			return true
		})
	}
	return all
}

// unresolved returns what a text cites and nothing defines.
func unresolved(known map[string]bool, name, text string) (bad []string) {
	for _, found := range rowNumbers.FindAllString(text, -1) {
		for _, n := range number.FindAllString(found, -1) {
			if !known[n] {
				bad = append(bad, found)
			}
		}
	}
	for _, label := range labels.FindAllString(text, -1) {
		if !known[label] {
			bad = append(bad, label)
		}
	}
	for _, found := range scenario.FindAllStringSubmatch(text, -1) {
		if !known[found[1]] {
			bad = append(bad, found[0])
		}
	}
	text = strings.ReplaceAll(text, published, "") // a page that is linked to from elsewhere must be here too
	for _, found := range document.FindAllStringSubmatch(link.ReplaceAllString(text, ""), -1) {
		if !exists(found[1]) && !exists(filepath.Join(filepath.Dir(name), found[1])) {
			bad = append(bad, found[0])
		}
	}
	if !rfcTest.MatchString(name) { // whose sections are those of the RFC in its name
		bad = append(bad, sections.FindAllString(rfcSections.ReplaceAllString(text, ""), -1)...)
	}
	return append(bad, design.FindAllString(text, -1)...)
}

// TestLinksLead holds that the links of the pages lead to files and headings of this repository.
func TestLinksLead(t *testing.T) {
	for _, name := range repository(t) {
		if filepath.Ext(name) != ".md" {
			continue
		}
		for _, found := range link.FindAllStringSubmatch(read(t, name), -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(found[1], "#")
			target := name
			if path != "" {
				target = filepath.Join(filepath.Dir(name), path)
			}
			if !exists(target) || anchor != "" && !slices.Contains(anchors(t, target), anchor) {
				t.Errorf("%s: the link %s leads nowhere", name, found[1])
			}
		}
	}
}

// anchors returns what a page's headings may be linked by, as GitHub makes it.
func anchors(t *testing.T, page string) (all []string) {
	t.Helper()
	for _, found := range heading.FindAllStringSubmatch(read(t, page), -1) {
		slug := notInSlug.ReplaceAllString(strings.ToLower(found[1]), "")
		all = append(all, strings.ReplaceAll(slug, " ", "-"))
	}
	return all
}

// TestSpecificationHasTheConstants holds that the specification gives each duration of the election as the code has it.
func TestSpecificationHasTheConstants(t *testing.T) {
	fields, code := identifiers(t, "pkg/election")
	_, table, _ := strings.Cut(read(t, specification), "\n## Constants\n")
	table, _, _ = strings.Cut(table, "\n## ")
	for _, row := range constants.FindAllStringSubmatch(table, -1) {
		name := row[1]
		want, isConstant := code[name]
		delete(code, name)
		switch value, err := time.ParseDuration(strings.NewReplacer(" ", "", "min", "m").Replace(row[2])); {
		case !isConstant && !fields[name]:
			t.Errorf("%s names %s, which is not in the code", specification, name)
		case isConstant && (err != nil || value != want):
			t.Errorf("%s says that %s is %s; the code has %s", specification, name, row[2], want)
		}
	}
	for name, value := range code {
		t.Errorf("%s does not name the constant %s (%s)", specification, name, value)
	}
}

// identifiers returns the fields of a package and the durations among its constants.
func identifiers(t *testing.T, dir string) (fields map[string]bool, durations map[string]time.Duration) {
	t.Helper()
	fields, durations = map[string]bool{}, map[string]time.Duration{}
	for _, name := range repository(t) {
		if filepath.Dir(name) != dir || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Field:
				for _, field := range n.Names {
					fields[field.Name] = true
				}
			case *ast.ValueSpec:
				for i, value := range n.Values {
					if d := duration(value); d > 0 {
						durations[n.Names[i].Name] = d
					}
				}
			}
			return true
		})
	}
	return fields, durations
}

// duration evaluates time.Second and 3 * time.Second; it returns 0 for anything else.
func duration(x ast.Expr) time.Duration {
	switch x := x.(type) {
	case *ast.SelectorExpr:
		return map[string]time.Duration{"Minute": time.Minute, "Second": time.Second, "Millisecond": time.Millisecond}[x.Sel.Name]
	case *ast.BinaryExpr:
		if factor, ok := x.X.(*ast.BasicLit); ok && x.Op == token.MUL {
			n, _ := strconv.Atoi(factor.Value)
			return time.Duration(n) * duration(x.Y)
		}
	}
	return 0
}

// repository returns the files that may cite something, those of GitHub and of the CI too.
func repository(t *testing.T) (names []string) {
	t.Helper()
	t.Chdir(root)
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || p == "bin" || p == "out" || strings.HasPrefix(p, ".") && !slices.Contains([]string{".", ".ci", ".github"}, p)):
			return filepath.SkipDir
		case d.Type().IsRegular() && p != "hack/rules/references_test.go" && (slices.Contains(cited, filepath.Ext(p)) || d.Name() == "Makefile" || p == ".ci/run"):
			names = append(names, p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 200 {
		t.Fatalf("found only %d files", len(names))
	}
	return names
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func read(t *testing.T, name string) string {
	t.Helper()
	t.Chdir(root)
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
