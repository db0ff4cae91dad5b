// SPDX-License-Identifier: Apache-2.0

// Package rules holds no code: its tests hold what is true of the whole repository. This one holds the architecture, but for the
// owners of libraries from outside, which .golangci.yml has. The tests parse the files themselves, because the test cache sees
// the files that a test reads, but not what a child process such as go list reads.
package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/harbinger-ha/harbinger/"

// layers gives each package its layer: a package imports lower layers only, never a sibling. The leaves serve every layer
// above the pure ones.
var layers = map[string]int{
	"pkg/vrrp": 0, "pkg/apis/status/v1alpha1": 0,

	"pkg/vrrp/keyed": 1, "pkg/election": 1, "pkg/health": 1, "pkg/balance": 1, "pkg/session": 2, "pkg/view": 1, "pkg/view/page": 1, "pkg/view/terminal": 1,

	"pkg/apis/config": 2, // contains the types of the packages below

	"pkg/membership": 3,

	"pkg/vrrpconn": 4, "pkg/address": 4, "pkg/firewall": 4, "pkg/announce": 4, "pkg/fence": 4, "pkg/dnat": 4, "pkg/probe": 4, "pkg/steer": 4, "pkg/staticpod": 4,
	"pkg/kubeapi": 4, "pkg/command": 4, "pkg/serving": 4, "pkg/support": 4,

	"pkg/control": 5, "pkg/fenced": 5, "pkg/proxy": 5, "pkg/relay": 4, "pkg/manifest": 5, "pkg/preflight": 5, "pkg/convert": 5,

	"pkg/convert/keepalived": 6, "pkg/convert/haproxy": 6, "pkg/convert/kubeadm": 6, "pkg/convert/kubevip": 6,

	"pkg/report": 6, "pkg/preflight/wire": 6,

	"pkg/sidecar": 7,

	"cmd/harbinger/app": 8, "cmd/harbinger": 9,
}

// highestPure is the last of the layers without I/O, clock, goroutine and logger.
const highestPure = 3

// within orders the packages of one layer that are one thing in several folders: later ones may import earlier ones.
var within = [][]string{
	{"pkg/apis/config", "pkg/apis/config/v1alpha1", "pkg/apis/config/validation", "pkg/apis/config/scheme"},
	{"pkg/view", "pkg/view/terminal", "pkg/view/page"},
}

// configuration reports whether a folder belongs to the configuration API. It names the format of the log lines, which is
// package logging's, and writes none.
func configuration(dir string) bool { return slices.Contains(within[0], dir) }

var leaves = []string{"pkg/confine", "pkg/fault", "pkg/guard", "pkg/hostfile", "pkg/logging", "pkg/metrics", "pkg/ruleset", "pkg/scheduling", "pkg/socket", "pkg/version"}

// tools are the proving ground and the programs of the maintainers: they may import anything, and the product imports none
// of them.
var tools = []string{"hack/", "e2e"}

// testTools are the tools that the tests of the product may import.
var testTools = []string{"e2e/converttest", "e2e/lab", "e2e/lab/guest", "e2e/lab/labtest", "e2e/lab/watch"}

// ground orders the packages of the proving ground: each may import earlier ones only. The words of what is seen, promised and
// done lie below what sees and does it.
var ground = []string{
	"e2e/converttest", "e2e/observe", "e2e/promise", "e2e/fault", "e2e/lab", "e2e/lab/labtest", "e2e/lab/guest", "e2e/lab/watch", "e2e/load",
	"e2e/trial", "e2e/trial/inject", "e2e/trial/compare", "e2e/trial/wild", "e2e/cluster", "e2e/witness", "e2e",
}

// alsoPure are other packages whose own code is held to what holds for the pure layers.
var alsoPure = []string{"e2e/observe", "e2e/promise", "pkg/report"}

// impure are the standard packages that the pure layers may not import.
var impure = []string{"net", "os", "syscall", "context", "sync", "log", "math/rand"}

// clock are the functions of package time that read or wait for a clock.
var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}

type file struct {
	dir  string // slash-separated, relative to the root
	name string
	test bool
	ast  *ast.File
	set  *token.FileSet // that the positions in ast refer to
}

// imports returns the paths that a file imports.
func (f file) imports() []string {
	var paths []string
	for _, spec := range f.ast.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			panic(err) // the parser accepted it
		}
		paths = append(paths, p)
	}
	return paths
}

// root is the folder of the repository, from which the tests name every file. They change to it themselves: the test cache does
// not see what a test reads after a change of folder before it.
var root, _ = filepath.Abs("../..")

