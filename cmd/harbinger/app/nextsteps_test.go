// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestManifestNextSteps(t *testing.T) {
	const join = `{apiVersion: kubeadm.k8s.io/v1beta4, kind: JoinConfiguration, discovery: {bootstrapToken: {apiServerEndpoint: "192.168.238.100:6443"}}}`
	const cluster = "{apiVersion: kubeadm.k8s.io/v1beta4, kind: ClusterConfiguration, controlPlaneEndpoint: '[fd00::100]:6443'}"
	dir := t.TempDir()
	for name, content := range map[string]string{"join.yaml": join, "init.yaml": cluster} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for want, args := range map[string][]string{
		"  kubeadm init --control-plane-endpoint 192.168.238.100:6443 --upload-certs\n":                        {"--vip", "192.168.238.100/24"},
		"  kubeadm init --control-plane-endpoint [fd00::100]:4300 --upload-certs --apiserver-bind-port 7443\n": {"--vip", "fd00::100/64", "--port", "4300", "--apiserver-port", "7443"},
		"  kubeadm init --config init.yaml --upload-certs\n":                                                   {"--kubeadm-config", "init.yaml"},
		"  kubeadm join --config join.yaml\n  harbinger kubeconfig\n":                                          {"--kubeadm-config", "join.yaml"},
	} {
		harbinger("", append([]string{"manifest", "--no-host-checks", "--output", "ha.yaml"}, args...)...).want(t, 0, want)
	}
}

// The command for the other nodes, and the credentials where a use is made of them.
func TestManifestNextStepsOfOthers(t *testing.T) {
	cleanNode(t)
	args := []string{"manifest", "--vip", "192.168.238.100/24", "--port", "4300", "--apiserver-port", "7443"}
	harbinger("", args...).want(t, 0, "  kubeadm join 192.168.238.100:4300 --token … --discovery-token-ca-cert-hash … --control-plane --certificate-key … --apiserver-bind-port 7443\n  harbinger kubeconfig\n")
	if r := harbinger("", append(args, "--election-mode", "vrrp")...); strings.Contains(r.stderr, "harbinger kubeconfig") {
		t.Errorf("mode VRRP uses no credentials:\n%s", r.stderr)
	}
	const cluster = "{apiVersion: kubeadm.k8s.io/v1beta4, kind: ClusterConfiguration, controlPlaneEndpoint: '192.168.238.100:4300'}"
	harbinger(cluster, "manifest", "--kubeadm-config", "-", "--dry-run").want(t, 0)
	harbinger(cluster, "manifest", "--kubeadm-config", "-").want(t, 0, "  kubeadm init --config FILE --upload-certs\n", "v1beta4 needs kubeadm 1.31 or later")
	harbinger(strings.Replace(cluster, "v1beta4", "v1beta3", 1), "manifest", "--kubeadm-config", "-").want(t, 0, "v1beta3 is deprecated", "kubeadm config migrate --old-config FILE --new-config NEW")
}

// On a node that is in a cluster, kubeadm is not to be run again.
func TestManifestInCluster(t *testing.T) {
	const admin, kubelet = kubernetes + "/admin.conf", kubernetes + "/kubelet.conf"
	server := func(s string) string {
		return "apiVersion: v1\nkind: Config\nclusters: [{name: kubernetes, cluster: {server: '" + s + "'}}]\n"
	}
	for _, tt := range []struct {
		name     string
		files    map[string]string
		want     string
		wantNone string
	}{
		{"its clients use the virtual address", map[string]string{admin: server("https://192.168.238.100:4300"), kubelet: ""}, "This node is in a cluster already (there is " + admin + ")", "clients of this cluster"},
		{"its clients use a node", map[string]string{admin: server("https://192.168.238.130:6443"), kubelet: ""}, "The clients of this cluster use 192.168.238.130:6443, not 192.168.238.100:4300.", "kubeadm init"},
		{"its clients use a name", map[string]string{admin: server("https://api.example.org:4300"), kubelet: ""}, "The clients of this cluster use api.example.org:4300: its name must resolve to 192.168.238.100, its port be 4300.", "certSANs"},
		{"a file that says nothing", map[string]string{admin: "a: [", kubelet: ""}, "This node is in a cluster already", "clients of this cluster"},
		{"a worker", map[string]string{kubelet: server("https://192.168.238.100:4300")}, "This node is in a cluster, but not of its control plane", "kubeadm init"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cleanNode(t)
			for path, content := range tt.files {
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r := harbinger("", append([]string{"manifest"}, classicFlags...)...)
			r.want(t, 0, tt.want, "harbinger status")
			if strings.Contains(r.stderr, tt.wantNone) {
				t.Errorf("stderr has %q:\n%s", tt.wantNone, r.stderr)
			}
		})
	}
}
