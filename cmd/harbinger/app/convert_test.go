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
		{[]string{"--keepalived", "-"}, "vrrp_instance a {\n}", "error: -:1: vrrp_instance a: virtual_ipaddress has no address"},
		{append(recipes, "-"), "listen a\n mode tcp\n tcp-request connection reject\n", "error: -:3: tcp-request connection reject: access rules"},
		{append(recipes, recipe+"haproxy.cfg", "-o", "xml"), "", `--output "xml": use config, manifest or report`},
	} {
		r := harbinger(tt.stdin, append([]string{"convert"}, tt.args...)...)
		r.want(t, 2, tt.want)
		if strings.TrimSpace(r.stdout) != "" {
			t.Errorf("%q prints %q", tt.args, r.stdout)
		}
	}
}

// The keys of keepalived's auth_hmac are carried by nothing that is printed; what is printed names their files, and is valid.
func TestConvertKeys(t *testing.T) {
	const secret = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	conf := "vrrp_instance VI_1 {\n interface eth0\n virtual_router_id 51\n virtual_ipaddress {\n 10.0.0.100/24\n }\n auth_hmac {\n  key 3 hex:" + secret + "\n  active_key 3\n }\n}\n"
	for _, output := range []string{"config", "manifest"} {
		r := harbinger(conf, "convert", "--keepalived", "-", "-o", output, "--image", "registry.example.org/harbinger:1")
		r.want(t, 0, "key 3: the key is not printed: write the word behind the id to /etc/kubernetes/harbinger/vrrp-keys/3")
		if strings.Contains(r.stdout+r.stderr, secret) || !strings.Contains(r.stdout, "file: /etc/kubernetes/harbinger/vrrp-keys/3") {
			t.Errorf("-o %s prints\n%s%s", output, r.stdout, r.stderr)
		}
		if output == "config" {
			harbinger(r.stdout, "config", "validate", "-").want(t, 0)
		} else if !strings.Contains(r.stdout, "path: /run/harbinger") {
			t.Errorf("the pod has nowhere to keep what it has signed:\n%s", r.stdout)
		}
	}
}
