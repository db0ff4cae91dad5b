// SPDX-License-Identifier: Apache-2.0

package election

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestCause(t *testing.T) {
	for reason, want := range map[string]string{
		"no advertisement heard, virtual address free":                                            "no_advertisement",
		"no advertisement heard, virtual address free, Lease not readable: no answer in time":     "no_advertisement",
		"no advertisement heard, holder in distress":                                              "distress",
		"no advertisement heard, who has the addresses has released them":                         "release",
		"preempted 192.0.2.2 of priority 4":                                                       "preemption",
		"preferred to n1":                                                                         "preference",
		"seizing the Lease of n2, which serves nobody":                                            "seizure",
		"n2 has taken the Lease, epoch 4":                                                         "lease_lost",
		"stopped renews the Lease, epoch 4":                                                       "stop", // a name with a blank is none of a node
		"handed over: did not run for 3s":                                                         "handover",
		"did not run for 10.738s":                                                                 "frozen",
		"foreign holder: 02:00:00:00:00:01":                                                       "conflict",
		"the Lease could not be renewed: Put \"https://192.0.2.1:6443\": virtual addresses could": "lease_not_renewed",
		"": CauseOther, "something else": CauseOther,
	} {
		if got := Cause(reason); got != want {
			t.Errorf("%q: %s, want %s", reason, got, want)
		}
	}
}

// Each reason for which the addresses are taken or given up has a cause, and each row of the table has a reason in the source.
func TestEachMoveHasACause(t *testing.T) {
	found := reasonsInSource(t)
	if len(found.taken) < 3 || len(found.given) < 8 {
		t.Fatalf("only the reasons %+v were found", found)
	}
	acquired, released := Causes()
	for _, reason := range found.taken {
		if word := Cause(reason); word == CauseOther || !slices.Contains(acquired, word) {
			t.Errorf("the addresses are taken for %q, whose cause is %s of %v", reason, word, acquired)
		}
	}
	for _, reason := range found.given {
		if word := Cause(reason); word == CauseOther || !slices.Contains(released, word) {
			t.Errorf("the addresses are given up for %q, whose cause is %s of %v", reason, word, released)
		}
	}
	for _, c := range causes {
		if !strings.Contains(found.text, strings.TrimPrefix(c.text, "no advertisement heard, ")) { // it is put together there
			t.Errorf("no source has the text %q of the cause %s", c.text, c.word)
		}
	}
}

// reasons are those of moves, as far as they stand in the source, and the whole source.
type reasons struct {
	taken, given []string
	text         string
}

// reasonsInSource reads the reasons of the functions that take the addresses, and of the states that hold them. A verb of a format
// is left as it is.
func reasonsInSource(t *testing.T) (r reasons) {
	t.Helper()
	for _, file := range []string{"active", "leaving", "claiming", "backup", "seizing", "initialize", "conflict", "predecessor", "evidence", "silence"} {
		tree, err := parser.ParseFile(token.NewFileSet(), file+".go", nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING {
				r.text += text.Value + "\n"
			}
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			name, reason := "", firstText(call)
			if f, ok := call.Fun.(*ast.SelectorExpr); ok {
				name = f.Sel.Name
			}
			switch holds := file == "active" || file == "leaving"; {
			case reason == "":
			case name == "take":
				r.taken = append(r.taken, reason)
			case holds && slices.Contains([]string{"becomeBackup", "become", "left"}, name):
				r.given = append(r.given, reason)
			}
			return true
		})
	}
	return r
}

// firstText returns the first text in the arguments of a call.
func firstText(call *ast.CallExpr) (text string) {
	for _, argument := range call.Args {
		ast.Inspect(argument, func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING && text == "" {
				text, _ = strconv.Unquote(literal.Value)
			}
			return text == ""
		})
	}
	return text
}
