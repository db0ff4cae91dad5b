// SPDX-License-Identifier: Apache-2.0

package preflight_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/preflight"
)

const vip = "virtualAddresses: [192.168.238.100/24]\n"

// bare is a host on which systemd starts nothing that the machine of the test has, and with stand-ins of what a host has and a lab has
// not: they do to its files and processes what the commands of the remedies do.
func bare(t *testing.T) *lab.Host {
	t.Helper()
	host := newHost(t)
	t.Setenv("PATH", "/run/fake:"+os.Getenv("PATH"))
	paste(t, host, `rm -f /etc/systemd/system/*.wants/*; mkdir -p /run/fake /root; cd /run/fake
cat > systemctl <<'END'
#!/bin/sh
case "$1 $2" in
"disable --now") kill "$(cat /run/$3.pid)"; rm -f /etc/systemd/system/*.wants/$3 ;;
disable*) rm -f /etc/systemd/system/*.wants/$2 ;;
"restart kubelet") ;;
*) echo "systemctl $*" >&2; exit 1 ;;
esac
END
cat > networkctl <<'END'
#!/bin/sh
test "$*" = reload
END
cat > timedatectl <<'END'
#!/bin/sh
test "$*" = "set-ntp true"
END
cat > ctr <<'END'
#!/bin/sh
case "$*" in
*" images ls -q name=="*) cat /run/images 2>/dev/null; true ;;
*" images pull "*) for last; do :; done; echo "$last" >> /run/images ;;
esac
END
chmod +x *`)
	return host
}

// start runs a program on a host until the test ends.
func start(t *testing.T, host *lab.Host, env []string, name string, args ...string) int {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(cmd.Environ(), env...)
	labtest.Must(t, host.Do(cmd.Start))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait() // it is killed
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	return cmd.Process.Pid
}

// one returns the only result of a check.
func one(t *testing.T, host *lab.Host, cfg *config.HarbingerConfiguration, check string) preflight.Result {
	t.Helper()
	results := of(check, cfg, gatherAll(t, host, cfg))
	if len(results) != 1 {
		t.Fatalf("%s: %v, want one result", check, results)
	}
	return results[0]
}

// mend pastes the remedy of a check that has ended in some way, and waits for the check to be fine. It has found what is wanted.
func mend(t *testing.T, host *lab.Host, cfg *config.HarbingerConfiguration, check string, status preflight.Status, found string) {
	t.Helper()
	r := one(t, host, cfg, check)
	if r.Status != status || !strings.Contains(r.Found, found) {
		t.Fatalf("%s: %s %s, want %s %s", check, r.Status, r.Found, status, found)
	}
	paste(t, host, r.Remedy)
	labtest.Until(t, 10*time.Second, check+" is fine after: "+r.Remedy, func() bool {
		return one(t, host, cfg, check).Status == preflight.OK
	})
}

// Another program with the virtual address is found while it runs, and when it would start with the host.
func TestOtherManagers(t *testing.T) {
	const has = "vrrp_instance a {\n interface eth0\n virtual_router_id 7\n state BACKUP\n priority 1\n virtual_ipaddress {\n  192.168.238.100\n }\n}\n"
	cfg := decode(t, vip)
	keepalived := func(t *testing.T, host *lab.Host) int {
		return start(t, host, nil, "keepalived", "--dont-fork", "--pid=/run/keepalived.service.pid", "--vrrp_pid=/run/v", "--checkers_pid=/run/c")
	}
	enable := "mkdir -p /etc/systemd/system/multi-user.target.wants && ln -s /lib/systemd/system/%[1]s.service /etc/systemd/system/multi-user.target.wants/%[1]s.service"
	t.Run("keepalived", func(t *testing.T) {
		host := bare(t)
		labtest.Must(t, host.WriteFile("/etc/keepalived/keepalived.conf", has))
		paste(t, host, fmt.Sprintf(enable, "keepalived"))
		mend(t, host, cfg, "OtherManagers", preflight.Fail, "keepalived is enabled, and has 192.168.238.100")
		paste(t, host, fmt.Sprintf(enable, "keepalived"))
		pid := keepalived(t, host)
		labtest.Until(t, 10*time.Second, "keepalived has written its process", func() bool {
			content, err := host.ReadFile("/run/keepalived.service.pid")
			return err == nil && content != ""
		})
		mend(t, host, cfg, "OtherManagers", preflight.Fail, fmt.Sprintf("keepalived runs (process %d), and has 192.168.238.100", pid))
	})
	t.Run("keepalived with another address", func(t *testing.T) {
		host := bare(t)
		labtest.Must(t, host.WriteFile("/etc/keepalived/keepalived.conf", strings.ReplaceAll(has, "238.100", "238.10")))
		pid := keepalived(t, host)
		mend(t, host, cfg, "OtherManagers", preflight.Warn, fmt.Sprintf("keepalived runs (process %d): it must not have", pid))
	})
	for _, tt := range []struct {
		name, env string
		status    preflight.Status
	}{
		{"kube-vip", "address=192.168.238.100", preflight.Fail},
		{"kube-vip", "address=192.168.238.200", preflight.Warn},
		{"ucarp", "VIP=192.168.238.100/24", preflight.Fail},
		{"vrrpd", "X=192.168.238.1001", preflight.Warn},
		{"corosync", "X=", preflight.Warn},
		{"pacemakerd", "X=", preflight.Warn},
		{"speaker", "METALLB_NODE_NAME=node1", preflight.Warn},
		{"speaker", "X=", preflight.OK},
		{"keeper", "X=192.168.238.100", preflight.OK},
	} {
		t.Run(tt.name+" "+tt.env, func(t *testing.T) {
			host := bare(t)
			paste(t, host, "cp $(command -v sleep) /run/"+tt.name)
			var program string
			labtest.Must(t, host.Do(func() error {
				dir := t.TempDir()
				program = dir + "/" + tt.name
				return exec.Command("cp", "/run/"+tt.name, program).Run()
			}))
			pid := start(t, host, []string{tt.env}, program, "600")
			r := one(t, host, cfg, "OtherManagers")
			if r.Status != tt.status {
				t.Fatalf("%s %s, want %s", r.Status, r.Found, tt.status)
			}
			if tt.status == preflight.OK {
				return
			}
			_, command, _ := strings.Cut(r.Remedy, "without it: ")
			if tt.name != "kube-vip" {
				command = r.Remedy
			}
			if command != fmt.Sprintf("kill %d", pid) {
				t.Fatalf("remedy %q", r.Remedy)
			}
			paste(t, host, command)
			labtest.Until(t, 10*time.Second, "it is gone", func() bool { return one(t, host, cfg, "OtherManagers").Status == preflight.OK })
		})
	}
}

