// Copyright The Harbinger Authors.
// SPDX-License-Identifier: Apache-2.0

// Command ociruntime is runc for privileged containers that are hosts of a test: they get what the caller has, no less
// and no more.
//
// `docker run --privileged` asks for all capabilities that Docker knows. Where the caller lacks one of them (a sandbox
// without CAP_SYS_RESOURCE, say), runc fails with "unable to apply caps"; and Docker before version 23 knows none that is
// younger than CAP_AUDIT_READ, so that a host made of its containers could not give a pod CAP_BPF. This runtime writes the
// caller's own bounding set into the configuration and becomes runc. Other containers only lose what the caller lacks.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// names in the order of their numbers in linux/capability.h.
var names = strings.Fields(`chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable
	net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace
	sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control
	setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore`)

func main() {
	if err := run(os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "ociruntime:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	held, err := boundingSet()
	if err != nil {
		return err
	}
	for i, arg := range args[:len(args)-1] {
		switch arg {
		case "--bundle", "-b": // create, run: the process is one field of the bundle's configuration
			err = edit(filepath.Join(args[i+1], "config.json"), func(config map[string]any) {
				if process, ok := config["process"].(map[string]any); ok {
					adjust(process, held)
				}
			})
		case "--process", "-p": // exec: the file is the process
			err = edit(args[i+1], func(process map[string]any) { adjust(process, held) })
		}
		if err != nil {
			return err
		}
	}
	runc, err := exec.LookPath("runc")
	if err != nil {
		return err
	}
	return syscall.Exec(runc, append([]string{runc}, args[1:]...), os.Environ())
}

// boundingSet is what this process could ever hold: no child can be given more.
func boundingSet() (map[string]bool, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(string(status), "CapBnd:")
	line, _, _ := strings.Cut(rest, "\n")
	bits, err := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	if err != nil {
		return nil, fmt.Errorf("CapBnd of /proc/self/status: %w", err)
	}
	held := make(map[string]bool)
	for i, name := range names {
		held["CAP_"+strings.ToUpper(name)] = bits&(1<<i) != 0
	}
	return held, nil
}

func adjust(process map[string]any, held map[string]bool) {
	sets, _ := process["capabilities"].(map[string]any)
	bounding, _ := sets["bounding"].([]any)
	// Only --privileged asks for both of these; nothing says so in the configuration itself.
	privileged := slices.Contains(bounding, any("CAP_SYS_ADMIN")) && slices.Contains(bounding, any("CAP_SYS_MODULE"))
	for set, value := range sets {
		asked, _ := value.([]any)
		granted := make([]any, 0, len(names))
		for _, name := range names {
			name = "CAP_" + strings.ToUpper(name)
			if held[name] && (privileged && len(asked) > 0 || slices.Contains(asked, any(name))) {
				granted = append(granted, name)
			}
		}
		sets[set] = granted
	}
}

func edit(file string, change func(map[string]any)) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	// Numbers pass through as they are written: a device number or a limit must not become a float.
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.UseNumber()
	content := make(map[string]any)
	if err := decoder.Decode(&content); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	change(content)
	if data, err = json.Marshal(content); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600)
}
