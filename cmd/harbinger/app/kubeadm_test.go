// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"os"
	"strings"
	"testing"
)

const kubeadmHead = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\ncontrolPlaneEndpoint: "

// What a user has in kubeadm's configuration that does not lead to the virtual address is said before kubeadm runs.
func TestManifestReadsKubeadm(t *testing.T) {
	const initOnly = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nlocalAPIEndpoint: {bindPort: 6443}\n"
	vip := []string{"--vip", "192.168.238.100/24"}
	for _, tt := range []struct {
		name   string
		config string
		args   []string
		code   int
		stderr string
		stdout string
	}{
		{"a URL", kubeadmHead + "https://192.168.238.100:4300\n", vip, 2, "must be HOST or HOST:PORT, not a URL: write 192.168.238.100:4300", ""},
		{"a variable of a shell", kubeadmHead + "$VIP:4300\n", vip, 2, `"$VIP" is neither an address nor a DNS name: a template that was not filled in`, ""},
		{"an expression of Jinja", kubeadmHead + "{{ vip }}:4300\n", vip, 2, `line 3 has "{{ vip }}", a template that was not filled in`, ""},
		{"a name alone", kubeadmHead + "api.example.org:4300\n", nil, 2,
			"error: virtualAddresses: Required value: kubeadm's control plane endpoint api.example.org is a name: give the address that it resolves to with --vip\n", ""},
		{"a name and the address", kubeadmHead + "api.example.org:4300\n", vip, 0, "add this line to /etc/hosts: 192.168.238.100 api.example.org\n", "port: 4300"},
		{"no port", kubeadmHead + "192.168.238.100\n", append(vip, "--port", "4300"), 2, "controlPlane.port: Invalid value: 4300: must be 6443", ""},
		{"only init", initOnly, vip, 2, "controlPlaneEndpoint: Required value: without it kubeadm does not use the virtual address", ""},
		{"two clusters", kubeadmHead + "192.168.238.100:4300\n---\n" + kubeadmHead + "192.168.238.101:4300\n", nil, 2, "two documents of kind ClusterConfiguration", ""},
		{"an old version", strings.Replace(kubeadmHead, "v1beta4", "v1beta2", 1) + "192.168.238.100\n", nil, 2, "kubeadm config migrate", ""},
		{"a worker", "apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\n", vip, 0, "kubeadm makes the node a worker", "192.168.238.100/24"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := harbinger(tt.config, append([]string{"manifest", "--kubeadm-config", "-", "--no-host-checks", "-o", "-"}, tt.args...)...)
			r.want(t, tt.code, tt.stderr)
			if !strings.Contains(r.stdout, tt.stdout) || tt.code != 0 && r.stdout != "" {
				t.Errorf("stdout is %q, want %q in it", r.stdout, tt.stdout)
			}
			if errs := strings.Count(r.stderr, "error: "); tt.code != 0 && errs != 1 {
				t.Errorf("%d errors, want one:\n%s", errs, r.stderr)
			}
		})
	}
}

// On the host itself the name is looked up. It is warned of where it gives another address or none, and not where it gives the
// virtual one.
func TestManifestLooksUpTheEndpoint(t *testing.T) {
	cleanNode(t)
	const hosts = "/etc/hosts" // of the node that the tests run on
	if err := os.WriteFile(hosts, []byte("192.168.238.130 node.example.org\n192.168.238.100 vip.example.org\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(hosts) })
	for name, want := range map[string]string{
		"vip.example.org":  "",
		"node.example.org": "node.example.org gives 192.168.238.130 here: it must give 192.168.238.100 on every host",
		"none.example.org": "none.example.org has no address here",
	} {
		r := harbinger(kubeadmHead+name+":4300\n", "manifest", "--vip", "192.168.238.100/24", "--kubeadm-config", "-", "--output", "-")
		r.want(t, 0, want)
		if warned := strings.Contains(r.stderr, "add this line to /etc/hosts: 192.168.238.100 "+name+"\n"); warned != (want != "") {
			t.Errorf("%s: stderr is %q", name, r.stderr)
		}
	}
}
