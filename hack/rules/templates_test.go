// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"go/ast"
	"slices"
	"testing"
)

// templates are what leads to text/template: cobra and the library of the page import it, and that alone links none of it.
var (
	templatePackages = []string{"text/template", "html/template"}
	templateCalls    = []string{"SetVersionTemplate", "SetHelpTemplate", "SetUsageTemplate", "MethodByName"}
)

// TestTheProgramHasNoTemplates keeps the program small: a template calls methods by names that it reads as it runs, so the linker
// then keeps every exported method of every type in the program, and it is a fifth larger.
func TestTheProgramHasNoTemplates(t *testing.T) {
	const why = "the program grows by a fifth, because the linker then keeps every exported method: write the text in Go"
	for _, f := range parseAll(t) {
		if _, ok := product(f.dir); f.test || !ok && !slices.Contains(leaves, f.dir) {
			continue
		}
		for _, imported := range f.imports() {
			if slices.Contains(templatePackages, imported) {
				t.Errorf("%s imports %s: %s", f.name, imported, why)
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if n, ok := n.(*ast.SelectorExpr); ok && slices.Contains(templateCalls, n.Sel.Name) {
				t.Errorf("%s uses %s: %s", f.name, n.Sel.Name, why)
			}
			return true
		})
	}
}
