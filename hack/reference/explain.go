// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	statusv1alpha1 "github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// fieldsFile is what harbinger explain knows of the fields of the configuration and of the status.
const fieldsFile = "cmd/harbinger/app/fields.json"

// updateFields writes the file, or returns an error where it is not that of the source.
func updateFields(write bool) error {
	content, err := fieldsDocument()
	if err != nil {
		return err
	}
	old, err := os.ReadFile(fieldsFile)
	switch {
	case write:
		return os.WriteFile(fieldsFile, content, 0o644)
	case err != nil:
		return err
	case !bytes.Equal(old, content):
		return fmt.Errorf("%s is not that of the source: go run ./hack/reference -write", fieldsFile)
	}
	return nil
}

// fieldsDocument returns the content of the file.
func fieldsDocument() ([]byte, error) {
	configuration, err := configurationRows()
	if err != nil {
		return nil, err
	}
	values := accepted()
	for i, r := range configuration {
		configuration[i].Values = values[r.Field]
	}
	status, err := statusRows(true)
	if err != nil {
		return nil, err
	}
	identity := func(kind string) []row {
		return []row{
			{Field: "apiVersion", Type: "string", Values: []string{v1alpha1.GroupVersion}, Meaning: "apiVersion is the version of the document."},
			{Field: "kind", Type: "string", Values: []string{kind}, Meaning: "kind says what the document is."},
		}
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	err = encoder.Encode(map[string][]row{
		"configuration": append(identity(v1alpha1.Kind), configuration...),
		"status":        append(identity(statusv1alpha1.Kind), withConditions(status)...),
	})
	return b.Bytes(), err
}

// withConditions adds the fields of conditions, which Kubernetes declares, and the values that they and the findings have.
func withConditions(status []row) (all []row) {
	docs := metav1.Condition{}.SwaggerDoc()
	for _, r := range status {
		r.Default = "" // the zero of its type is none
		switch r.Field {
		case "findings[].condition":
			r.Values = statusv1alpha1.ConditionTypes()
		case "findings[].severity":
			r.Values = []string{statusv1alpha1.SeverityCritical, statusv1alpha1.SeverityWarning}
		}
		all = append(all, r)
		if r.Type != "list of condition" {
			continue
		}
		for f := range reflect.TypeFor[metav1.Condition]().Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			kind, _, _ := describe(f.Type)
			child := row{Field: r.Field + "[]." + name, Type: kind, Meaning: strings.TrimSuffix(docs[name], ".") + "."}
			switch name {
			case "type":
				child.Values, child.Meaning = statusv1alpha1.ConditionTypes(), "type of the condition. The page of the runbooks has a section for each."
			case "status":
				child.Values = []string{string(metav1.ConditionTrue), string(metav1.ConditionFalse), string(metav1.ConditionUnknown)}
			case "lastTransitionTime":
				child.Type = "time"
			}
			all = append(all, child)
		}
	}
	return all
}

var quoted = regexp.MustCompile(`"([^"]*)"`)

// accepted returns the values of the fields that have one of some, by asking the validation: it names them where it refuses another.
func accepted() map[string][]string {
	all := map[string][]string{}
	for _, authentication := range []string{"", "HMAC"} { // of which some fields are checked only with it
		var each func(v func(*v1alpha1.HarbingerConfiguration) reflect.Value, t reflect.Type)
		each = func(get func(*v1alpha1.HarbingerConfiguration) reflect.Value, t reflect.Type) {
			for i := range t.NumField() {
				inner := func(cfg *v1alpha1.HarbingerConfiguration) reflect.Value { return get(cfg).Field(i) }
				switch kind := t.Field(i).Type; kind.Kind() {
				case reflect.Struct:
					each(inner, kind)
				case reflect.String:
					cfg := &v1alpha1.HarbingerConfiguration{VirtualAddresses: []string{"192.0.2.1/24"}}
					cfg.Election.VRRP.Authentication.Type = authentication
					inner(cfg).SetString("?")
					_, err := scheme.Complete(cfg)
					collect(all, err)
				}
			}
		}
		each(func(cfg *v1alpha1.HarbingerConfiguration) reflect.Value { return reflect.ValueOf(cfg).Elem() }, reflect.TypeFor[v1alpha1.HarbingerConfiguration]())
	}
	return all
}

// collect notes the values that errors name.
func collect(all map[string][]string, err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // it takes the tree of errors apart
		for _, e := range joined.Unwrap() {
			collect(all, e)
		}
		return
	}
	refused, ok := errors.AsType[*field.Error](err)
	if !ok || refused.Type != field.ErrorTypeNotSupported {
		return
	}
	var values []string
	for _, found := range quoted.FindAllStringSubmatch(refused.Detail, -1) {
		values = append(values, found[1])
	}
	if _, known := all[refused.Field]; !known {
		all[refused.Field] = slices.Clip(values)
	}
}