// What runs on another host, in another network namespace of the same machine, is not this host's.
func TestManagersOfAnotherHost(t *testing.T) {
	host, other := bare(t), bare(t)
	cfg := decode(t, vip)
	dir := t.TempDir()
	labtest.Must(t, exec.Command("sh", "-c", "cp $(command -v sleep) "+dir+"/ucarp").Run())
	start(t, other, nil, dir+"/ucarp", "600")
	if r := one(t, host, cfg, "OtherManagers"); r.Status != preflight.OK {
		t.Errorf("%+v", r)
	}
	if r := one(t, other, cfg, "OtherManagers"); r.Status != preflight.Warn {
		t.Errorf("on the host itself: %+v", r)
	}
}

func pod(name, image, env string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec:\n  hostNetwork: true\n  containers:\n  - name: %s\n    image: %s\n    env: [{name: address, value: %q}]\n", name, name, image, env)
}

// The kubelet's directory: what is in the way is moved out of it.
func TestStaticPods(t *testing.T) {
	cfg := decode(t, vip)
	for _, tt := range []struct {
		name, file, content string
		status              preflight.Status
		found               string
	}{
		{"kube-vip", "kube-vip.yaml", pod("kube-vip", "registry.example.org/kube-vip:v0", "192.168.238.100"), preflight.Fail, "kube-vip.yaml runs kube-vip, and has 192.168.238.100"},
		{"another address", "kube-vip.yaml", pod("kube-vip", "registry.example.org/kube-vip:v0", "192.168.238.10"), preflight.Warn, "kube-vip.yaml runs kube-vip"},
		{"keepalived", "k.yaml", pod("vip", "registry.example.org/team/keepalived:2", "x"), preflight.Warn, "k.yaml runs keepalived"},
		{"haproxy", "haproxy.yaml", pod("haproxy", "registry.example.org/library/haproxy:3", "x"), preflight.Warn, "runs haproxy"},
		{"nginx", "lb.yaml", pod("lb", "nginx@sha256:00", "x"), preflight.Warn, "runs nginx"},
		{"a copy of the manifest", "ha.yaml.bak", pod("harbinger", "x", ""), preflight.Fail, "/etc/kubernetes/manifests/ha.yaml.bak runs Harbinger beside /etc/kubernetes/manifests/ha.yaml"},
		{"under another name", "a.yaml", strings.Replace(pod("vip", "registry.example.org/harbinger:v0.1", ""), "env", "command: [/harbinger, run]\n    env", 1), preflight.Fail, "a.yaml runs Harbinger beside"},
		{"an apiserver", "kube-apiserver.yaml", pod("kube-apiserver", "registry.example.org/kube-apiserver:v1", "192.168.238.100"), preflight.OK, "no pod there"},
		{"a file that the kubelet leaves out", ".kube-vip.yaml", pod("kube-vip", "kube-vip", "192.168.238.100"), preflight.OK, "no pod there"},
		{"no pod", "note.txt", "kube-vip was here: {", preflight.OK, "no pod there"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			host := bare(t)
			labtest.Must(t, host.WriteFile("/etc/kubernetes/manifests/ha.yaml", pod("harbinger", "registry.example.org/harbinger:v0.1", "192.168.238.100")))
			labtest.Must(t, host.WriteFile("/etc/kubernetes/manifests/"+tt.file, tt.content))
			r := one(t, host, cfg, "StaticPods")
			if r.Status != tt.status || !strings.Contains(r.Found, tt.found) {
				t.Fatalf("%s %s, want %s %s", r.Status, r.Found, tt.status, tt.found)
			}
			if tt.status == preflight.OK {
				return
			}
			command := r.Remedy
			if _, after, found := strings.Cut(command, "without it: "); found {
				command = after
			}
			paste(t, host, strings.ReplaceAll(command, "/root/", "/run/"))
			if r := one(t, host, cfg, "StaticPods"); r.Status != preflight.OK {
				t.Errorf("after the remedy: %+v", r)
			}
		})
	}
}

