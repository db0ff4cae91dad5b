// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"strings"
	"testing"
)

func document(body string) string {
	return "apiVersion: harbinger.dev/v1alpha1\nkind: HarbingerConfiguration\n" + body
}

func TestPreflight(t *testing.T) {
	for _, tt := range []struct {
		name, body, output string
		code               int
		want               string
	}{
		{"fits", "virtualAddresses: [192.168.238.100/24]\n", "table", 0, "fits this host"},
		{"fits, as JSON", "virtualAddresses: [192.168.238.100/24]\n", "json", 0, `{"check":"Interface","status":"OK","found":"eth0 has `},
		{"outside the subnet", "virtualAddresses: [10.0.0.1/24]\n", "table", 1, "virtualAddresses"},
		{"own address not among the peers", "virtualAddresses: [192.168.238.100/24]\nelection: {vrrp: {peers: [192.168.238.131, 192.168.238.132]}}\n", "json", 1, `"field":"election.vrrp.peers"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := harbinger(document(tt.body), "preflight", "--config", "-", "-o", tt.output)
			r.want(t, tt.code)
			if !strings.Contains(r.stdout, tt.want) {
				t.Errorf("prints %q, want %q in it", r.stdout, tt.want)
			}
		})
	}
	harbinger(document("virtualAddresses: [bogus]\n"), "preflight", "--config", "-").want(t, 2, "virtualAddresses[0]")
	harbinger("", "preflight", "-o", "xml").want(t, 2, "xml")
	harbinger("", "preflight", "--ignore", "Ports,Nothing").want(t, 2, `--ignore: no check has the name "Nothing": the names are all, VirtualAddress, `)
}

// What is ignored is a warning, with its remedy as before; the code is that of a host without failures.
func TestPreflightIgnores(t *testing.T) {
	const outside = "virtualAddresses: [10.0.0.1/24]\n"
	for names, code := range map[string]int{"Interface": 0, "all": 0, "Ports": 1, "Ports,Interface": 0} {
		r := harbinger(document(outside), "preflight", "--config", "-", "--ignore", names)
		r.want(t, code)
		status, verdict := "[WARN]", " fits"
		if code != 0 {
			status, verdict = "[FAIL]", " does not fit"
		}
		for _, want := range []string{
			status + ` Interface: virtualAddresses: Invalid value: ["10.0.0.1/24"]: no interface has `,
			"\n       correct the interface or the virtual addresses (", "The configuration" + verdict + " this host: ", "[OK]   VirtualAddress: 10.0.0.1/24: not",
		} {
			if !strings.Contains(r.stdout, want) {
				t.Errorf("--ignore %s: no %q in\n%s", names, want, r.stdout)
			}
		}
	}
	pod := harbinger(document(outside), "manifest", "--config", "-", "--dry-run")
	pod.want(t, 2, "error: virtualAddresses: Invalid value: ", "(check Interface)")
	pod = harbinger(document(outside), "manifest", "--config", "-", "--output", "-", "--ignore", "Interface")
	pod.want(t, 0, "warning: virtualAddresses: Invalid value: ")
	harbinger("", "manifest", "--vip", "192.168.238.100/24", "--ignore", "interface").want(t, 2, `"interface"`)
}

func TestRunRefusesABadConfiguration(t *testing.T) {
	t.Setenv("HARBINGER_CONFIG", "")
	harbinger("", "run").want(t, 2, "HARBINGER_CONFIG")
	harbinger("", "run", "--config", "/nowhere").want(t, 2, "/nowhere")
	t.Setenv("HARBINGER_CONFIG", document("virtualAddresses: [192.168.238.100/24]\nelection: {vrrp: {priority: 255}}\n"))
	harbinger("", "run").want(t, 2, "election.vrrp.priority")
}

func TestBalancerIsOfNoUseByHand(t *testing.T) {
	harbinger("", "balancer").want(t, 1, "take over from the keeper")
}
