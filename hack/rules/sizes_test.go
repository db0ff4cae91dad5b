// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"bytes"
	"go/ast"
	"go/doc"
	"go/scanner"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"
)

// What a reader takes in at once, in lines with comments and blanks.
const (
	longestFunction = 50
	longestFile     = 400
	largestPackage  = 1600 // a larger one says why it is one
	reason          = "one package"
)

// leastTests is the least that a package has of lines of tests for each line of code, both without comments and blanks: a
// comment neither is code nor tests any.
const leastTests = 0.8

// fewestExamples is how many examples the module has at least whose output is checked.
const fewestExamples = 20

func (f file) text(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(f.name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// lines returns how many lines a file has.
func (f file) lines(t *testing.T) int { return bytes.Count(f.text(t), []byte("\n")) }

// code returns how many lines of a file have more than a comment.
func (f file) code(t *testing.T) int {
	text := f.text(t)
	var s scanner.Scanner
	set := token.NewFileSet()
	s.Init(set.AddFile(f.name, -1, len(text)), text, nil, 0)
	lines := map[int]bool{}
	for {
		pos, tok, literal := s.Scan()
		if tok == token.EOF {
			return len(lines)
		}
		for i := range strings.Count(strings.TrimSpace(literal), "\n") + 1 {
			lines[set.Position(pos).Line+i] = true
		}
	}
}

// TestFunctionsAndFilesAreShort holds their lengths, but for tests.
func TestFunctionsAndFilesAreShort(t *testing.T) {
	for _, f := range parseAll(t) {
		if f.test {
			continue
		}
		if n := f.lines(t); n > longestFile {
			t.Errorf("%s has %d lines; at most %d", f.name, n, longestFile)
		}
		for _, decl := range f.ast.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok {
				if n := f.set.Position(fn.End()).Line - f.set.Position(fn.Pos()).Line + 1; n > longestFunction {
					t.Errorf("%s: %s has %d lines; at most %d", f.name, fn.Name.Name, n, longestFunction)
				}
			}
		}
	}
}

// TestLargePackagesSayWhy holds that the documentation of a large package gives the reason why it is not two.
func TestLargePackagesSayWhy(t *testing.T) {
	code, says := map[string]int{}, map[string]bool{}
	for _, f := range parseAll(t) {
		if f.test {
			continue
		}
		code[f.dir] += f.lines(t)
		says[f.dir] = says[f.dir] || strings.Contains(strings.ToLower(strings.Join(strings.Fields(f.ast.Doc.Text()), " ")), reason)
	}
	for dir, n := range code {
		if n > largestPackage && !says[dir] {
			t.Errorf("%s has %d lines of code: divide it, or let its documentation say why it is %s", dir, n, reason)
		}
	}
}

// TestProductIsTested holds how much test each package of the product has. Packages that are one thing in several folders count
// as one, and a main package needs none: it only calls another one.
func TestProductIsTested(t *testing.T) {
	code, tests := map[string]int{}, map[string]int{}
	for _, f := range parseAll(t) {
		thing := f.dir
		for _, group := range within {
			if slices.Contains(group, thing) {
				thing = group[0]
			}
		}
		switch _, ok := product(f.dir); {
		case !ok && !slices.Contains(leaves, f.dir) || f.ast.Name.Name == "main":
		case f.test:
			tests[thing] += f.code(t)
		default:
			code[thing] += f.code(t)
		}
	}
	for thing, n := range code {
		if ratio := float64(tests[thing]) / float64(n); ratio < leastTests {
			t.Errorf("%s has %d lines of tests for %d of code, %.2f; at least %.1f", thing, tests[thing], n, ratio, leastTests)
		}
	}
}

// TestExamplesTeach holds that the documentation has examples, and that each one states its output, so that go test runs it.
func TestExamplesTeach(t *testing.T) {
	found := 0
	for _, f := range parseAll(t) {
		if !f.test {
			continue
		}
		for _, example := range doc.Examples(f.ast) {
			found++
			if example.Output == "" && !example.EmptyOutput {
				t.Errorf("%s: Example%s states no output, so it never runs", f.name, example.Name)
			}
		}
	}
	if found < fewestExamples {
		t.Errorf("%d examples; at least %d", found, fewestExamples)
	}
}
