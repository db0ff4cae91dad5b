// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/steer"
)

// kernelChecks ask for what the pod needs of the kernel, and of what runs it.
var kernelChecks = []Check{
	{Name: "Capabilities", Finds: "a user namespace (rootless), or a process without the capabilities that the pod asks for", Remedy: "run as root of the host", run: checkCapabilities},
	{Name: "BPF", Finds: "a kernel that refuses the program which steers connections, where the port is the apiserver's own", Remedy: "`loadBalancer.steering.mode: NFTables`, or another port", slow: true, run: checkBPF},
	{Name: "NFTables", Finds: "a kernel without nf_tables, where steering needs it", Remedy: "`modprobe nf_tables`", run: checkNFTables},
	{Name: "Fence", Finds: "a kernel that takes no fence (before Linux 5.16, without nf_tables, a missing capability, a filter of system calls, ingress shaping): a killed or frozen holder then answers until the lifetime of its address ends",
		Remedy: "a kernel from Linux 5.16 on; run as root of the host", slow: true, run: checkFence},
	{Name: "KernelMode", Finds: "with `loadBalancer.mode: Kernel`, a kernel that does not take its rules, a host that does not forward (`net.ipv4.ip_forward`, `net.ipv6.conf.all.forwarding`), or whose packet filter drops what is forwarded to a backend: connections are relayed then",
		Remedy: "`modprobe`, the setting of the kernel, a rule that accepts it, or mode Relay", slow: true, run: checkKernelMode},
	{Name: "Seccomp", Finds: "a filter of system calls on this process: what it cannot ask, it cannot say", Remedy: "run the command on the host", run: checkSeccomp},
	{Name: "Clock", Finds: "a clock that nothing synchronises: certificates, and with signed advertisements their time", Remedy: "`timedatectl set-ntp true`", slow: true, run: checkClock},
	{Name: "Image", Finds: "an image that is not on the host yet, which matters without a registry", Remedy: "`ctr` to pull or import it", slow: true, run: checkImage},
}

// Process is what the kernel lets this process do.
type Process struct {
	Capabilities uint64
	// UserNamespace says that its root is not that of the host.
	UserNamespace bool
	// Filtered says that a seccomp filter refuses some of its system calls.
	Filtered bool
}

// thisProcess reads it for the calling thread.
func thisProcess() (Process, error) {
	status, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		return Process{}, err
	}
	users, err := os.ReadFile("/proc/thread-self/uid_map")
	if err != nil {
		return Process{}, err
	}
	return parseProcess(string(status), string(users))
}

// parseProcess reads the files of the kernel. A map of all users to themselves is that of the host.
func parseProcess(status, users string) (p Process, err error) {
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch value = strings.TrimSpace(value); name {
		case "CapEff":
			p.Capabilities, err = strconv.ParseUint(value, 16, 64)
		case "Seccomp":
			p.Filtered = value == "2"
		}
		if err != nil {
			return p, fmt.Errorf("%s %q: %w", name, value, err)
		}
	}
	p.UserNamespace = strings.Join(strings.Fields(users), " ") != "0 0 4294967295"
	return p, nil
}

// capabilities are those that the pod may ask for, by their numbers in linux/capability.h.
var capabilities = map[string]uint{"KILL": 5, "SETGID": 6, "SETUID": 7, "SETPCAP": 8, "NET_BIND_SERVICE": 10, "NET_ADMIN": 12, "NET_RAW": 13, "SYS_NICE": 23, "BPF": 39}

// forBalancer are those without which the pod works, and its balancer process has more than it needs.
var forBalancer = []string{"KILL", "SETGID", "SETPCAP", "SETUID"}

// MissingCapabilities returns which of the capabilities that the pod cannot do without this process has not, such as CAP_NET_ADMIN.
func MissingCapabilities() (missing []string, err error) {
	p, err := thisProcess()
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(capabilities)) {
		if slices.Contains(forBalancer, name) {
			continue
		}
		if p.Capabilities>>capabilities[name]&1 == 0 {
			missing = append(missing, "CAP_"+name)
		}
	}
	return missing, nil
}

// needed are those that it asks for with a configuration, as its manifest does.
func needed(cfg *config.HarbingerConfiguration) []string {
	names := append([]string{"NET_ADMIN", "NET_RAW", "SYS_NICE"}, forBalancer...)
	if steersByBPF(cfg) {
		names = append(names, "BPF")
	}
	return names
}

func steersByBPF(cfg *config.HarbingerConfiguration) bool {
	mode := cfg.LoadBalancer.Steering.Mode
	return cfg.ControlPlane.Shared() && (mode == balance.SteeringAuto || mode == balance.SteeringBPF)
}

