// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	statusv1alpha1 "github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// configuration returns the table of all configuration fields: names, types, defaults and comments. Groups have no row of their own.
func configuration() (string, error) {
	all, err := configurationRows()
	var b strings.Builder
	b.WriteString("| Field | Type | Default | Meaning |\n|---|---|---|---|\n")
	for _, r := range all {
		kind, _, _ := strings.Cut(r.Type, " of ")
		if kind != "group" {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.Field, kind, code(r.Default), r.Meaning)
		}
	}
	return b.String(), err
}

// statusFields returns the table of all fields of the status: names, types and comments.
func statusFields() (string, error) {
	all, err := statusRows(false)
	var b strings.Builder
	b.WriteString("| Field | Type | Meaning |\n|---|---|---|\n")
	for _, r := range all {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.Field, r.Type, r.Meaning)
	}
	return b.String(), err
}

func configurationRows() ([]row, error) {
	var defaults v1alpha1.HarbingerConfiguration
	v1alpha1.SetDefaults_HarbingerConfiguration(&defaults)
	return rows("pkg/apis/config/v1alpha1", defaults, false)
}

// statusRows returns the fields of the status, with those that are said twice or without.
func statusRows(repeated bool) ([]row, error) {
	return rows("pkg/apis/status/v1alpha1", statusv1alpha1.HarbingerStatus{}, repeated)
}

// row is what is known of a field.
type row struct {
	Field   string   `json:"field"` // its path, with [] behind what it is one of
	Type    string   `json:"type"`
	Default string   `json:"default,omitempty"`
	Values  []string `json:"values,omitempty"` // it is one of these
	Meaning string   `json:"meaning"`
}

// rows returns the fields of a struct that is declared in a package, with their values as defaults; with those that a struct repeats
// of another by embedding it, or without.
func rows(folder string, of any, repeated bool) ([]row, error) {
	comments, err := readComments(folder)
	if err != nil {
		return nil, err
	}
	t := &fieldTable{comments: comments, repeated: repeated}
	t.add("", reflect.ValueOf(of))
	return t.rows, errors.Join(t.errs...)
}

// code is a text between backquotes; nothing where there is none.
func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

// readComments returns the comment of each field of a package, by TYPE.FIELD.
func readComments(folder string) (map[string]string, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, err
	}
	comments := map[string]string{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
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
	}
	return comments, nil
}

type fieldTable struct {
	rows     []row
	comments map[string]string
	repeated bool
	errs     []error
}

// add adds the fields of a struct, and those of the structs in it. What is embedded is described where it has a field.
func (t *fieldTable) add(prefix string, v reflect.Value) {
	for field, value := range v.Fields() {
		if field.Anonymous {
			if t.repeated && field.Type.PkgPath() == v.Type().PkgPath() {
				t.add(prefix, value)
			}
			continue
		}
		name, comment := t.comment(v.Type(), field)
		kind, element, suffix := describe(field.Type)
		t.rows = append(t.rows, row{Field: prefix + name, Type: kind, Default: defaultOf(value), Meaning: comment})
		if element != nil {
			if value.Type() != element {
				value = reflect.Zero(element)
			}
			t.add(prefix+name+suffix+".", value)
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

// describe returns the name of a type in JSON, and the struct that it consists of with what that adds to a path.
func describe(t reflect.Type) (kind string, element reflect.Type, suffix string) {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "time", nil, ""
	case t == reflect.TypeFor[metav1.Duration]():
		return "duration", nil, ""
	case t == reflect.TypeFor[netip.Prefix]():
		return "string", nil, ""
	case t == reflect.TypeFor[metav1.Condition]():
		return "condition", nil, ""
	case t.Kind() == reflect.Pointer:
		return describe(t.Elem())
	case t.Kind() == reflect.Slice, t.Kind() == reflect.Map:
		of, element, _ := describe(t.Elem())
		return map[reflect.Kind]string{reflect.Slice: "list of ", reflect.Map: "map of "}[t.Kind()] + of, element, "[]"
	case t.Kind() == reflect.Struct:
		return "group", t, ""
	case t.Kind() == reflect.Bool:
		return "boolean", nil, ""
	case strings.Contains(t.Kind().String(), "int"):
		return "integer", nil, ""
	}
	return t.Kind().String(), nil, ""
}

// defaultOf returns the default of a field. One without a default has none, or its comment says how it is found.
func defaultOf(v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if !v.IsValid() {
		return ""
	}
	switch value := v.Interface().(type) {
	case metav1.Duration:
		return value.Duration.String()
	case bool, int32:
		return fmt.Sprint(value)
	}
	if v.IsZero() || v.Kind() == reflect.Struct {
		return ""
	}
	return fmt.Sprint(v.Interface())
}

// documented is the comment of a message of the log.
var documented = regexp.MustCompile(`^Msg\w+ \((INFO|WARN|ERROR|ERROR or WARN|ERROR or INFO|WARN or INFO|DEBUG\+3)\): (.+\.) Remedy: (.+\.)$`)

// logLines returns the table of all messages of the log: level, meaning, and what to do; and that of their keys.
func logLines() (string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "pkg/logging/lines.go", nil, parser.ParseComments)
	if err != nil {
		return "", err
	}
	var messages, keys strings.Builder
	var errs []error
	messages.WriteString("| Line | Level | Meaning | What to do |\n|---|---|---|---|\n")
	keys.WriteString("\n| Key | Meaning |\n|---|---|\n")
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		name, value := spec.Names[0].Name, strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`)
		comment := strings.Join(strings.Fields(spec.Doc.Text()+spec.Comment.Text()), " ")
		switch parts := documented.FindStringSubmatch(comment); {
		case strings.HasPrefix(name, "Key"):
			fmt.Fprintf(&keys, "| `%s` | %s |\n", value, comment)
		case parts == nil:
			errs = append(errs, fmt.Errorf("pkg/logging: the comment of %s is not NAME (LEVEL): MEANING. Remedy: WHAT TO DO", name))
		default:
			fmt.Fprintf(&messages, "| `%s` | %s | %s | %s |\n", value, parts[1], parts[2], parts[3])
		}
		return true
	})
	return messages.String() + keys.String(), errors.Join(errs...)
}
