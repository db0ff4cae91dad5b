// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func decode(t *testing.T, name string) (s HarbingerStatus) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(read(t, name)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return s
}

func TestDocumentsSurviveDecoding(t *testing.T) {
	for _, name := range []string{"holder", "backup", "degraded"} {
		s := decode(t, name)
		if s.APIVersion != GroupVersion || s.Kind != Kind {
			t.Errorf("%s is a %s of %s", name, s.Kind, s.APIVersion)
		}
		text, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if want := read(t, name); !bytes.Equal(append(text, '\n'), want) {
			t.Errorf("%s becomes\n%s", name, text)
		}
	}
}

// Each field has a value in one of the documents, so that they hold the name and the form of each.
func TestDocumentsHaveEachField(t *testing.T) {
	filled := map[string]bool{}
	for _, name := range []string{"holder", "backup", "degraded"} {
		walk(reflect.ValueOf(decode(t, name)), "", filled)
	}
	for path, ok := range filled {
		if !ok && path != ".Ready" && !strings.HasSuffix(path, ".ObservedGeneration") {
			t.Errorf("no document has %s", path)
		}
	}
	if len(filled) < 60 {
		t.Errorf("found only %d fields", len(filled))
	}
}

// walk notes for each field of a value, at any depth, whether it has been filled in.
func walk(v reflect.Value, path string, filled map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			walk(v.Elem(), path, filled)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), path+"[]", filled)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			walk(v.MapIndex(key), path+"[]", filled)
		}
	case reflect.Struct:
		for field, value := range v.Fields() {
			if !field.IsExported() {
				continue
			}
			name := path + "." + field.Name
			filled[name] = filled[name] || !value.IsZero()
			walk(value, name, filled)
		}
	}
}

// A document of a later version has fields that this one does not know, one of an earlier version lacks some.
func TestOtherVersionsAreRead(t *testing.T) {
	var s HarbingerStatus
	const text = `{"node": "node1", "later": {"x": 1}, "balancer": {"backends": [{"address": "192.0.2.1:6443", "healthy": true}]}}`
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	if b := s.Balancer.Backends; s.Node != "node1" || len(b) != 1 || !b[0].Healthy || b[0].State != "" || !b[0].Since.IsZero() {
		t.Errorf("read as %+v", s)
	}
}
