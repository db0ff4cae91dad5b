// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

const recipe = "../../../pkg/convert/testdata/"

func TestConvert(t *testing.T) {
	files := []string{"convert", "--keepalived", recipe + "keepalived.conf", "--haproxy", recipe + "haproxy.cfg"}
	r := harbinger("", files...)
	r.want(t, 0, "warning: "+recipe+"keepalived.conf:9: ", "warning: "+recipe+"haproxy.cfg:20: timeout client 20s: ")
	harbinger(r.stdout, "config", "validate", "-").want(t, 0)
	pod := harbinger("", append(files, "-o", "manifest", "--image", "registry.example.org/harbinger:1")...)
	pod.want(t, 0, "warning: auth_pass is not in the manifest. The pod reads the password from /etc/kubernetes/harbinger/vrrp-password")
	if strings.Contains(pod.stdout, "password:") {
		t.Errorf("the manifest contains the password:\n%s", pod.stdout)
	}
	if p := decode[corev1.Pod](t, pod.stdout); p.Spec.Containers[0].Image != "registry.example.org/harbinger:1" {
		t.Errorf("the image of the pod is %q", p.Spec.Containers[0].Image)
	}
	cleanNode(t)
	again := harbinger(r.stdout, "manifest", "--config", "-", "--no-host-checks", "--output", "-", "--image", "registry.example.org/harbinger:1")
	if again.want(t, 0); again.stdout != pod.stdout {
		t.Errorf("the configuration makes another pod:\n%s\nthan convert:\n%s", again.stdout, pod.stdout)
	}
}

func TestConvertRefuses(t *testing.T) {
	recipes := []string{"--keepalived", recipe + "keepalived.conf", "--haproxy"}
	for _, tt := range []struct {
		args  []string
		stdin string
		want  string
	}{
		{nil, "", "--keepalived is required"},
		{[]string{"--keepalived", "-", "--haproxy", "-"}, "", "only one of them"},
		{[]string{"--keepalived", "/none"}, "", "open /none"},
		{[]string{"--keepalived", "-"}, "vrrp_instance a {\n virtual_routes { }\n}", "error: -:2: virtual_routes: Harbinger adds no routes"},
		{[]string{"--keepalived", "-"}, "vrrp_instance a {\n}", "virtualAddresses: Required value"},
		{append(recipes, "-"), "listen a\n mode tcp\n acl b src 10.0.0.1\n", "error: -:3: acl b src 10.0.0.1: access rules"},
		{append(recipes, recipe+"haproxy.cfg", "-o", "xml"), "", `--output "xml": use config or manifest`},
	} {
		r := harbinger(tt.stdin, append([]string{"convert"}, tt.args...)...)
		r.want(t, 2, tt.want)
		if strings.TrimSpace(r.stdout) != "" {
			t.Errorf("%q prints %q", tt.args, r.stdout)
		}
	}
}
