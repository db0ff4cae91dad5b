// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/confine"
)

// TestBalancerIsConfined looks at a balancer process as the kernel shows it.
func TestBalancerIsConfined(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "1GiB")
	t.Setenv("HARBINGER_CONFIG", "secret")
	leaked, err := unix.Open(os.DevNull, unix.O_RDONLY, 0) // as a container runtime may leave one
	must(t, err)
	defer unix.Close(leaked)
	s := newSupervisor(t, testSettings(), nil)
	until(t, "the balancer reports", func() bool { return s.Status().PID != 0 })
	if kept := s.Status().Kept; kept != "" {
		t.Errorf("it keeps %s", kept)
	}
	process := fmt.Sprintf("/proc/%d/", s.Status().PID)
	status, err := os.ReadFile(process + "status")
	must(t, err)
	for _, want := range []string{
		"Uid:\t65532\t65532\t65532\t65532\n", "Gid:\t65532\t65532\t65532\t65532\n", "\nGroups:\t \n", "NoNewPrivs:\t1\n", "Seccomp:\t2\n",
		"CapInh:\t0000000000000000\n", "CapPrm:\t0000000000000000\n", "CapEff:\t0000000000000000\n", "CapBnd:\t0000000000000000\n", "CapAmb:\t0000000000000000\n",
	} {
		if !strings.Contains(string(status), want) {
			t.Errorf("its status has no line %q:\n%s", want, status)
		}
	}
	environment, err := os.ReadFile(process + "environ")
	must(t, err)
	if got := string(environment); got != "HARBINGER_BALANCER_LISTENERS=1\x00GOMEMLIMIT=1GiB\x00" {
		t.Errorf("its environment is %q", got)
	}
	files, err := filepath.Glob(process + "fd/*")
	must(t, err)
	for _, file := range files {
		if target, err := os.Readlink(file); err == nil && target == os.DevNull && filepath.Base(file) != "0" {
			t.Errorf("it has descriptor %s of the keeper", filepath.Base(file))
		}
	}
}

// asBalancer runs f on a thread of the user of balancer processes, who may change them without any capability.
func asBalancer(f func() error) error {
	done := make(chan error)
	confine.OnThread(func() {
		for _, call := range []uintptr{unix.SYS_SETRESGID, unix.SYS_SETRESUID} {
			if _, _, errno := unix.RawSyscall(call, confine.User, confine.User, confine.User); errno != 0 {
				done <- errno
				return
			}
		}
		done <- f()
	})
	return <-done
}
