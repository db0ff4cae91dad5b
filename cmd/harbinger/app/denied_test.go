// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// unprivileged runs a command line as a user who may do nothing: nobody, or where this process is root of a user namespace alone, a
// user of another one.
func unprivileged(t *testing.T, args ...string) result {
	t.Helper()
	const nobody = 65534
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), actsVariable+"=harbinger")
	cmd.Stdout, cmd.Stderr, cmd.Dir = &stdout, &stderr, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if users, err := os.ReadFile("/proc/self/uid_map"); err == nil && len(strings.Fields(string(users))) == 3 && strings.Fields(string(users))[2] == "1" {
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: nobody, HostID: 0, Size: 1}}, GidMappings: []syscall.SysProcIDMap{{ContainerID: nobody, HostID: 0, Size: 1}}}
	}
	err := cmd.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// What an ordinary user is refused is said with what is missing, and with the command that is not refused.
func TestUnprivileged(t *testing.T) {
	cleanNode(t)
	ca := t.TempDir()
	makeCA(t, ca)
	if err := os.CopyFS(kubernetes+"/pki", os.DirFS(ca)); err != nil {
		t.Fatal(err)
	}
	good := document("virtualAddresses: [192.168.238.100/24]\n")
	for path, content := range map[string]string{"/etc/open.yaml": good, "/etc/shut.yaml": good, "/etc/keepalived.conf": "include /etc/shut.yaml\n"} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(path) })
	}
	for _, path := range []string{"/etc/shut.yaml", kubernetes + "/pki/ca.key"} {
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{filepath.Dir(manifestFile), filepath.Dir(kubernetes)} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	directory := filepath.Dir(manifestFile)
	if err := os.Chmod(directory, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(directory, 0o755) })
	for _, tt := range []struct {
		line string
		code int
		want []string
	}{
		{"run --config /etc/open.yaml", 1, []string{"this process lacks CAP_BPF, CAP_NET_ADMIN, ", "CAP_NET_RAW", "run it as root: sudo harbinger run --config /etc/open.yaml"}},
		{"preflight --config /etc/open.yaml", 0, []string{" checks could not be made without root: sudo harbinger preflight --config /etc/open.yaml"}},
		{"preflight --config /etc/shut.yaml", 2, []string{"open /etc/shut.yaml: permission denied: only root may: run it as root: sudo harbinger preflight --config /etc/shut.yaml"}},
		{"manifest --vip 192.168.238.100/24", 1, []string{"/etc/kubernetes/manifests", "permission denied: only root may: run it as root: sudo harbinger manifest --vip 192.168.238.100/24"}},
		{"kubeconfig", 1, []string{"/etc/kubernetes/pki/ca.key: permission denied: only root may: run it as root: sudo harbinger kubeconfig\n"}},
		{"config validate /etc/shut.yaml", 2, []string{"only root may: run it as root: sudo harbinger config validate /etc/shut.yaml"}},
		{"convert --keepalived /etc/keepalived.conf", 2, []string{"permission denied", "sudo harbinger convert --keepalived /etc/keepalived.conf"}},
	} {
		t.Run(tt.line, func(t *testing.T) {
			r := unprivileged(t, strings.Fields(tt.line)...)
			r.want(t, tt.code, tt.want...)
			for line := range strings.Lines(r.stderr) {
				if refused := strings.Contains(line, "permission denied") || strings.Contains(line, "not permitted"); refused && strings.HasPrefix(line, "error: ") && !strings.Contains(line, "sudo harbinger ") {
					t.Errorf("stands alone: %s", line)
				}
			}
		})
	}
}

// A sidecar hears root alone: the refusal says so.
func TestHandoverUnprivileged(t *testing.T) {
	defer servePod(t)()
	r := unprivileged(t, "handover", "--to", "n2")
	r.want(t, 1, "error: only root may move the virtual addresses: sudo harbinger handover --to n2 (")
	r = unprivileged(t, "handover", "--to", "it's n2")
	r.want(t, 2, "--to it's n2: no node of this cluster has that name")
}