// Beside a kube-vip whose Lease the configuration names the node waits: it is in nobody's way.
func TestPredecessor(t *testing.T) {
	host := bare(t)
	cfg := decode(t, vip+"election: {lease: {predecessor: kube-system/plndr-cp-lock}}\n")
	labtest.Must(t, host.WriteFile("/etc/kubernetes/manifests/kube-vip.yaml", pod("kube-vip", "kube-vip", "192.168.238.100")))
	if r := one(t, host, cfg, "StaticPods"); r.Status != preflight.OK || !strings.Contains(r.Found, "takes over when it gives up its Lease kube-system/plndr-cp-lock") {
		t.Errorf("%+v", r)
	}
}

// Where the kubelet looks for pods.
func TestStaticPodPath(t *testing.T) {
	cfg := decode(t, vip)
	host := bare(t)
	check := func(status preflight.Status, found, remedy string) {
		t.Helper()
		if r := one(t, host, cfg, "StaticPodPath"); r.Status != status || !strings.Contains(r.Found, found) || r.Remedy != remedy {
			t.Errorf("%+v, want %s %q %q", r, status, found, remedy)
		}
	}
	check(preflight.OK, "has no configuration yet", "")
	const file = "/var/lib/kubelet/config.yaml"
	labtest.Must(t, host.WriteFile(file, "kind: KubeletConfiguration\nstaticPodPath: /etc/kubernetes/manifests/\n"))
	check(preflight.OK, "looks for static pods in /etc/kubernetes/manifests", "")
	labtest.Must(t, host.WriteFile(file, "kind: KubeletConfiguration\nstaticPodPath: /etc/kubelet.d\n"))
	check(preflight.Warn, "in /etc/kubelet.d", "harbinger manifest --config /etc/kubernetes/harbinger/config.yaml --output /etc/kubelet.d/ha.yaml")
	labtest.Must(t, host.WriteFile("/etc/kubelet.d/kube-vip.yaml", pod("kube-vip", "kube-vip", "192.168.238.100")))
	if r := one(t, host, cfg, "StaticPods"); r.Status != preflight.Fail || !strings.Contains(r.Found, "/etc/kubelet.d/kube-vip.yaml") {
		t.Errorf("the other directory: %+v", r)
	}
	labtest.Must(t, host.WriteFile(file, "{"))
	check(preflight.Warn, "could not be asked: /var/lib/kubelet/config.yaml: ", "")
	labtest.Must(t, host.WriteFile(file, "kind: KubeletConfiguration\n"))
	mend(t, host, cfg, "StaticPodPath", preflight.Fail, "has no staticPodPath")
}

// A check that could not be made says so.
func TestUnanswered(t *testing.T) {
	cfg := decode(t, "virtualAddresses: [192.168.238.100/24, 'fd00::100/64']\nloadBalancer: {steering: {mode: Auto}}\ncontrolPlane: {port: 6443}\n")
	refused := errNotPermitted
	facts := preflight.Facts{Links: links, Thorough: true,
		Programs: preflight.Asked[[]preflight.Program]{Err: refused}, Pods: preflight.Asked[[]preflight.Pod]{Err: refused},
		Kubelet: preflight.Asked[preflight.Kubelet]{Err: refused}, Settings: preflight.Asked[map[string]int]{Err: refused},
		NetworkLines: preflight.Asked[[]preflight.Line]{Err: refused}, Process: preflight.Asked[preflight.Process]{Err: refused},
		Clock: preflight.Asked[bool]{Err: refused}, BPF: preflight.Asked[struct{}]{Err: refused},
		Image: preflight.Asked[preflight.Image]{Value: preflight.Image{Name: "x"}, Err: refused},
	}
	facts.Firewall.Err = refused
	var got []string
	for _, r := range preflight.Run(cfg, facts) {
		if r.Status == preflight.Warn && strings.HasPrefix(r.Found, "could not be asked: operation not permitted") {
			got = append(got, r.Check)
		}
	}
	want := []string{"OtherManagers", "StaticPodPath", "StaticPods", "FirewallVRRP", "FirewallIdentity", "FirewallClients", "FirewallEcho",
		"ReversePath", "ARP", "IPv6", "NetworkFiles", "Capabilities", "BPF", "NFTables", "Seccomp", "Clock", "Image"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("checks that could not be made (-want +got):\n%s", diff)
	}
}