func parseAll(t *testing.T) []file {
	t.Helper()
	t.Chdir(root)
	var files []file
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if _, err := os.Stat(filepath.Join(p, "go.mod")); p != "." && (err == nil || strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(p) != ".go" {
			return nil
		}
		set := token.NewFileSet()
		tree, err := parser.ParseFile(set, p, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, file{set: set, dir: path.Dir(filepath.ToSlash(p)), name: p, test: strings.HasSuffix(p, "_test.go"), ast: tree})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 40 {
		t.Fatalf("found only %d Go files", len(files))
	}
	return files
}

// product reports whether a folder holds code of the product and which layer it has.
func product(dir string) (layer int, ok bool) {
	if configuration(dir) {
		return layers["pkg/apis/config"], true
	}
	layer, ok = layers[dir]
	return layer, ok
}

func isTool(dir string) bool {
	return slices.ContainsFunc(tools, func(prefix string) bool {
		return dir == prefix || strings.HasPrefix(dir, strings.TrimSuffix(prefix, "/")+"/")
	})
}

// TestEveryPackageHasItsPlace fails for a folder that the tables above do not know.
func TestEveryPackageHasItsPlace(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range parseAll(t) {
		seen[f.dir] = true
		if _, ok := product(f.dir); !ok && !isTool(f.dir) && !slices.Contains(leaves, f.dir) {
			t.Errorf("%s: folder %s has no layer: give it one in architecture_test.go, or put the code where it belongs", f.name, f.dir)
		}
		for _, word := range []string{"util", "utils", "common", "helpers", "types", "base", "core", "manager"} {
			if path.Base(f.dir) == word {
				t.Errorf("%s: a package called %s says nothing about its job", f.name, word)
			}
		}
	}
	for dir := range layers {
		if !seen[dir] {
			t.Errorf("%s has a layer, but no Go file", dir)
		}
	}
}

// TestImportsPointDown holds the one direction of imports.
func TestImportsPointDown(t *testing.T) {
	for _, f := range parseAll(t) {
		layer, ok := product(f.dir)
		if !ok || f.test {
			continue
		}
		for _, imported := range f.imports() {
			if to, inside := strings.CutPrefix(imported, module); inside {
				if reason := forbidden(f.dir, layer, to); reason != "" {
					t.Errorf("%s imports %s: %s", f.name, to, reason)
				}
			}
		}
	}
}

// TestTestsOfTheProductUseTheLabOnly holds which tools the tests of the product may import.
func TestTestsOfTheProductUseTheLabOnly(t *testing.T) {
	for _, f := range parseAll(t) {
		if !f.test || isTool(f.dir) {
			continue
		}
		for _, imported := range f.imports() {
			if to, inside := strings.CutPrefix(imported, module); inside && isTool(to) && !slices.Contains(testTools, to) {
				t.Errorf("%s imports %s: tests of the product import %s only", f.name, to, strings.Join(testTools, ", "))
			}
		}
	}
}

// TestProvingGroundPointsDown holds the order of the proving ground, and that its words have one type each.
func TestProvingGroundPointsDown(t *testing.T) {
	words := map[string]string{"Timeline": "", "Span": "", "Outage": "", "Fault": "", "Row": "", "Promise": ""}
	for _, f := range parseAll(t) {
		rank := slices.Index(ground, f.dir)
		if rank < 0 && strings.HasPrefix(f.dir, "e2e") {
			t.Errorf("%s: folder %s has no place in the order of the proving ground", f.name, f.dir)
		}
		for _, imported := range f.imports() {
			to, inside := strings.CutPrefix(imported, module)
			if inside && rank >= 0 && !f.test && slices.Index(ground, to) >= rank {
				t.Errorf("%s imports %s, which comes later in the proving ground", f.name, to)
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if first, ok := words[spec.Name.Name]; ok && first != "" {
				t.Errorf("%s has another type %s beside that of %s", f.name, spec.Name.Name, first)
			} else if ok {
				words[spec.Name.Name] = f.name
			}
			return true
		})
	}
}

// forbidden says why the package from of a layer may not import the package to, or nothing.
func forbidden(from string, layer int, to string) string {
	if isTool(to) {
		return "the product does not import its tools"
	}
	if slices.Contains(leaves, to) {
		if layer <= highestPure && !(configuration(from) && to == "pkg/logging") {
			return "pure packages neither log nor measure nor know sockets"
		}
		return ""
	}
	target, ok := product(to)
	for _, thing := range within {
		if i, j := slices.Index(thing, from), slices.Index(thing, to); i >= 0 && j >= 0 {
			if j >= i {
				return "it comes later in " + thing[0]
			}
			return ""
		}
	}
	switch {
	case !ok:
		return "it has no layer"
	case target >= layer:
		return "it is not of a lower layer"
	}
	return ""
}

// TestCoresArePure holds that the layers up to highestPure, and alsoPure, have no I/O, no clock, no goroutine and no logger.
func TestCoresArePure(t *testing.T) {
	for _, f := range parseAll(t) {
		layer, ok := product(f.dir)
		if pure := ok && layer <= highestPure || slices.Contains(alsoPure, f.dir); f.test || !pure {
			continue
		}
		for _, imported := range f.imports() {
			for _, bad := range impure {
				if imported == bad || strings.HasPrefix(imported, bad+"/") && imported != "net/netip" {
					t.Errorf("%s imports %s", f.name, imported)
				}
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s starts a goroutine", f.name)
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clock, n.Sel.Name) {
					t.Errorf("%s reads the clock: time.%s", f.name, n.Sel.Name)
				}
			}
			return true
		})
	}
}

