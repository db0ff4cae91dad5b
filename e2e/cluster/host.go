// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/manifest"
)

// Label is on every container of the suite, so that a run that was killed can be cleaned up after.
const Label = "harbinger-e2e"

const prefix = "harbinger-e2e-" // of the names of containers

// A Host is one machine of the cluster: a privileged container with systemd, containerd and a kubelet.
type Host struct {
	Name    string     // of the machine and of its node in Kubernetes
	Address netip.Addr // the first one, IPv4

	container string
	network   string
	ipv6      netip.Addr // if the network has it
}

// places are the last parts of the addresses of the machines that the suite starts itself: n1 to n3 are .130 to .132, as in
// the classic recipe.
var places = map[string]int{"n1": 130, "n2": 131, "n3": 132, "w1": 140}

// StartHost starts a machine whose kubelet waits for kubeadm, with Harbinger's program and image where a package and a
// registry would have put them. Its name is n1, n2, n3 or w1.
func (e Environment) StartHost(ctx context.Context, name string) (*Host, error) {
	place, ok := places[name]
	if !ok {
		return nil, fmt.Errorf("host %q has no place in the network: n1, n2, n3 and w1 have", name)
	}
	v4, v6 := fmt.Sprintf("192.168.238.%d", place), fmt.Sprintf("fd00:238::%d", place)
	h := &Host{Name: name, Address: netip.MustParseAddr(v4), ipv6: netip.MustParseAddr(v6), container: prefix + name, network: e.Network}
	args := []string{"run", "--detach", "--name", h.container, "--hostname", name, "--label", Label, "--pull", "never",
		"--privileged", "--security-opt", "seccomp=unconfined", "--cgroupns", "private", "--network", e.Network, "--ip", v4, "--ip6", v6,
		"--tmpfs", "/run:exec", "--tmpfs", "/tmp:exec", "--volume", "/var"} // overlay mounts of containerd cannot lie on Docker's
	if _, err := os.Stat("/lib/modules"); err == nil {
		args = append(args, "--volume", "/lib/modules:/lib/modules:ro")
	}
	if _, err := docker(ctx, nil, append(args, e.NodeImage)...); err != nil {
		return nil, err
	}
	if err := Until(ctx, 2*time.Minute, name+" runs containerd", func(ctx context.Context) error {
		_, err := h.Run(ctx, "ctr", "version")
		return err
	}); err != nil {
		return nil, err
	}
	if _, err := docker(ctx, nil, "cp", e.Program, h.container+":/usr/local/bin/harbinger"); err != nil {
		return nil, err
	}
	if err := h.Import(ctx, e.ImageTar); err != nil {
		return nil, err
	}
	if e.Image == manifest.DefaultImage {
		return h, nil // its own name
	}
	_, err := h.Run(ctx, "ctr", "-n", "k8s.io", "images", "tag", e.Image, manifest.DefaultImage)
	return h, err
}

// Import loads the images of a tar into the machine's containerd.
func (h *Host) Import(ctx context.Context, tar string) error {
	f, err := os.Open(tar)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = docker(ctx, f, "exec", "--interactive", h.container, "ctr", "-n", "k8s.io", "images", "import", "-")
	return err
}

// Run runs a command on the machine and returns its standard output.
func (h *Host) Run(ctx context.Context, argv ...string) (string, error) {
	out, err := docker(ctx, nil, append([]string{"exec", h.container}, argv...)...)
	if err != nil {
		err = fmt.Errorf("on %s: %w", h.Name, err)
	}
	return out, err
}

// Shell runs a script of bash that ends at the first command that fails.
func (h *Host) Shell(ctx context.Context, script string) (string, error) {
	return h.Run(ctx, "bash", "-euo", "pipefail", "-c", script)
}

