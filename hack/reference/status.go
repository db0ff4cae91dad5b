// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// statusFields returns the table of all fields of the status: names, types and comments.
func statusFields() (string, error) {
	comments, err := readComments("pkg/apis/status/v1alpha1/types.go")
	if err != nil {
		return "", err
	}
	t := &fieldTable{comments: comments}
	t.WriteString("| Field | Type | Meaning |\n|---|---|---|\n")
	t.addStatus("", reflect.TypeFor[v1alpha1.HarbingerStatus]())
	return t.String(), errors.Join(t.errs...)
}

// addStatus writes the rows of the fields of a struct, each group under a row of its own. What is embedded is described where
// it has a field.
func (t *fieldTable) addStatus(prefix string, group reflect.Type) {
	for field := range group.Fields() {
		if field.Anonymous {
			continue
		}
		name, comment := t.comment(group, field)
		kind, element, suffix := describeStatus(field.Type)
		fmt.Fprintf(t, "| `%s` | %s | %s |\n", prefix+name, kind, comment)
		if element != nil {
			t.addStatus(prefix+name+suffix+".", element)
		}
	}
}

// describeStatus returns the name of a type in JSON, and the struct that it consists of with what that adds to a path.
func describeStatus(t reflect.Type) (kind string, element reflect.Type, suffix string) {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "time", nil, ""
	case t == reflect.TypeFor[netip.Prefix]():
		return "string", nil, ""
	case t == reflect.TypeFor[metav1.Condition]():
		return "condition", nil, ""
	case t.Kind() == reflect.Pointer:
		return describeStatus(t.Elem())
	case t.Kind() == reflect.Slice, t.Kind() == reflect.Map:
		of, element, _ := describeStatus(t.Elem())
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
