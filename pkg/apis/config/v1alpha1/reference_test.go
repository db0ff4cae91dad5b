// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
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

// The reference is made from the comments: each says of its field, by the name in the document, what it is.
func TestEveryFieldHasItsReference(t *testing.T) {
	fields := 0
	for _, typ := range []reflect.Type{
		reflect.TypeFor[v1alpha1.HarbingerConfiguration](), reflect.TypeFor[v1alpha1.ControlPlane](), reflect.TypeFor[v1alpha1.Election](),
		reflect.TypeFor[v1alpha1.VRRP](), reflect.TypeFor[v1alpha1.Authentication](), reflect.TypeFor[v1alpha1.Lease](),
		reflect.TypeFor[v1alpha1.LoadBalancer](), reflect.TypeFor[v1alpha1.Backend](), reflect.TypeFor[v1alpha1.Steering](),
		reflect.TypeFor[v1alpha1.ConnectionLimits](), reflect.TypeFor[v1alpha1.Timeouts](), reflect.TypeFor[v1alpha1.Drain](),
		reflect.TypeFor[v1alpha1.HealthCheck](), reflect.TypeFor[v1alpha1.Status](), reflect.TypeFor[v1alpha1.Logging](),
	} {
		texts := comments(t, typ.Name())
		for i := range typ.NumField() {
			f := typ.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" {
				continue // the type of the document
			}
			fields++
			if text := texts[f.Name]; !strings.HasPrefix(text, name+" ") || !strings.HasSuffix(text, ".") {
				t.Errorf("the reference of %s.%s is %q: want sentences that begin with %q", typ.Name(), f.Name, text, name)
			}
		}
	}
	if fields < 60 {
		t.Errorf("only %d fields found", fields)
	}
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
