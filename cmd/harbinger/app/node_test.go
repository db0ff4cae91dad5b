// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// nodeVariable says that the test binary has a network and an /etc of its own.
const nodeVariable = "HARBINGER_TEST_NODE"

const (
	kubernetes   = "/etc/kubernetes"
	manifestFile = kubernetes + "/manifests/ha.yaml"
)

// TestMain runs the tests as on a node before kubeadm init, whatever this machine is: 192.168.238.130/24 is on eth0, which
// leads nowhere, nothing listens, and /etc, /run and /var/lib are empty and in memory.
func TestMain(m *testing.M) {
	if name := os.Getenv(actsVariable); name != "" {
		os.Exit(act(name, os.Args[1:]))
	}
	if os.Getenv(nodeVariable) == "" {
		os.Exit(runOnNode())
	}
	if err := makeNode(); err != nil {
		fmt.Fprintln(os.Stderr, "make a node to test on:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// runOnNode runs this program again in namespaces of its own.
func runOnNode() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), nodeVariable+"=yes")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the tests need root, or a kernel that allows unprivileged user namespaces:", err)
		return 1
	}
	return 0
}

func makeNode() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	for _, dir := range []string{"/etc", "/run", "/var/lib"} {
		if err := unix.Mount("node", dir, "tmpfs", 0, ""); err != nil {
			return fmt.Errorf("mount memory on %s: %w", dir, err)
		}
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "eth0"
	cable := &netlink.Veth{LinkAttrs: attrs, PeerName: "switch"}
	if err := netlink.LinkAdd(cable); err != nil {
		return fmt.Errorf("add eth0: %w", err)
	}
	for _, name := range []string{"lo", "eth0", "switch"} {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return fmt.Errorf("set %s up: %w", name, err)
		}
	}
	address, err := netlink.ParseAddr("192.168.238.130/24")
	if err != nil {
		return err
	}
	return netlink.AddrAdd(cable, address)
}

// cleanNode gives the node the directories that a kubelet package makes, and nothing else.
func cleanNode(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(kubernetes); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(manifestFile), 0o755); err != nil {
		t.Fatal(err)
	}
}

// written returns the content of every file in /etc/kubernetes.
func written(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(kubernetes, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		files[path] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
