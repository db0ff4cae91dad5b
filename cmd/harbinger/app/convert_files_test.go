// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
)

// place writes files, each NAME and content, into a folder of their own, and returns it.
func place(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const (
	instance = "vrrp_instance east {\n interface eth0\n virtual_router_id 7\n priority 101\n virtual_ipaddress {\n  192.168.238.100/24\n }\n}\n"
	defaults = "defaults\n mode tcp\n"
	frontend = "frontend api\n bind :4300\n default_backend apis\n"
	backend  = "backend apis\n server a 192.168.238.130:6443 check check-ssl verify none\n server b 192.168.238.131:6443 check check-ssl verify none\n"

	kubeVIPPod = "apiVersion: v1\nkind: Pod\nmetadata: {name: kube-vip}\nspec:\n  containers:\n  - name: kube-vip\n    image: kube-vip:v0.9.2\n    env:\n" +
		"    - {name: vip_arp, value: \"true\"}\n    - {name: cp_enable, value: \"true\"}\n    - {name: vip_interface, value: eth0}\n" +
		"    - {name: address, value: 192.168.238.100}\n    - {name: vip_leasename, value: east-lock}\n"
)

// The report has a line for each directive, and the same where there is no configuration.
func TestConvertReports(t *testing.T) {
	dir := place(t, map[string]string{"keepalived.conf": instance, "haproxy.cfg": defaults + frontend + backend})
	args := []string{"convert", "-o", "report", "--keepalived", dir + "/keepalived.conf", "--haproxy", dir + "/haproxy.cfg"}
	r := harbinger("", args...)
	r.want(t, 0)
	if r.stderr != "" {
		t.Errorf("the report has on stderr %q", r.stderr)
	}
	for _, want := range []string{" directives: ", " refused.\n", "Write the configuration with -o config"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("the report lacks %q:\n%s", want, r.stdout)
		}
	}
	for line := range strings.Lines(r.stdout) {
		if len([]rune(line)) > 101 {
			t.Errorf("a line is too long: %q", line)
		}
	}
	place := filepath.Join(dir, "routes.conf")
	if err := os.WriteFile(place, []byte(strings.Replace(instance, "}\n}", "}\n virtual_routes {\n  192.168.239.0/24 via 192.168.238.1\n }\n}", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	refused := harbinger("", "convert", "-o", "report", "--keepalived", place)
	refused.want(t, 2, "error: "+place+":8: virtual_routes")
	for _, want := range []string{"routes.conf:8", "REFUSED   virtual_routes", "There is no configuration: stderr names what is to be changed.\n"} {
		if !strings.Contains(refused.stdout, want) {
			t.Errorf("the report of what is refused lacks %q:\n%s", want, refused.stdout)
		}
	}
}

// Several files of haproxy are one configuration, in order, and what is found in them has its own name and line.
func TestConvertHAProxyFiles(t *testing.T) {
	dir := place(t, map[string]string{
		"keepalived.conf": instance, "conf.d/10-defaults.cfg": strings.TrimSuffix(defaults, "\n"), "conf.d/20-api.cfg": frontend + backend,
		"conf.d/.hidden.cfg": "nonsense", "conf.d/README": "nonsense", "extra.cfg": backend, "empty/x": "",
	})
	base := []string{"convert", "--keepalived", dir + "/keepalived.conf"}
	r := harbinger("", append(base, "--haproxy", dir+"/conf.d")...)
	r.want(t, 0, dir+"/conf.d/20-api.cfg:5: server a")
	if cfg := decode[v1alpha1.HarbingerConfiguration](t, r.stdout); cfg.ControlPlane.Port != 4300 || len(cfg.LoadBalancer.Backends) != 2 {
		t.Errorf("the configuration is\n%s", r.stdout)
	}
	harbinger("", append(base, "--haproxy", dir+"/conf.d/10-defaults.cfg", "--haproxy", dir+"/conf.d/20-api.cfg")...).want(t, 0)
	harbinger(backend, append(base, "--haproxy", dir+"/conf.d/10-defaults.cfg", "--haproxy", "-")...).want(t, 2, "there are 0")
	harbinger("", append(base, "--haproxy", dir+"/empty")...).want(t, 2, "has no file that ends in .cfg")
	harbinger("", append(base, "--haproxy", dir+"/none")...).want(t, 2, "--haproxy: open "+dir+"/none")
}

// Of several frontends one is named, and a variable is that of the environment.
func TestConvertFrontend(t *testing.T) {
	dir := place(t, map[string]string{"keepalived.conf": instance, "haproxy.cfg": defaults + frontend + backend +
		"frontend web\n mode tcp\n bind :443\n default_backend apis\n"})
	base := []string{"convert", "--keepalived", dir + "/keepalived.conf", "--haproxy", dir + "/haproxy.cfg"}
	harbinger("", base...).want(t, 2, "frontend")
	r := harbinger("", append(base, "--frontend", "web")...)
	r.want(t, 0)
	if cfg := decode[v1alpha1.HarbingerConfiguration](t, r.stdout); cfg.ControlPlane.Port != 443 {
		t.Errorf("the frontend web has port %d", cfg.ControlPlane.Port)
	}
	harbinger("", append(base, "--frontend", "none")...).want(t, 2)
}

// The excerpt of an article is converted where it is said to be one. The report says what kubeadm must be given.
func TestConvertExcerpt(t *testing.T) {
	dir := place(t, map[string]string{"keepalived.conf": instance, "haproxy.cfg": "...\n" + defaults + frontend + "...\n" + backend})
	base := []string{"convert", "--keepalived", dir + "/keepalived.conf", "--haproxy", dir + "/haproxy.cfg"}
	r := harbinger("", base...)
	r.want(t, 2, "--excerpt")
	r = harbinger("", append(base, "--excerpt")...)
	r.want(t, 0, "haproxy refuses the file")
	cfg := decode[v1alpha1.HarbingerConfiguration](t, r.stdout)
	endpoint := fmt.Sprintf("kubeadm init --control-plane-endpoint %s:%d", strings.Split(cfg.VirtualAddresses[0], "/")[0], cfg.ControlPlane.Port)
	if r = harbinger("", append(base, "--excerpt", "-o", "report")...); !strings.Contains(r.stdout, endpoint) {
		t.Errorf("the report does not name %q:\n%s", endpoint, r.stdout)
	}
	harbinger("", "convert", "--keepalived", dir+"/keepalived.conf", "--excerpt").want(t, 2, "has no effect without --haproxy")
}

// Whatever the files are, what is read has bounds.
func TestConvertBounds(t *testing.T) {
	dir := place(t, map[string]string{"long": strings.Repeat("#", 4<<20+1)})
	harbinger("", "convert", "--keepalived", dir+"/long").want(t, 2, "has more than 4194304 bytes")
	harbinger("", "convert", "--keepalived", "/dev/zero").want(t, 2, "/dev/zero has more than 4194304 bytes")
	many := map[string]string{"keepalived.conf": instance}
	for i := range 300 {
		many[fmt.Sprintf("many/%d.cfg", i)] = ""
	}
	dir = place(t, many)
	harbinger("", "convert", "--keepalived", dir+"/keepalived.conf", "--haproxy", dir+"/many").want(t, 2, "more than 256 files")
}

func TestConvertKubeVIP(t *testing.T) {
	file := place(t, map[string]string{"kube-vip.yaml": kubeVIPPod}) + "/kube-vip.yaml"
	r := harbinger("", "convert", "--kube-vip", file)
	r.want(t, 0)
	cfg := decode[v1alpha1.HarbingerConfiguration](t, r.stdout)
	if cfg.Interface != "eth0" || cfg.Election.Lease.Predecessor != "kube-system/east-lock" || cfg.Election.Mode != "" {
		t.Errorf("the configuration is\n%s", r.stdout)
	}
	harbinger(r.stdout, "config", "validate", "-").want(t, 0)
	pod := harbinger("", "convert", "--kube-vip", file, "-o", "manifest")
	pod.want(t, 0)
	if p := decode[corev1.Pod](t, pod.stdout); len(p.Spec.Containers) != 1 {
		t.Errorf("the pod is\n%s", pod.stdout)
	}
	report := harbinger(kubeVIPPod+"    - {name: svc_enable, value: \"true\"}\n", "convert", "--kube-vip", "-", "-o", "report")
	report.want(t, 2, "error: -:14: svc_enable true: Harbinger serves the control plane, no Services of type LoadBalancer")
	if !strings.Contains(report.stdout, "-:14  REFUSED   svc_enable true: ") {
		t.Errorf("the report is\n%s", report.stdout)
	}
	harbinger("", "convert", "--kube-vip", file, "--keepalived", file).want(t, 2, "name the one of them that holds the virtual address")
	harbinger("vip_arp=true\naddress=api.example.org\n", "convert", "--kube-vip", "-").want(t, 2, "a DNS name is no address")
}

// Beside a kube-vip that holds the address, clients may connect to haproxy: its port is that of the control plane.
func TestConvertKubeVIPAndHAProxy(t *testing.T) {
	dir := place(t, map[string]string{"kube-vip.yaml": kubeVIPPod, "haproxy.cfg": defaults + frontend + backend})
	r := harbinger("", "convert", "--kube-vip", dir+"/kube-vip.yaml", "--haproxy", dir+"/haproxy.cfg")
	r.want(t, 0, "warning: clients connected to port 6443 of the virtual address, to haproxy at port 4300: the port of haproxy is taken")
	if cfg := decode[v1alpha1.HarbingerConfiguration](t, r.stdout); cfg.ControlPlane.Port != 4300 || cfg.Election.Lease.Predecessor == "" {
		t.Errorf("the configuration is\n%s", r.stdout)
	}
}

// The times of keepalived's script are not those of the checks that haproxy makes, and it is said which were taken.
func TestConvertChecksOfBoth(t *testing.T) {
	script := "vrrp_script check {\n script /bin/true\n interval 1\n fall 1\n rise 9\n}\n" +
		strings.Replace(instance, "virtual_ipaddress", "track_script {\n  check\n }\n virtual_ipaddress", 1)
	dir := place(t, map[string]string{"keepalived.conf": script, "haproxy.cfg": defaults + frontend + strings.ReplaceAll(backend, "check ", "check inter 800ms fall 2 rise 2 ")})
	r := harbinger("", "convert", "--keepalived", dir+"/keepalived.conf", "--haproxy", dir+"/haproxy.cfg")
	r.want(t, 0, "warning: the script that keepalived tracks has interval 1s, fall 1, rise 9, the checks of haproxy interval 800ms")
	if check := decode[v1alpha1.HarbingerConfiguration](t, r.stdout).HealthCheck; check.SuccessThreshold == 9 || check.FailureThreshold == 1 {
		t.Errorf("the checks are %+v", check)
	}
}

// What a keepalived.conf includes is read from where it is, and what is found in it has its own name and line.
func TestConvertIncludes(t *testing.T) {
	main := strings.Replace(instance, " priority 101\n", " include common/*.conf\n", 1)
	dir := place(t, map[string]string{
		"keepalived.conf": main + "include other/{b,a}.conf\n", "common/a.conf": "priority 99\n", "common/sub.conf/x": "", "other/a.conf": "global_defs {\n vrrp_no_swap\n}\n",
		"other/b.conf": "global_defs {\n router_id b\n}\n", "loop.conf": "include loop.conf\n", "none.conf": main + "include missing.conf\n", "id.conf": "@one priority 77\n",
		"ids.conf": strings.Replace(instance, " priority 101\n", " @one priority 77\n @two priority 88\n", 1), "pipe.conf": main + "include /dev/zero\n",
	})
	r := harbinger("", "convert", "--keepalived", dir+"/keepalived.conf")
	r.want(t, 0, "warning: "+dir+"/other/a.conf:2: vrrp_no_swap: ")
	if !strings.Contains(r.stdout, "priority: 99\n") {
		t.Errorf("the priority of the included file is not in\n%s", r.stdout)
	}
	harbinger("", "convert", "--keepalived", dir+"/loop.conf").want(t, 2, "loop.conf:1: include")
	harbinger("", "convert", "--keepalived", dir+"/none.conf").want(t, 0, "warning: "+dir+"/none.conf:", "missing.conf")
	harbinger("", "convert", "--keepalived", dir+"/pipe.conf").want(t, 2, "/dev/zero is not a regular file")
	for id, want := range map[string]string{"one": "priority: 77\n", "two": "priority: 88\n"} {
		r := harbinger("", "convert", "--keepalived", dir+"/ids.conf", "--keepalived-id", id)
		if r.want(t, 0); !strings.Contains(r.stdout, want) {
			t.Errorf("with the id %s:\n%s", id, r.stdout)
		}
	}
}

// A variable of haproxy is that of the environment of the command.
func TestConvertEnvironment(t *testing.T) {
	t.Setenv("API_PORT", "4321")
	dir := place(t, map[string]string{"keepalived.conf": instance, "haproxy.cfg": defaults + strings.Replace(frontend, ":4300", `":$API_PORT"`, 1) + backend})
	r := harbinger("", "convert", "--keepalived", dir+"/keepalived.conf", "--haproxy", dir+"/haproxy.cfg")
	if r.want(t, 0); !strings.Contains(r.stdout, "port: 4321\n") {
		t.Errorf("the configuration is\n%s", r.stdout)
	}
}
