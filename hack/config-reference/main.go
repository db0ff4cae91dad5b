// SPDX-License-Identifier: Apache-2.0

// Command config-reference makes the table of all configuration fields from the types of v1alpha1: their names, types,
// defaults and comments. Run it in the root of the repository.
//
//	config-reference                  print the table
//	config-reference -check README.md fail when the table between the markers is another one
//	config-reference -write README.md put the table between the markers
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
)

const source = "pkg/apis/config/v1alpha1/types.go"

// The table stands between these lines.
const (
	begin = "<!-- config-reference: begin; made by go run ./hack/config-reference -write README.md -->\n"
	end   = "<!-- config-reference: end -->\n"
)

func main() {
	check := flag.String("check", "", "fail when this file has another table")
	write := flag.String("write", "", "put the table into this file")
	flag.Parse()
	if err := run(*check, *write); err != nil {
		fmt.Fprintln(os.Stderr, "config-reference:", err)
		os.Exit(1)
	}
}

func run(check, write string) error {
	comments, err := readComments(source)
	if err != nil {
		return err
	}
	table, err := render(comments)
	if err != nil {
		return err
	}
	switch {
	case check != "":
		old, updated, err := insert(check, table)
		if err == nil && !bytes.Equal(old, updated) {
			err = fmt.Errorf("the table in %s is not that of the source: go run ./hack/config-reference -write %s", check, check)
		}
		return err
	case write != "":
		_, updated, err := insert(write, table)
		if err != nil {
			return err
		}
		return os.WriteFile(write, updated, 0o644)
	default:
		_, err := fmt.Print(table)
		return err
	}
}

// insert returns a file as it is and as it is with the table between the markers.
func insert(name, table string) (old, updated []byte, err error) {
	old, err = os.ReadFile(name)
	if err != nil {
		return nil, nil, err
	}
	before, rest, found := bytes.Cut(old, []byte(begin))
	_, after, closed := bytes.Cut(rest, []byte(end))
	if !found || !closed {
		return nil, nil, fmt.Errorf("%s lacks the lines\n%s%s", name, begin, end)
	}
	return old, []byte(string(before) + begin + table + end + string(after)), nil
}

// readComments returns the comment of each field, by TYPE.FIELD.
func readComments(name string) (map[string]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	comments := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if fields, ok := spec.Type.(*ast.StructType); ok {
			for _, field := range fields.Fields.List {
				for _, name := range field.Names {
					comments[spec.Name.Name+"."+name.Name] = strings.Join(strings.Fields(field.Doc.Text()), " ")
				}
			}
		}
		return true
	})
	return comments, nil
}

func render(comments map[string]string) (string, error) {
	var defaults v1alpha1.HarbingerConfiguration
	v1alpha1.SetDefaults_HarbingerConfiguration(&defaults)
	t := &table{comments: comments}
	t.WriteString("| Field | Type | Default | Meaning |\n|---|---|---|---|\n")
	t.add("", reflect.ValueOf(defaults))
	return t.String(), errors.Join(t.errs...)
}

type table struct {
	strings.Builder
	comments map[string]string
	errs     []error
}

// add writes the rows of the fields of a struct.
func (t *table) add(prefix string, v reflect.Value) {
	for field, value := range v.Fields() {
		if field.Anonymous {
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		comment := t.comments[v.Type().Name()+"."+field.Name]
		if !strings.HasPrefix(comment, name) {
			t.errs = append(t.errs, fmt.Errorf("the comment of %s.%s must begin with %q", v.Type().Name(), field.Name, name))
		}
		path := prefix + name
		switch kind := describe(field.Type); kind {
		case "group":
			t.add(path+".", value)
		default:
			fmt.Fprintf(t, "| `%s` | %s | %s | %s |\n", path, kind, defaultOf(value), comment)
			if field.Type.Kind() == reflect.Slice && field.Type.Elem().Kind() == reflect.Struct {
				t.add(path+"[].", reflect.Zero(field.Type.Elem()))
			}
		}
	}
}

func describe(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[metav1.Duration]():
		return "duration"
	case t.Kind() == reflect.Pointer:
		return describe(t.Elem())
	case t.Kind() == reflect.Struct:
		return "group"
	case t.Kind() == reflect.Slice:
		return "list"
	case t.Kind() == reflect.Bool:
		return "boolean"
	case t.Kind() == reflect.Int32:
		return "integer"
	default:
		return t.Kind().String()
	}
}

// defaultOf returns the default of a field as code. One without a default has none, or its comment says how it is found.
func defaultOf(v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch value := v.Interface().(type) {
	case metav1.Duration:
		return "`" + value.Duration.String() + "`"
	case bool, int32:
		return fmt.Sprintf("`%v`", value)
	}
	if v.IsZero() {
		return ""
	}
	return fmt.Sprintf("`%v`", v.Interface())
}
