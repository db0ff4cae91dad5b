// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	statusv1alpha1 "github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// leaves are structs that stand in a document as one value.
var leaves = []reflect.Type{reflect.TypeFor[metav1.Duration](), reflect.TypeFor[metav1.Time](), reflect.TypeFor[time.Time](), reflect.TypeFor[netip.Prefix]()}

// pathsOf returns the paths of the fields of a type, by what encoding/json makes of it.
func pathsOf(prefix string, t reflect.Type) (paths []string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || slices.Contains(leaves, t) {
		return nil
	}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous {
			paths = append(paths, pathsOf(prefix, f.Type)...)
			continue
		}
		paths = append(append(paths, prefix+name), pathsOf(prefix+name+".", f.Type)...)
	}
	return paths
}

// Every field that a document can have is explained, and the line of its group names it.
func TestExplainKnowsEveryField(t *testing.T) {
	for _, tt := range []struct {
		document string
		of       reflect.Type
		flags    []string
		least    int
	}{
		{"configuration", reflect.TypeFor[v1alpha1.HarbingerConfiguration](), nil, 70},
		{"status", reflect.TypeFor[statusv1alpha1.HarbingerStatus](), []string{"--status"}, 120},
	} {
		explain := func(path string) string {
			r := harbinger("", append([]string{"explain", path}, tt.flags...)...)
			r.want(t, 0)
			fits80(t, "explain "+path, r.stdout)
			return r.stdout
		}
		paths := pathsOf("", tt.of)
		if len(paths) < tt.least {
			t.Fatalf("only %d fields of the %s", len(paths), tt.document)
		}
		for _, path := range paths {
			group, name := "", path
			if i := strings.LastIndex(path, "."); i >= 0 {
				group, name = path[:i], path[i+1:]
			}
			text := explain(path)
			if !strings.Contains(text, " (of the "+tt.document+")\nType:     ") || !strings.Contains(text, "\n\n"+name) {
				t.Errorf("explain %s prints\n%s", path, text)
			}
			if !strings.Contains(explain(group), "\n  "+name+" (") {
				t.Errorf("explain %q does not list %s", group, name)
			}
		}
	}
}

func TestExplain(t *testing.T) {
	for line, want := range map[string][]string{
		"election.vrrp.priority":            {"Field:    election.vrrp.priority (of the configuration)\nType:     integer\nDefault:  100\n\npriority of a healthy node: 11 to 239"},
		"loadBalancer.policy":               {"Default:  LeastConnections\nValues:   RoundRobin, LeastConnections or SourceHash\n"},
		".loadbalancer.BACKENDS[0].address": {"Field:    loadBalancer.backends[].address ("},
		"loadBalancer.backends":             {"Type:     list of group\n", "\nIts fields:\n\n  address (string)\n      address and port of the apiserver: ", "\n  backup (boolean, default false)\n"},
		"status":                            {"(of the configuration)", "\n  bindAddress (string, default 127.0.0.1:10443)"},
		"status.bindAddress":                {"(of the configuration)"},
		"status.virtualRouter.state":        {"Field:    virtualRouter.state (of the status)"},
		"--status virtualRouter.state":      {"state is Initialize, Backup, Claiming, "},
		"--status conditions.type":          {"Values:   Conflict, SplitSuspected, "},
		"--status findings.severity":        {"Values:   Critical or Warning\n"},
		"":                                  {"The fields at the top of the configuration:\n", "\n  apiVersion (string)\n", "\n  healthCheck (group)\n"},
		"--status":                          {"The fields at the top of the status:\n", "\n  balancer (group)\n"},
		"election.vrrp.authentication.hmac.keys[].id": {"id is 1 to 255"},
	} {
		r := harbinger("", append([]string{"explain"}, strings.Fields(line)...)...)
		r.want(t, 0)
		for _, text := range want {
			if !strings.Contains(r.stdout, text) {
				t.Errorf("explain %s has no %q:\n%s", line, text, r.stdout)
			}
		}
	}
	for line, want := range map[string]string{
		"priority":                "the configuration has no field priority: did you mean election.vrrp.priority?",
		"election.vrp.priority":   "did you mean election.vrrp.priority?",
		"election.vrrp.prioriti":  "did you mean election.vrrp.priority?",
		"loadBalancer.timeout":    "did you mean loadBalancer.drain.timeout or healthCheck.timeout?",
		"virtualRouter.state":     "but the status has: harbinger explain --status virtualRouter.state",
		"--status election.mode":  "the status has no field election.mode, but the configuration has: harbinger explain election.mode",
		"--status frobnicate.it":  "the status has no field frobnicate.it: harbinger explain --status without a field lists what is at the top",
		"elektion":                "did you mean election?",
		"status.frobnicate":       "the configuration has no field status.frobnicate: ",
		"election.vrrp.priority.": "",
	} {
		r := harbinger("", append([]string{"explain"}, strings.Fields(line)...)...)
		if want == "" {
			r.want(t, 0)
			continue
		}
		r.want(t, 2, want)
	}
}

// The values that are said of a field of the configuration are those that it may have.
func TestExplainedValuesAreAccepted(t *testing.T) {
	values := map[string]string{"loadBalancer.policy": "{loadBalancer: {policy: %}}", "healthCheck.scheme": "{healthCheck: {scheme: %}}", "logging.format": "{logging: {format: %}}",
		"loadBalancer.onBackendDown": "{loadBalancer: {onBackendDown: %}}", "election.mode": "{election: {mode: %}}", "loadBalancer.steering.mode": "{loadBalancer: {steering: {mode: %}}}"}
	for field, document := range values {
		_, text, _ := strings.Cut(harbinger("", "explain", field).stdout, "\nValues:   ")
		line, _, _ := strings.Cut(text, "\n")
		known := strings.Fields(strings.NewReplacer(",", "", " or ", " ").Replace(line))
		if len(known) < 2 {
			t.Errorf("%s has the values %q", field, known)
		}
		for _, value := range append(known, "bogus") {
			body := strings.TrimSuffix(strings.ReplaceAll(document, "%", value), "}") + ", virtualAddresses: [192.168.238.100/24], apiVersion: harbinger.dev/v1alpha1, kind: HarbingerConfiguration}"
			r := harbinger(body, "config", "validate", "-")
			if good := r.code == 0; good == (value == "bogus") {
				t.Errorf("%s %s: %+v", field, value, r)
			}
		}
	}
}
