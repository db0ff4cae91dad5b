// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// declaredConditions returns the types of conditions that the package names.
func declaredConditions(t *testing.T) (types []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "conditions.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Condition") {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, value)
		return true
	})
	return types
}

// Every type of condition has a place in the order of how bad it is.
func TestConditionTypesAreAllOfThem(t *testing.T) {
	declared, ordered := declaredConditions(t), ConditionTypes()
	slices.Sort(declared)
	slices.Sort(ordered)
	if !slices.Equal(declared, ordered) || len(declared) < 15 {
		t.Errorf("declared %v, ordered %v", declared, ordered)
	}
}

func TestWorstFinding(t *testing.T) {
	finding := func(severity, condition string) Finding { return Finding{Severity: severity, Condition: condition} }
	s := HarbingerStatus{Findings: []Finding{
		finding(SeverityWarning, ConditionConflict), finding(SeverityCritical, ConditionDegraded), finding(SeverityCritical, ConditionSplitSuspected),
		finding(SeverityWarning, ConditionArbitrated),
	}}
	slices.SortFunc(s.Findings, CompareFindings)
	var order []string
	for _, f := range s.Findings {
		order = append(order, f.Condition)
	}
	want := []string{ConditionSplitSuspected, ConditionDegraded, ConditionConflict, ConditionArbitrated}
	if !slices.Equal(order, want) || s.Worst().Condition != want[0] {
		t.Errorf("order %v, want %v", order, want)
	}
	if worst := (&HarbingerStatus{}).Worst(); worst != nil {
		t.Errorf("worst %v of none", worst)
	}
}