// checkCapabilities warns where this process lacks what the pod asks for: it then could not be asked whether the pod will get it.
func checkCapabilities(cfg *config.HarbingerConfiguration, facts Facts) []Result {
	if facts.Process.Err != nil {
		return unanswered(facts.Process.Err, "")
	}
	p := facts.Process.Value
	if p.UserNamespace {
		return []Result{{Status: Warn, Found: "this is a user namespace (rootless): no process in it may give the host an address", Remedy: "run the kubelet, and this command, as root of the host"}}
	}
	var missing []string
	for _, name := range needed(cfg) {
		if p.Capabilities>>capabilities[name]&1 == 0 {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return []Result{{Status: Warn, Found: "could not be asked: this process has not " + strings.Join(missing, ", "), Remedy: AsRoot}}
	}
	return fine("this process has what the pod asks for: %s", strings.Join(needed(cfg), ", "))
}

// tryBPF loads and attaches the program that steers connections, with nothing to steer, and takes it away.
func tryBPF() (struct{}, error) {
	s, err := steer.New(steer.Config{Mode: balance.SteeringBPF})
	if err != nil {
		return struct{}{}, err
	}
	return struct{}{}, s.Close()
}

var steeringMode = field.NewPath("loadBalancer", "steering", "mode")

// checkBPF refuses a mode that the kernel refuses. Without one the pod takes nf_tables.
func checkBPF(cfg *config.HarbingerConfiguration, facts Facts) []Result {
	mode := cfg.LoadBalancer.Steering.Mode
	const remedy = "set loadBalancer.steering.mode to NFTables, or give clients a port of their own (controlPlane.port)"
	switch {
	case !steersByBPF(cfg):
		return nil
	case facts.BPF.Err == nil:
		return fine("the kernel takes the program that steers connections")
	case facts.Process.Value.Capabilities>>capabilities["BPF"]&1 == 0 || facts.Process.Value.Filtered:
		return unanswered(facts.BPF.Err, AsRoot+": it needs CAP_BPF and CAP_NET_ADMIN")
	case mode == balance.SteeringAuto && facts.Firewall.Err == nil:
		return []Result{fault(Warn, steeringMode, mode, fmt.Sprintf("takes nf_tables, because the kernel refuses BPF (%v)", facts.BPF.Err), remedy)}
	}
	return []Result{fault(Fail, steeringMode, mode, fmt.Sprintf("is refused by the kernel: %v", facts.BPF.Err), remedy)}
}

// checkNFTables refuses a kernel without nf_tables where it is to steer.
func checkNFTables(cfg *config.HarbingerConfiguration, facts Facts) []Result {
	mode := cfg.LoadBalancer.Steering.Mode
	switch {
	case !cfg.ControlPlane.Shared() || mode != balance.SteeringNFTables && mode != balance.SteeringAuto:
		return nil
	case facts.Firewall.Err == nil:
		return fine("the kernel answers for nf_tables")
	case errors.Is(facts.Firewall.Err, os.ErrPermission):
		return unanswered(facts.Firewall.Err, AsRoot+": it needs CAP_NET_ADMIN")
	case mode == balance.SteeringAuto:
		return []Result{fault(Warn, steeringMode, mode, fmt.Sprintf("has BPF alone: %v", facts.Firewall.Err), "modprobe nf_tables")}
	}
	return []Result{fault(Fail, steeringMode, mode, facts.Firewall.Err.Error(), "modprobe nf_tables")}
}

// checkSeccomp says whether system calls of this process are filtered. Those of the pod are by the default profile of the runtime.
func checkSeccomp(_ *config.HarbingerConfiguration, facts Facts) []Result {
	switch {
	case facts.Process.Err != nil:
		return unanswered(facts.Process.Err, "")
	case facts.Process.Value.Filtered:
		return []Result{{Status: Warn, Found: "a seccomp filter is on this process: what other checks were refused may be allowed to the pod", Remedy: "run the command on the host, not in a container"}}
	}
	return fine("no seccomp filter is on this process; the pod asks for RuntimeDefault, which lets through what it does")
}

// synchronised asks the kernel whether anything sets its clock.
func synchronised() (bool, error) {
	const unsynchronised = 0x40 // STA_UNSYNC of linux/timex.h
	var t syscall.Timex
	if _, err := syscall.Adjtimex(&t); err != nil {
		return false, fmt.Errorf("adjtimex: %w", err)
	}
	return t.Status&unsynchronised == 0, nil
}

func checkClock(cfg *config.HarbingerConfiguration, facts Facts) []Result {
	switch {
	case facts.Clock.Err != nil:
		return unanswered(facts.Clock.Err, "timedatectl")
	case facts.Clock.Value:
		return fine("the clock is synchronised")
	}
	found := "nothing synchronises the clock: certificates are refused where it is wrong"
	if len(cfg.Election.VRRP.HMAC.Keys) > 0 {
		found += ", and so are signed advertisements"
	}
	return []Result{{Status: Warn, Found: found, Remedy: "timedatectl set-ntp true"}}
}

// Image is whether the host has an image.
type Image struct {
	Name    string
	Present bool
}

// findImage asks the runtime, by the programs that come with it.
func findImage(ctx context.Context, name string) (Image, error) {
	image := Image{Name: name}
	for _, command := range [][]string{{"crictl", "images", "-q", name}, {"ctr", "--connect-timeout", "2s", "-n", "k8s.io", "images", "ls", "-q", "name==" + name}} {
		path, err := exec.LookPath(command[0])
		if err != nil {
			continue
		}
		out, err := exec.CommandContext(ctx, path, command[1:]...).CombinedOutput()
		if err != nil {
			return image, fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, strings.TrimSpace(string(out)))
		}
		image.Present = len(strings.TrimSpace(string(out))) > 0
		return image, nil
	}
	return image, errors.New("there is neither crictl nor ctr on this host")
}

func checkImage(_ *config.HarbingerConfiguration, facts Facts) []Result {
	image := facts.Image.Value
	pull := fmt.Sprintf("ctr -n k8s.io images pull %s # without a registry: ctr -n k8s.io images import FILE", image.Name)
	switch {
	case image.Name == "":
		return nil
	case facts.Image.Err != nil:
		return unanswered(facts.Image.Err, pull)
	case !image.Present:
		return []Result{{Status: Warn, Found: image.Name + " is not on this host: the kubelet pulls it when the pod starts", Remedy: pull}}
	}
	return fine("%s is on this host", image.Name)
}