// TestNoInit holds that importing a package does nothing.
func TestNoInit(t *testing.T) {
	for _, f := range parseAll(t) {
		for _, decl := range f.ast.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s has an init function", f.name)
			}
		}
	}
}

// TestOneTypePerEnumeration finds twins: two types whose constants differ in their names only. One of them belongs to the
// package of the concept, and the others use it. The public API repeats them as strings, and its conversion is the only copy.
func TestOneTypePerEnumeration(t *testing.T) {
	enums := enumerations(parseAll(t))
	names := slices.Sorted(maps.Keys(enums))
	for i, a := range names {
		for _, b := range names[i+1:] {
			if twins(enums[a], enums[b]) {
				t.Errorf("%s and %s have the same constants: keep the one of the package that the concept belongs to", a, b)
			}
		}
	}
	if len(names) < 15 {
		t.Errorf("only %d types with constants found: %v", len(names), names)
	}
}

// twins reports whether two enumerations share two constants at least, and two thirds of the smaller one.
func twins(a, b [][]string) bool {
	shared := 0
	for _, labels := range a {
		if slices.ContainsFunc(b, func(others []string) bool {
			return slices.ContainsFunc(labels, func(l string) bool { return slices.Contains(others, l) })
		}) {
			shared++
		}
	}
	return shared >= 2 && 3*shared >= 2*min(len(a), len(b))
}

// enumerations returns the constants of each type, by folder and type. The labels of a constant are its name without the
// prefix that the constants of the type share, and its value where that is a string, both in lower case.
func enumerations(files []file) map[string][][]string {
	enums := map[string][][]string{}
	for name, constants := range typedConstants(files) {
		prefix := strings.ToLower(constants[0].Names[0].Name)
		for _, c := range constants {
			for !strings.HasPrefix(strings.ToLower(c.Names[0].Name), prefix) {
				prefix = prefix[:len(prefix)-1]
			}
		}
		for _, c := range constants {
			labels := []string{strings.TrimPrefix(strings.ToLower(c.Names[0].Name), prefix)}
			if len(c.Values) == 1 {
				if value, ok := c.Values[0].(*ast.BasicLit); ok && value.Kind == token.STRING {
					labels = append(labels, strings.ToLower(strings.Trim(value.Value, "`\"")))
				}
			}
			enums[name] = append(enums[name], labels)
		}
	}
	return enums
}

// typedConstants returns the constants of each exported type outside the public API, by folder and type.
func typedConstants(files []file) map[string][]*ast.ValueSpec {
	specs := map[string][]*ast.ValueSpec{}
	for _, f := range files {
		if f.test || path.Base(f.dir) == "v1alpha1" {
			continue
		}
		for _, decl := range f.ast.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.CONST {
				continue
			}
			var typ ast.Expr // goes on for constants without a value of their own
			for _, s := range group.Specs {
				spec := s.(*ast.ValueSpec)
				if spec.Type != nil || spec.Values != nil {
					typ = spec.Type
				}
				if name, ok := typ.(*ast.Ident); ok && ast.IsExported(name.Name) {
					key := f.dir + "." + name.Name
					specs[key] = append(specs[key], spec)
				}
			}
		}
	}
	return specs
}

// TestExportedFunctionsHaveAUser finds functions of the product that its tests alone call. The tests then call what the product
// calls. Of the proving ground the tests are the product.
func TestExportedFunctionsHaveAUser(t *testing.T) {
	files := parseAll(t)
	uses := map[string]int{} // of a name, by its folder
	for _, f := range files {
		if !f.test || isTool(f.dir) {
			f.countUses(uses)
		}
	}
	for _, f := range files {
		if _, ok := product(f.dir); f.test || !ok {
			continue
		}
		for _, decl := range f.ast.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if ok && fn.Recv == nil && fn.Name.IsExported() && uses[f.dir+" "+fn.Name.Name] == 1 { // its declaration
				t.Errorf("%s: only tests call %s: remove it, and let them call what the product calls", f.name, fn.Name.Name)
			}
		}
	}
}

// countUses counts the names that a file uses of its own package and, by selectors, of others of the module.
func (f file) countUses(uses map[string]int) {
	folders := map[string]string{} // of imported packages
	for _, imported := range f.imports() {
		if dir, inside := strings.CutPrefix(imported, module); inside {
			folders[path.Base(dir)] = dir
		}
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok {
				uses[folders[x.Name]+" "+n.Sel.Name]++
				return false
			}
		case *ast.Ident:
			uses[f.dir+" "+n.Name]++
		}
		return true
	})
}
