// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// unguarded are the files of the keeper and of what it calls that start goroutines whose panics nobody meets, with the reason.
var unguarded = map[string]string{
	"pkg/guard/guard.go":     "it is the guard",
	"pkg/kubeapi/hedge.go":   "the question is guarded, and its panic handed over",
	"pkg/confine/confine.go": "it only starts the balancer process and waits for it",

	"pkg/proxy/balancer.go": "of the balancer process, which the keeper starts again",
	"pkg/relay/relay.go":    "of the balancer process, which the keeper starts again",
}

// TestGoroutinesAreGuarded holds that a panic in any goroutine of the keeper is an error for its owner: a process that just dies
// leaves the virtual addresses until they expire.
func TestGoroutinesAreGuarded(t *testing.T) {
	found := map[string]bool{}
	for _, f := range parseAll(t) {
		if f.test || !strings.HasPrefix(f.dir, "pkg/") {
			continue
		}
		starts := slices.Contains(f.imports(), "golang.org/x/sync/errgroup")
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				starts = true
			case *ast.SelectorExpr:
				x, ok := n.X.(*ast.Ident)
				starts = starts || ok && x.Name == "sync" && n.Sel.Name == "WaitGroup"
			}
			return true
		})
		if _, known := unguarded[f.name]; starts && !known {
			t.Errorf("%s starts a goroutine by hand: use package guard, so that its panic is an error", f.name)
		}
		found[f.name] = found[f.name] || starts
	}
	for name := range unguarded {
		if !found[name] {
			t.Errorf("%s starts no goroutine: take it off the list", name)
		}
	}
}
