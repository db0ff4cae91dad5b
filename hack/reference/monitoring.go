// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// Where the rules and the dashboard are written by hand, and what is made from them.
const (
	alerts    = "manifests/monitoring/alerts.yaml"
	dashboard = "manifests/monitoring/dashboard.json"
)

// A made file is made from another one.
type made struct {
	from, to string
	text     func([]byte) ([]byte, error)
}

var files = []made{
	{alerts, "manifests/monitoring/prometheusrule.yaml", prometheusRule},
	{alerts, "manifests/helm/files/alerts.yaml", same},
	{dashboard, "manifests/helm/files/dashboard.json", same},
}

func same(content []byte) ([]byte, error) { return content, nil }

// prometheusRule makes the object of the Prometheus operator of a file of rules.
func prometheusRule(content []byte) ([]byte, error) {
	var spec map[string]any
	if err := yaml.UnmarshalStrict(content, &spec); err != nil {
		return nil, err
	}
	object, err := yaml.Marshal(map[string]any{
		"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule",
		"metadata": map[string]any{"name": "harbinger", "namespace": "kube-system"}, "spec": spec,
	})
	head := "# SPDX-License-Identifier: Apache-2.0\n# Made from alerts.yaml by: go run ./hack/reference -write\n"
	return append([]byte(head), object...), err
}

// updateFiles writes the made files below a directory, or returns an error that names each that is another one.
func updateFiles(root string, write bool) error {
	var errs []error
	for _, f := range files {
		content, err := os.ReadFile(filepath.Join(root, f.from))
		if err != nil {
			return err
		}
		want, err := f.text(content)
		if err != nil {
			return fmt.Errorf("%s: %w", f.from, err)
		}
		to := filepath.Join(root, f.to)
		switch got, err := os.ReadFile(to); {
		case err == nil && bytes.Equal(got, want):
		case write:
			errs = append(errs, os.WriteFile(to, want, 0o644))
		default:
			errs = append(errs, fmt.Errorf("%s is not what %s makes: go run ./hack/reference -write", f.to, f.from))
		}
	}
	return errors.Join(errs...)
}
