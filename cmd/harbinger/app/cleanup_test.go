// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf/link"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/dnat"
	"github.com/harbinger-ha/harbinger/pkg/fence"
)

// hostState is what a host has that a pod could leave, by what shows it.
func hostState(t *testing.T) map[string]string {
	t.Helper()
	state := map[string]string{"BPF links": bpfLinks(t)}
	for _, line := range []string{"nft list ruleset", "ip -j link", "ip -j addr", "ip rule", "ip -6 rule", "ip route show table all", "ip -6 route show table all",
		"find /run /var/lib /etc"} {
		words := strings.Fields(line)
		out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", line, err, out)
		}
		state[line] = string(out)
	}
	return state
}

// bpfLinks lists the BPF links of this network namespace, where the kernel lets this process see them.
func bpfLinks(t *testing.T) string {
	t.Helper()
	var namespace unix.Stat_t
	if err := unix.Stat("/proc/self/ns/net", &namespace); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	links := new(link.Iterator)
	defer links.Close()
	for links.Next() {
		if info, err := links.Link.Info(); err == nil && info.NetNs() != nil && uint64(info.NetNs().NetnsInode) == namespace.Ino {
			fmt.Fprintln(&all, info.Type, info.NetNs().AttachType)
		}
	}
	return all.String()
}

// running are what counts down, and ends by itself.
var running = regexp.MustCompile(`"valid_life_time":\d+|elements = {[^}]*}`)

func withoutClocks(state map[string]string) map[string]string {
	out := maps.Clone(state)
	for key, text := range out {
		out[key] = running.ReplaceAllString(text, "")
	}
	return out
}

// leftFence makes the test binary a process that leaves a fence.
const leftFence = "fence"

// leaveFence leaves the fence of the sidecar, as one that was killed does, and reports whether this kernel can have one.
func leaveFence(t *testing.T) bool {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), actsVariable+"="+leftFence)
	out, err := cmd.CombinedOutput()
	if err != nil && !strings.HasPrefix(string(out), "no fence: ") {
		t.Fatalf("%v: %s", err, out)
	}
	return err == nil
}

// actAsFence makes a fence and ends without closing it.
func actAsFence() int {
	_, err := fence.New(fence.Config{
		Name: fence.Prefix + "51", Addresses: []netip.Addr{netip.MustParseAddr("192.168.238.100")}, Links: []string{"eth0"}, Timeout: time.Second, Now: time.Now,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// startSidecar runs the sidecar of this host with a configuration until it holds, and returns what kills it.
func startSidecar(t *testing.T, body string) (kill func()) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	self, err := os.Executable()
	if err := errors.Join(err, os.WriteFile(file, []byte(document(body)), 0o600)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "run", "--config", file)
	cmd.Env = append(os.Environ(), actsVariable+"=harbinger")
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed, or is by the end of the test
	}
	t.Cleanup(func() {
		kill()
		if t.Failed() {
			t.Logf("the log of the sidecar:\n%s", log.String())
		}
	})
	until(t, "the sidecar holds the address", func() bool { return held("192.168.238.100") })
	return kill
}

// until waits for a condition.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !condition(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so: %s", what)
		}
	}
}

// held reports whether this host has an address.
func held(address string) bool {
	all, _ := net.InterfaceAddrs()
	return slices.ContainsFunc(all, func(a net.Addr) bool { return strings.HasPrefix(a.String(), address+"/") })
}

// A sidecar that was killed has left something, and after the cleanup the host is as before the first start; an address of another
// program, its rules and the configuration stay.
func TestCleanupLeavesTheHostAsItWas(t *testing.T) {
	cleanNode(t)
	if err := errors.Join(os.RemoveAll(config.StateDirectory), os.RemoveAll(config.RuntimeDirectory), os.MkdirAll(config.Directory, 0o755),
		feed(base, "nft", "--file", "-"), feed("", "ip", "addr", "add", "192.168.238.101/32", "dev", "eth0")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = feed("", "ip", "addr", "del", "192.168.238.101/32", "dev", "eth0") })
	var before map[string]string
	until(t, "every address is in use", func() bool { before = hostState(t); return !strings.Contains(before["ip -j addr"], "tentative") })
	for _, steering := range []string{"Auto", "NFTables"} {
		t.Run(steering, func(t *testing.T) {
			fenced := killSidecar(t, "virtualAddresses: [192.168.238.100/24]\nelection: {mode: VRRP}\nloadBalancer: {steering: {mode: "+steering+"}}\n", before)
			shown := harbinger("", "cleanup", "--dry-run")
			shown.want(t, 0)
			wanted := []string{"virtual address 192.168.238.100 on eth0", "/run/harbinger/vrrp-eth0-51.json", "/run/harbinger"}
			if fenced {
				wanted = append(wanted, "fence: table netdev harbinger-51")
			}
			for _, want := range wanted {
				if !strings.Contains(shown.stdout, "Would remove "+want+"\n") {
					t.Errorf("the dry run shows no %q:\n%s", want, shown.stdout)
				}
			}
			done := harbinger("", "cleanup")
			done.want(t, 0, "/etc/kubernetes/harbinger has the configuration and the credentials, and stays.")
			if want := strings.ReplaceAll(shown.stdout, "Would remove", "Removed"); done.stdout != want {
				t.Errorf("the dry run shows %q, and %q was removed", want, done.stdout)
			}
			if diff := cmp.Diff(before, hostState(t)); diff != "" {
				t.Errorf("the host is not as it was (-before +after):\n%s", diff)
			}
			if again := harbinger("", "cleanup"); again.code != 0 || again.stdout != "This host has nothing to remove.\n" {
				t.Errorf("a second time: %+v", again)
			}
		})
	}
}