// Harbinger runs a command of Harbinger inside its container on the machine.
func (h *Host) Harbinger(ctx context.Context, args ...string) (string, error) {
	return h.Shell(ctx, `crictl exec "$(crictl ps -q --name '^harbinger$')" /harbinger `+strings.Join(args, " "))
}

// Put writes a file, into a directory that it makes where there is none.
func (h *Host) Put(ctx context.Context, file string, mode fs.FileMode, content []byte) error {
	script := fmt.Sprintf("mkdir -p %q && cat >%q && chmod %o %q", path.Dir(file), file, mode, file)
	_, err := docker(ctx, bytes.NewReader(content), "exec", "--interactive", h.container, "bash", "-euc", script)
	return err
}

// Sum returns the SHA-256 of a file.
func (h *Host) Sum(ctx context.Context, file string) (string, error) {
	out, err := h.Run(ctx, "sha256sum", file)
	sum, _, _ := strings.Cut(out, " ")
	return sum, err
}

// Pause freezes everything on the machine, as a hypervisor does.
func (h *Host) Pause(ctx context.Context) error { return h.docker(ctx, "pause", h.container) }

// Unpause ends a [Host.Pause]. To the machine no time has passed.
func (h *Host) Unpause(ctx context.Context) error { return h.docker(ctx, "unpause", h.container) }

// PowerOff ends the machine, and its processes without a signal.
func (h *Host) PowerOff(ctx context.Context) error {
	return h.docker(ctx, "kill", "--signal", "KILL", h.container)
}

// Shutdown ends the machine by its init system.
func (h *Host) Shutdown(ctx context.Context) error {
	return h.docker(ctx, "stop", "--time", "60", h.container)
}

// Running reports whether the machine is on.
func (h *Host) Running(ctx context.Context) (bool, error) {
	out, err := docker(ctx, nil, "inspect", "--format", "{{.State.Running}}", h.container)
	return strings.TrimSpace(out) == "true", err
}

// PowerOn starts the machine again, with the disk that it had.
func (h *Host) PowerOn(ctx context.Context) error { return h.docker(ctx, "start", h.container) }

// Unplug pulls the cable of the machine.
func (h *Host) Unplug(ctx context.Context) error {
	return h.docker(ctx, "network", "disconnect", "--force", h.network, h.container)
}

// Plug puts the cable back, with the addresses from before.
func (h *Host) Plug(ctx context.Context) error {
	args := []string{"network", "connect", "--ip", h.Address.String()}
	if h.ipv6.IsValid() {
		args = append(args, "--ip6", h.ipv6.String())
	}
	return h.docker(ctx, append(args, h.network, h.container)...)
}

// StartTime returns when a process of the machine started, to a tick of its clock.
func (h *Host) StartTime(ctx context.Context, pid int) (time.Time, error) {
	// The name of a process may hold blanks; what follows it may not.
	out, err := h.Shell(ctx, fmt.Sprintf(`stat=$(</proc/%d/stat)
read -r -a field <<<"${stat##*) }"
read -r uptime _ </proc/uptime
now=${EPOCHREALTIME//[!0-9]/}
echo $((now / 1000 - 10#${uptime/./} * 10 + field[19] * 1000 / $(getconf CLK_TCK)))`, pid))
	if err != nil {
		return time.Time{}, err
	}
	ms, err := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
	return time.UnixMilli(ms), err
}

// Oldest returns the number of the oldest process of a name, nothing where there is none or the machine cannot be asked.
func (h *Host) Oldest(ctx context.Context, process string) (pid string) {
	pid, _ = h.Run(ctx, "pgrep", "-o", "-x", process)
	return strings.TrimSpace(pid)
}

// Kill ends every process of a name at once.
func (h *Host) Kill(ctx context.Context, process string) error {
	_, err := h.Run(ctx, "pkill", "-KILL", "-x", process)
	return err
}

func (h *Host) docker(ctx context.Context, args ...string) error {
	_, err := docker(ctx, nil, args...)
	return err
}
