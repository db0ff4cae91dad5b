// SPDX-License-Identifier: Apache-2.0

// Package scheme turns configuration documents into the configuration the program uses, and back. Decoding is strict: an
// unknown or repeated field, a second document, another kind or version is an error, never ignored. It reads no files.
package scheme

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/validation"
)

// Decode returns the defaulted and validated configuration of one YAML or JSON document. The error joins every fault found.
func Decode(raw []byte) (*config.HarbingerConfiguration, error) {
	versioned, err := DecodeVersioned(raw)
	if err != nil {
		return nil, err
	}
	return Complete(versioned)
}

// Complete defaults, converts and validates a configuration. The error joins every fault found.
func Complete(versioned *v1alpha1.HarbingerConfiguration) (*config.HarbingerConfiguration, error) {
	v1alpha1.SetDefaults_HarbingerConfiguration(versioned)
	cfg, errs := v1alpha1.ToInternal(versioned)
	for _, err := range validation.Validate(cfg) {
		if !reported(errs, err.Field) {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return nil, join(errs)
	}
	return cfg, nil
}

// reported says whether the list has an error at the field: a value that could not be converted was left zero, and what
// validation says about the zero would only confuse.
func reported(errs field.ErrorList, path string) bool {
	return slices.ContainsFunc(errs, func(err *field.Error) bool { return err.Field == path })
}

// DecodeVersioned returns the configuration of one document as it is written: not defaulted, not validated.
func DecodeVersioned(raw []byte) (*v1alpha1.HarbingerConfiguration, error) {
	document, err := singleDocument(raw)
	if err != nil {
		return nil, err
	}
	if err := checkKind(document); err != nil {
		return nil, err
	}
	if errs := checkDurations(document); len(errs) > 0 {
		return nil, join(errs)
	}
	versioned := &v1alpha1.HarbingerConfiguration{}
	strict, err := kjson.UnmarshalStrict(document, versioned)
	if err != nil {
		return nil, explain(err)
	}
	return versioned, errors.Join(strict...)
}

// singleDocument returns the one document of a YAML stream as JSON.
func singleDocument(raw []byte) ([]byte, error) {
	var documents [][]byte
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(raw)))
	for {
		chunk, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		document, err := yaml.YAMLToJSONStrict(chunk)
		if err != nil {
			return nil, err
		}
		if string(document) != "null" {
			documents = append(documents, document)
		}
	}
	switch len(documents) {
	case 0:
		return nil, errors.New("the configuration is empty")
	case 1:
		return documents[0], nil
	default:
		return nil, fmt.Errorf("the configuration has %d documents, want one", len(documents))
	}
}

func checkKind(document []byte) error {
	var meta metav1.TypeMeta
	if err := kjson.UnmarshalCaseSensitivePreserveInts(document, &meta); err != nil {
		return explain(err)
	}
	var errs field.ErrorList
	if meta.APIVersion != v1alpha1.GroupVersion {
		errs = append(errs, field.NotSupported(field.NewPath("apiVersion"), meta.APIVersion, []string{v1alpha1.GroupVersion}))
	}
	if meta.Kind != v1alpha1.Kind {
		errs = append(errs, field.NotSupported(field.NewPath("kind"), meta.Kind, []string{v1alpha1.Kind}))
	}
	return join(errs)
}

// checkDurations finds the durations that do not parse: the decoder would not say which fields they are.
func checkDurations(document []byte) field.ErrorList {
	var untyped any
	if err := json.Unmarshal(document, &untyped); err != nil {
		return field.ErrorList{field.InternalError(nil, err)}
	}
	return invalidDurations(nil, reflect.TypeFor[v1alpha1.HarbingerConfiguration](), untyped)
}

func invalidDurations(path *field.Path, t reflect.Type, value any) field.ErrorList {
	if t == reflect.TypeFor[metav1.Duration]() {
		if s, ok := value.(string); ok {
			if _, err := time.ParseDuration(s); err == nil {
				return nil
			}
		}
		return field.ErrorList{field.Invalid(path, value, "must be a duration, such as 1s or 100ms")}
	}
	members, ok := value.(map[string]any)
	if !ok || t.Kind() != reflect.Struct {
		return nil
	}
	var errs field.ErrorList
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if member, ok := members[name]; ok && member != nil {
			errs = append(errs, invalidDurations(path.Child(name), f.Type, member)...)
		}
	}
	return errs
}

// explain rewrites a type error of the decoder in the words of the document.
func explain(err error) error {
	var typeError *json.UnmarshalTypeError
	if !errors.As(err, &typeError) {
		return err
	}
	want := jsonType(typeError.Type)
	if typeError.Field == "" {
		return fmt.Errorf("the configuration must be %s (got %s)", want, typeError.Value)
	}
	return fmt.Errorf("%s: must be %s (got %s)", typeError.Field, want, typeError.Value)
}

func jsonType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct:
		return "an object"
	case reflect.Slice:
		return "a list"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	default:
		return "a whole number"
	}
}

func join(errs field.ErrorList) error {
	joined := make([]error, 0, len(errs))
	for _, err := range errs {
		joined = append(joined, err)
	}
	return errors.Join(joined...)
}