// killSidecar has a sidecar run and kills it, and gives what it has left a longer life. Nothing is removed while it runs, nor by a
// dry run. It reports whether a fence is among that.
func killSidecar(t *testing.T, body string, before map[string]string) (fenced bool) {
	t.Helper()
	kill := startSidecar(t, body)
	steered := hostState(t)
	if !strings.Contains(steered["nft list ruleset"], "harbinger_steer") && steered["BPF links"] == before["BPF links"] {
		t.Errorf("the sidecar steers nothing: the test shows nothing of it:\n%v", steered)
	}
	harbinger("", "cleanup").want(t, 1, "error: nothing was removed: the sidecar runs (of virtual router 51 on eth0: user 0 (process ", "end what has started it")
	harbinger("", "cleanup", "--dry-run").want(t, 0, "warning: without --dry-run nothing is removed now: the sidecar runs")
	if !held("192.168.238.100") {
		t.Error("an address in use was removed")
	}
	kill()
	until(t, "steering has ended with the sidecar", func() bool {
		state := hostState(t)
		return !strings.Contains(state["nft list ruleset"], "harbinger_steer") && state["BPF links"] == before["BPF links"]
	})
	fenced = leaveFence(t)
	if err := errors.Join(os.MkdirAll(config.RuntimeDirectory, 0o700), os.WriteFile(config.RuntimeDirectory+"/vrrp-eth0-51.json", nil, 0o600),
		feed("", strings.Fields("ip addr replace 192.168.238.100/32 dev eth0 label eth0:vip valid_lft 60 preferred_lft 0 noprefixroute")...)); err != nil {
		t.Fatal(err)
	}
	killed := hostState(t)
	harbinger("", "cleanup", "--dry-run").want(t, 0)
	if diff := cmp.Diff(withoutClocks(killed), withoutClocks(hostState(t))); diff != "" {
		t.Errorf("a dry run changes the host (-before +after):\n%s", diff)
	}
	return fenced
}

// The rules of the mode Kernel outlive a killed pod, and are left over then.
func TestCleanupRemovesTheRulesOfTheKernelMode(t *testing.T) {
	cleanNode(t)
	before := hostState(t)["nft list ruleset"]
	name := dnat.Prefix + "51"
	target := balance.Backend{Address: netip.MustParseAddrPort("192.168.238.131:6443")}
	if err := dnat.Apply(name, dnat.Rules{Port: 4300, Policy: balance.RoundRobin, Targets: []balance.Backend{target}}); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"cleanup", "--dry-run"}, {"cleanup"}} {
		if done := harbinger("", args...); !strings.Contains(done.stdout, "emove") || !strings.Contains(done.stdout, " rules of the balancer: table inet "+name+"\n") {
			t.Errorf("%v prints %q", args, done.stdout)
		}
	}
	if after := hostState(t)["nft list ruleset"]; after != before {
		t.Errorf("left over: %s", after)
	}
}

// A pod that the kubelet would start again is to be removed first, by the name of its manifest; those of other pods do not count.
func TestCleanupAsksForTheManifest(t *testing.T) {
	cleanNode(t)
	harbinger("", "manifest", "--vip", "192.168.238.100/24").want(t, 0)
	other := filepath.Join(filepath.Dir(manifestFile), "etcd.yaml")
	if err := os.WriteFile(other, []byte("kind: Pod\nmetadata: {name: etcd}\nspec: {containers: [{name: etcd}]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused := harbinger("", "cleanup")
	refused.want(t, 1, "error: nothing was removed: the kubelet starts the pod of "+manifestFile+": rm "+manifestFile+", and repeat this command")
	harbinger("", "cleanup", "--dry-run").want(t, 0, "warning: ")
	if err := os.Remove(manifestFile); err != nil {
		t.Fatal(err)
	}
	harbinger("", "cleanup").want(t, 0)
}
