// SPDX-License-Identifier: Apache-2.0

package harbinger

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// TestLogLinesComeFromTheList holds that each line of the log has a message and keys of package logging, and that each of
// these is in use and documented.
func TestLogLinesComeFromTheList(t *testing.T) {
	listed := listedConstants(t)
	used := map[string]bool{}
	for _, f := range parseAll(t) {
		if f.test || !strings.HasPrefix(f.dir, "pkg/") && !strings.HasPrefix(f.dir, "cmd/") {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				for _, bad := range offList(call, listed, used) {
					t.Errorf("%s: %s is no constant of pkg/logging: add it to lines.go with what it means, and use it", f.name, bad)
				}
			}
			return true
		})
	}
	for name, value := range listed {
		if !used[value] {
			t.Errorf("no line of the log uses logging.%s", name)
		}
		if documented := func(l logging.Line) bool { return l.Message == value }; strings.HasPrefix(name, "Msg") && !slices.ContainsFunc(logging.Lines(), documented) {
			t.Errorf("logging.Lines does not document %s", name)
		}
	}
}

// offList returns the words of a call of a logger that are not in the list, and notes those that are.
func offList(call *ast.CallExpr, listed map[string]string, used map[string]bool) (bad []string) {
	fun, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	words := call.Args
	switch x, _ := fun.X.(*ast.Ident); {
	case x != nil && slices.Contains([]string{"http", "slog"}, x.Name):
		return nil
	case fun.Sel.Name == "Info" && len(words) > 0:
	case fun.Sel.Name == "Error" && len(words) > 1:
		words = words[1:]
	case fun.Sel.Name == "WithValues":
		words = append([]ast.Expr{nil}, words...)
	default:
		return nil
	}
	for i, word := range words {
		if i > 0 && i%2 == 0 || word == nil { // a value
			continue
		}
		prefix := "Key"
		if i == 0 {
			prefix = "Msg"
		}
		value, ok := text(word, listed, prefix)
		if !ok {
			bad = append(bad, value)
		}
		used[value] = true
	}
	return bad
}

// text returns the value of a word of a line, and whether the list has it.
func text(x ast.Expr, listed map[string]string, prefix string) (string, bool) {
	switch x := x.(type) {
	case *ast.SelectorExpr:
		if value, ok := listed[x.Sel.Name]; ok && strings.HasPrefix(x.Sel.Name, prefix) {
			return value, true
		}
		return x.Sel.Name, false
	case *ast.BasicLit:
		value, _ := strconv.Unquote(x.Value)
		for name, v := range listed {
			if v == value && strings.HasPrefix(name, prefix) {
				return value, true
			}
		}
		return value, false
	}
	return "an expression", false
}

// listedConstants returns the messages and keys of package logging by the names of their constants.
func listedConstants(t *testing.T) map[string]string {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), "pkg/logging/lines.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	ast.Inspect(tree, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
			if value, ok := spec.Values[0].(*ast.BasicLit); ok && (strings.HasPrefix(spec.Names[0].Name, "Msg") || strings.HasPrefix(spec.Names[0].Name, "Key")) {
				all[spec.Names[0].Name], _ = strconv.Unquote(value.Value)
			}
		}
		return true
	})
	return all
}
