// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"net/http"
	"net/http/httptest"
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
		{"fits, as JSON", "virtualAddresses: [192.168.238.100/24]\n", "json", 0, "[]"},
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

const statusDocument = `{"node": "node1", "interface": "eth0", "virtualAddresses": ["192.168.238.100/24"], "ready": false,
  "notReady": ["no healthy backend"],
  "virtualRouter": {"vrid": 51, "version": 3, "state": "Backup", "currentReason": "hears 192.168.238.131", "holder": "192.168.238.131", "holderPriority": 100,
    "holderHeard": "2026-01-01T00:00:00Z", "splitSuspected": true, "couldNotAsk": "identity port (no route to host)",
    "filtered": [{"protocol": "TCP 10444", "peer": "192.168.238.131", "direction": "unknown", "message": "does not answer", "remedy": ["firewall-cmd x", "nft y"]}],
    "conflict": "a foreign host claims it", "conflictWith": {"hardwareAddress": "02:00:00:00:09:09"},
    "dropped": {"checksum": {"count": 7, "from": "192.168.238.9"}}},
  "balancer": {"up": true, "pid": 42, "backends": [{"address": "192.168.238.130:6443", "state": "NotReady", "reason": "etcd failed"},
    {"address": "192.168.238.131:6443", "state": "Suspect", "reason": "connection refused", "healthy": true}]},
  "conditions": [{"type": "FilesCurrent", "status": "False", "reason": "FileReplaced", "message": "/etc/kubernetes/pki/ca.crt was replaced on the host"}],
  "moves": [{"from": "Initialize", "to": "Backup", "reason": "started"}]}`

func TestStatus(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/status" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		_, _ = w.Write([]byte(statusDocument))
	}))
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	for output, wanted := range map[string][]string{
		"table": {"not ready: no healthy backend", "not held here", "192.168.238.131 (priority 100)", "protocol 112 filtered?", "TCP 10444, unknown", "does not answer", "firewall-cmd x", "nft y", "NOT ASKED", "(no route to host)", "FILES", "/etc/kubernetes/pki/ca.crt was replaced on the host", "a foreign host claims it", "hardware address 02:00:00:00:09:09", "hears 192.168.238.131",
			"7 packets: checksum", "process 42", "192.168.238.130:6443 NotReady for ", ": etcd failed", "192.168.238.131:6443 Suspect for ", "Initialize → Backup"},
		"json": {`"node": "node1"`, `"state": "Backup"`},
		"yaml": {"node: node1", "state: Backup"},
	} {
		r := harbinger("", "status", "--address", address, "-o", output)
		r.want(t, 0)
		for _, text := range wanted {
			if !strings.Contains(r.stdout, text) {
				t.Errorf("-o %s prints no %q:\n%s", output, text, r.stdout)
			}
		}
	}
	harbinger("", "status", "-o", "xml").want(t, 2, "xml")
	server.Close()
	harbinger("", "status", "--address", address).want(t, 1, "the sidecar of this host does not answer")
}
