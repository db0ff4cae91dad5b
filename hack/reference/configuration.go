// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
)

// configuration returns the table of all configuration fields: names, types, defaults and comments.
func configuration() (string, error) {
	comments, err := readComments("pkg/apis/config/v1alpha1/types.go")
	if err != nil {
		return "", err
	}
	var defaults v1alpha1.HarbingerConfiguration
	v1alpha1.SetDefaults_HarbingerConfiguration(&defaults)
	t := &fieldTable{comments: comments}
	t.WriteString("| Field | Type | Default | Meaning |\n|---|---|---|---|\n")
	t.add("", reflect.ValueOf(defaults))
	return t.String(), errors.Join(t.errs...)
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

type fieldTable struct {
	strings.Builder
	comments map[string]string
	errs     []error
}

// add writes the rows of the fields of a struct.
func (t *fieldTable) add(prefix string, v reflect.Value) {
	for field, value := range v.Fields() {
		if field.Anonymous {
			continue
		}
		name, comment := t.comment(v.Type(), field)
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

// comment returns the name of a field in documents, and its comment, which must begin with that name.
func (t *fieldTable) comment(group reflect.Type, field reflect.StructField) (name, comment string) {
	name, _, _ = strings.Cut(field.Tag.Get("json"), ",")
	comment = t.comments[group.Name()+"."+field.Name]
	if !strings.HasPrefix(comment, name) {
		t.errs = append(t.errs, fmt.Errorf("the comment of %s.%s must begin with %q", group.Name(), field.Name, name))
	}
	return name, comment
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
