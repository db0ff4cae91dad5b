// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/report"
)

// conditions returns the table of the types of conditions, the worst first: what each means, with which status it is a finding, and how
// bad that is.
func conditions() (string, error) {
	meanings, err := conditionMeanings("pkg/apis/status/v1alpha1/conditions.go")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("| Condition | Meaning | Finding if | Severity |\n|---|---|---|---|\n")
	for _, kind := range v1alpha1.ConditionTypes() {
		bad, severity := report.Judgement(kind)
		if meanings[kind] == "" || bad == "" {
			return "", fmt.Errorf("%s has no comment, or no finding", kind)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", kind, meanings[kind], bad, severity)
	}
	return b.String(), nil
}

// conditionMeanings returns the comment of each type of condition, without its name in Go.
func conditionMeanings(path string) (map[string]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	meanings := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Condition") {
			return true
		}
		if value, ok := spec.Values[0].(*ast.BasicLit); ok {
			kind, _ := strconv.Unquote(value.Value)
			meanings[kind] = strings.TrimPrefix(strings.Join(strings.Fields(spec.Doc.Text()), " "), spec.Names[0].Name+" is ")
		}
		return true
	})
	return meanings, nil
}
