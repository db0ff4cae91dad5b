// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// comments returns the comments of the fields of a type, from which the reference is made.
func comments(t *testing.T, name string) map[string]string {
	t.Helper()
	source, err := parser.ParseFile(token.NewFileSet(), "types.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	ast.Inspect(source, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != name {
			return true
		}
		for _, f := range spec.Type.(*ast.StructType).Fields.List {
			if len(f.Names) == 1 {
				found[f.Names[0].Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
			}
		}
		return false
	})
	return found
}

// What the election does in mode Lease is held by TestLeaseOnly of package election.
func TestReferenceOfTheLeaseSaysWhatTheElectionDoes(t *testing.T) {
	lease := comments(t, "Lease")
	for field, says := range map[string]string{
		"StaleAfter": "In mode Lease it has no effect: duration takes its place.",
		"Duration":   "a holder that cannot renew the Lease gives the addresses up after two thirds of it",
	} {
		if !strings.Contains(lease[field], says) {
			t.Errorf("the reference of %s is %q, want it to say %q", field, lease[field], says)
		}
	}
	if text := comments(t, "Election")["Lease"]; strings.Contains(text, "not use it") {
		t.Errorf("the reference of the Lease is %q, but the modes Hybrid and Lease use it", text)
	}
}
