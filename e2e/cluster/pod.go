// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// capabilities by their numbers in linux/capability.h.
var capabilities = strings.Fields(`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
	NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT
	SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
	MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`)

// Sidecar returns Harbinger's pod on a machine as the API shows it: the mirror of the file that the kubelet read.
func (c *Cluster) Sidecar(ctx context.Context, h *Host) (*corev1.Pod, error) {
	out, err := c.Kubectl(ctx, "get", "pod", "--namespace", "kube-system", "harbinger-"+h.Name, "-o", "json")
	if err != nil {
		return nil, err
	}
	pod := new(corev1.Pod)
	return pod, json.Unmarshal([]byte(out), pod)
}

// PID returns the process of Harbinger's container on a machine, as the machine numbers it.
func (c *Cluster) PID(ctx context.Context, h *Host) (int, error) {
	out, err := h.Shell(ctx, `crictl inspect --output go-template --template '{{.info.pid}}' "$(crictl ps -q --name '^harbinger$')"`)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(out))
}

// AsDeclared compares what runs on a machine with the pod: capabilities, seccomp and the root file system. It returns
// a summary, and an error for the first difference.
func (c *Cluster) AsDeclared(ctx context.Context, h *Host) (string, error) {
	pod, err := c.Sidecar(ctx, h)
	if err != nil {
		return "", err
	}
	pid, err := c.PID(ctx, h)
	if err != nil {
		return "", err
	}
	process, err := status(ctx, h, strconv.Itoa(pid))
	if err != nil {
		return "", err
	}
	granted, err := capabilitiesAsDeclared(ctx, h, pod.Spec.Containers[0].SecurityContext.Capabilities, pid, process)
	if err != nil {
		return "", err
	}
	if err := confinedAsDeclared(ctx, h, pod, pid, process); err != nil {
		return "", err
	}
	return strings.Join(granted, " ") + "; seccomp RuntimeDefault; root read-only; nothing of it for the balancer", nil
}

// capabilitiesAsDeclared compares the capabilities of a process with those of the pod. Its children, the balancer process, have no privilege at
// all. It returns those of the pod.
func capabilitiesAsDeclared(ctx context.Context, h *Host, declared *corev1.Capabilities, pid int, process map[string]string) ([]string, error) {
	if !slices.Equal(declared.Drop, []corev1.Capability{"ALL"}) {
		return nil, fmt.Errorf("%s: the pod drops %v, not ALL", h.Name, declared.Drop)
	}
	var want []string
	for _, capability := range declared.Add {
		want = append(want, string(capability))
	}
	slices.Sort(want)
	for _, set := range []string{"CapBnd", "CapPrm", "CapEff"} {
		have, err := capabilityNames(process[set])
		if err != nil {
			return nil, err
		}
		if !slices.Equal(have, want) {
			return nil, fmt.Errorf("%s: %s is %v, the pod says %v", h.Name, set, have, want)
		}
	}
	children, err := h.Shell(ctx, fmt.Sprintf("cat /proc/%d/task/*/children", pid))
	if err != nil {
		return nil, err
	}
	for _, child := range strings.Fields(children) {
		if err := unprivileged(ctx, h, child); err != nil {
			return nil, err
		}
	}
	return want, nil
}

// confinedAsDeclared compares seccomp and the root file system of a process with the pod.
func confinedAsDeclared(ctx context.Context, h *Host, pod *corev1.Pod, pid int, process map[string]string) error {
	security := pod.Spec.Containers[0].SecurityContext
	profile := security.SeccompProfile
	if profile == nil {
		profile = pod.Spec.SecurityContext.SeccompProfile
	}
	if profile == nil || profile.Type != corev1.SeccompProfileTypeRuntimeDefault || process["Seccomp"] != "2" {
		return fmt.Errorf("%s: seccomp of the pod is %v, of the process mode %s (2 is a filter)", h.Name, profile, process["Seccomp"])
	}
	root, err := h.Shell(ctx, fmt.Sprintf(`awk '$5 == "/" {print $6}' /proc/%d/mountinfo`, pid))
	if err != nil {
		return err
	}
	if security.ReadOnlyRootFilesystem == nil || !*security.ReadOnlyRootFilesystem || !slices.Contains(strings.Split(strings.TrimSpace(root), ","), "ro") {
		return fmt.Errorf("%s: the root file system is mounted %s", h.Name, root)
	}
	return nil
}

// unprivileged checks that a process has given everything away.
func unprivileged(ctx context.Context, h *Host, child string) error {
	process, err := status(ctx, h, child)
	if err != nil {
		return err
	}
	const none = "0000000000000000"
	want := map[string]string{"CapInh": none, "CapPrm": none, "CapEff": none, "CapBnd": none, "CapAmb": none, "NoNewPrivs": "1", "Seccomp": "2", "Groups": ""}
	for _, ids := range []string{"Uid", "Gid"} {
		want[ids] = "65532\t65532\t65532\t65532"
	}
	for field, value := range want {
		if process[field] != value {
			return fmt.Errorf("%s: process %s has %s %q, want %q", h.Name, child, field, process[field], value)
		}
	}
	return nil
}

// status reads the fields of /proc/PID/status.
func status(ctx context.Context, h *Host, pid string) (map[string]string, error) {
	out, err := h.Run(ctx, "cat", "/proc/"+pid+"/status")
	fields := make(map[string]string)
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(line, ":")
		fields[name] = strings.TrimSpace(value)
	}
	return fields, err
}

// capabilityNames returns the names in a set, sorted.
func capabilityNames(set string) ([]string, error) {
	bits, err := strconv.ParseUint(set, 16, 64)
	if err != nil {
		return nil, fmt.Errorf("set of capabilities: %w", err)
	}
	var names []string
	for bit, name := range capabilities {
		if bits>>bit&1 == 1 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// secrets are what a credential of the API looks like in a file or a variable.
const secrets = "PRIVATE KEY|client-key|client-certificate|token:|^token="

// Credential looks for a credential of the API that the container can read, and returns the names of the files that hold
// one, or nothing.
func (c *Cluster) Credential(ctx context.Context, h *Host) (string, error) {
	pid, err := c.PID(ctx, h)
	if err != nil {
		return "", err
	}
	// -I leaves out programs: Go's TLS library contains the words. Every mount of the container is searched but the kernel's.
	script := fmt.Sprintf(`cd /proc/%[1]d/root
{ find . -xdev -type f -print0
  grep -v '^.* \(/proc\|/sys\|/dev\)' /proc/%[1]d/mountinfo | cut -d' ' -f5 | while read -r mount; do
    find "./$mount" -xdev -type f -print0 2>/dev/null || true
  done; } | xargs -0 --no-run-if-empty grep -lIE '%[2]s' || true
! grep -qaE '%[2]s' /proc/%[1]d/environ || echo a variable
for file in etc/kubernetes/admin.conf etc/kubernetes/super-admin.conf etc/kubernetes/pki/ca.key; do
  [[ ! -e $file ]] || echo $file
done`, pid, secrets)
	out, err := h.Shell(ctx, script)
	return strings.TrimSpace(out), err
}
