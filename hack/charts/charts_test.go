// SPDX-License-Identifier: Apache-2.0

// Package charts holds no code: its tests render the Helm chart and the kustomizations of manifests/ with the libraries of Helm and
// kustomize, which the program itself does not need, and read the objects as Kubernetes and the Prometheus operator would.
package charts

import (
	"bufio"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const manifests = "../../manifests/"

// types are those of the objects that there may be.
var types = map[string]func() any{
	"Role": func() any { return &rbacv1.Role{} }, "RoleBinding": func() any { return &rbacv1.RoleBinding{} },
	"ConfigMap": func() any { return &corev1.ConfigMap{} }, "PodMonitor": func() any { return &monitoringv1.PodMonitor{} },
	"PrometheusRule": func() any { return &monitoringv1.PrometheusRule{} },
}

// objects reads documents strictly, by kind and name.
func objects(t *testing.T, text string) map[string]any {
	t.Helper()
	all := map[string]any{}
	reader := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		document, err := reader.Read()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		var head struct {
			Kind     string
			Metadata struct{ Name string }
		}
		if err := yaml.Unmarshal(document, &head); err != nil {
			t.Fatal(err)
		}
		if head.Kind == "" {
			continue // comments alone
		}
		build, ok := types[head.Kind]
		if !ok {
			t.Fatalf("an object of kind %q", head.Kind)
		}
		object := build()
		if err := yaml.UnmarshalStrict(document, object); err != nil {
			t.Errorf("%s %s: %v", head.Kind, head.Metadata.Name, err)
		}
		all[head.Kind+" "+head.Metadata.Name] = object
	}
}

// render renders the chart with values.
func render(t *testing.T, values string) (string, error) {
	t.Helper()
	chart, err := loader.Load(manifests + "helm")
	if err != nil {
		t.Fatal(err)
	}
	given, err := chartutil.ReadValues([]byte(values))
	if err != nil {
		t.Fatal(err)
	}
	all, err := chartutil.ToRenderValues(chart, given, chartutil.ReleaseOptions{Name: "harbinger", Namespace: "kube-system"}, nil)
	if err != nil {
		return "", err
	}
	rendered, err := engine.Render(chart, all)
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(rendered)) {
		text.WriteString("---\n" + rendered[name] + "\n")
	}
	return text.String(), err
}

// build builds a kustomization.
func build(t *testing.T, dir string) string {
	t.Helper()
	result, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := result.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The chart and the kustomization are the same objects, with the permissions of rbac.yaml and the rules and the dashboard as they are.
func TestChartAndKustomizationAgree(t *testing.T) {
	rendered, err := render(t, "")
	if err != nil {
		t.Fatal(err)
	}
	chart, kustomized := objects(t, rendered), objects(t, build(t, manifests))
	if len(chart) != 7 || len(kustomized) != len(chart) {
		t.Errorf("%d objects of the chart, %d of the kustomization", len(chart), len(kustomized))
	}
	for name, object := range kustomized {
		if !reflect.DeepEqual(chart[name], object) {
			t.Errorf("%s: the chart has\n%+v\nthe kustomization\n%+v", name, chart[name], object)
		}
	}
	rbac, err := os.ReadFile(manifests + "rbac.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, object := range objects(t, string(rbac)) {
		if !reflect.DeepEqual(chart[name], object) {
			t.Errorf("%s: the chart has\n%+v\nrbac.yaml\n%+v", name, chart[name], object)
		}
	}
	dashboard, err := os.ReadFile(manifests + "monitoring/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	if shown := chart["ConfigMap harbinger-dashboard"].(*corev1.ConfigMap); shown.Data["harbinger.json"] != string(dashboard) || shown.Labels["grafana_dashboard"] != "1" {
		t.Error("the ConfigMap has another dashboard, or no label")
	}
	if rules := chart["PrometheusRule harbinger"].(*monitoringv1.PrometheusRule); len(rules.Spec.Groups) == 0 || len(rules.Spec.Groups[0].Rules) < 5 {
		t.Errorf("rules %+v", rules.Spec)
	}
}

func TestValues(t *testing.T) {
	text, err := render(t, "rbac: {user: ha, lease: {name: east}}\nrules: {labels: {release: prometheus}}\ndashboard: {create: false}\n"+
		"podMonitor: {port: 9999, token: {secret: ''}, tlsConfig: {serverName: harbinger, ca: {secret: {name: ca, key: ca.crt}}}}\n")
	if err != nil {
		t.Fatal(err)
	}
	all := objects(t, text)
	endpoint := all["PodMonitor harbinger"].(*monitoringv1.PodMonitor).Spec.PodMetricsEndpoints[0]
	if endpoint.Scheme == nil || !strings.EqualFold(string(*endpoint.Scheme), "https") || endpoint.Authorization != nil || *endpoint.RelabelConfigs[1].Replacement != "[$1]:9999" || *endpoint.TLSConfig.ServerName != "harbinger" {
		t.Errorf("PodMonitor %+v", endpoint)
	}
	if all["ConfigMap harbinger-dashboard"] != nil || all["PrometheusRule harbinger"].(*monitoringv1.PrometheusRule).Labels["release"] != "prometheus" ||
		all["RoleBinding harbinger:lease:east"].(*rbacv1.RoleBinding).Subjects[0].Name != "ha" {
		t.Errorf("rendered:\n%s", text)
	}
	if text, err := render(t, "rbac: {create: false}\nrules: {create: false}\ndashboard: {create: false}\npodMonitor: {create: false}\n"); err != nil || len(objects(t, text)) != 0 {
		t.Errorf("nothing wanted: %v\n%s", err, text)
	}
	for values, want := range map[string]string{
		"rule: {create: true}": "rule", "podMonitor: {port: 0}": "port", "podMonitor: {interval: soon}": "interval", "rbac: {user: ''}": "user", "rules: {labels: {a: 1}}": "labels",
	} {
		if _, err := render(t, values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", values, err)
		}
	}
}
