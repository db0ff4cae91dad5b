// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// TestLogLinesComeFromTheList holds that each line of the log has a message and keys of package logging, that each message is written
// at exactly the levels that its comment names, and that the list has nothing that no line uses.
func TestLogLinesComeFromTheList(t *testing.T) {
	l := readList(t)
	for _, f := range parseAll(t) {
		if f.test || f.dir == "pkg/logging" || !strings.HasPrefix(f.dir, "pkg/") && !strings.HasPrefix(f.dir, "cmd/") {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				for _, bad := range l.faults(call) {
					t.Errorf("%s: %s", f.name, bad)
				}
			}
			return true
		})
	}
	for name, levels := range l.levels {
		for _, level := range levels {
			if !l.used[name][level] {
				t.Errorf("no line of the log uses logging.%s at level %q", name, level)
			}
		}
	}
}

// TestLevelsAreReadFromCalls shows the rule what it must find.
func TestLevelsAreReadFromCalls(t *testing.T) {
	for call, want := range map[string]int{
		`log.Info(logging.MsgA)`: 0, `log.Info(logging.MsgB)`: 1, `log.Info(logging.MsgC)`: 1, `log.Info("here")`: 1, `log.Info(logging.MsgA, "key", 1)`: 1,
		`logging.Warn(log, logging.MsgB, logging.KeyA, 1)`: 0, `logging.Warn(log, logging.MsgA)`: 1, `logging.Warn(log, logging.MsgC)`: 0,
		`log.Error(err, logging.MsgC)`: 0, `log.Error(err, logging.MsgB)`: 1, `log.V(1).Info(logging.MsgD)`: 0, `log.V(1).Info(logging.MsgA)`: 1,
		`logging.Warn(log, words, logging.KeyA, 1)`: 1, `log.WithValues(logging.KeyA, 1)`: 0, `log.WithValues("key", 1)`: 1,
	} {
		l := list{used: map[string]map[string]bool{}, levels: map[string][]string{
			"MsgA": {"INFO"}, "MsgB": {"WARN"}, "MsgC": {"ERROR", "WARN"}, "MsgD": {"DEBUG+3"}, "KeyA": {""},
		}}
		x, err := parser.ParseExpr(call)
		if err != nil {
			t.Fatal(err)
		}
		if bad := l.faults(x.(*ast.CallExpr)); len(bad) != want {
			t.Errorf("%s: %q, want %d faults", call, bad, want)
		}
	}
}

// list has the levels of each message and key of package logging, one empty for a key, by the name of its constant.
type list struct {
	levels map[string][]string
	used   map[string]map[string]bool
}

func readList(t *testing.T) list {
	t.Helper()
	t.Chdir(root)
	tree, err := parser.ParseFile(token.NewFileSet(), "pkg/logging/lines.go", nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	l := list{levels: map[string][]string{}, used: map[string]map[string]bool{}}
	ast.Inspect(tree, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			name := spec.Names[0].Name
			_, level, _ := strings.Cut(spec.Doc.Text(), " (")
			level, _, _ = strings.Cut(level, ")")
			l.levels[name] = strings.Split(level, " or ")
		}
		return true
	})
	return l
}

// faults returns what is wrong with a call of a logger, and notes the words that it uses.
func (l list) faults(call *ast.CallExpr) (bad []string) {
	fun, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	level, words := strings.ToUpper(fun.Sel.Name), call.Args
	switch x, _ := fun.X.(*ast.Ident); {
	case x != nil && slices.Contains([]string{"http", "slog"}, x.Name):
		return nil
	case x != nil && x.Name == "logging" && fun.Sel.Name == "Warn" && len(words) > 1:
		words = words[1:]
	case fun.Sel.Name == "Info" && len(words) > 0:
		if v, ok := fun.X.(*ast.CallExpr); ok && strings.HasSuffix(selector(v.Fun), "V") {
			level = "DEBUG+3"
		}
	case fun.Sel.Name == "Error" && len(words) > 1:
		words = words[1:]
	case fun.Sel.Name == "WithValues" && len(words) > 0:
		words = append([]ast.Expr{nil}, words...)
	default:
		return nil
	}
	for i, word := range words {
		if i > 0 && i%2 == 0 || word == nil { // a value
			continue
		}
		prefix, at := "Key", ""
		if i == 0 {
			prefix, at = "Msg", level
		}
		name := selector(word)
		declared, ok := l.levels[name]
		if l.used[name] == nil {
			l.used[name] = map[string]bool{}
		}
		switch l.used[name][at] = true; {
		case !ok || !strings.HasPrefix(name, prefix):
			bad = append(bad, name+" is not in the list: give it a constant in pkg/logging/lines.go, with what it means and what to do")
		case !slices.Contains(declared, at):
			bad = append(bad, name+" is written at level "+level+", and its comment says "+strings.Join(declared, " or "))
		}
	}
	return bad
}

// selector returns the last name of x.y, or a literal.
func selector(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.SelectorExpr:
		return x.Sel.Name
	case *ast.BasicLit:
		return x.Value
	}
	return "an expression"
}
