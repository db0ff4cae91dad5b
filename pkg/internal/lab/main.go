// SPDX-License-Identifier: Apache-2.0

//go:build linux

package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
)

// roleVariable names the environment variable that makes this program play a
// role in a host instead of itself.
const roleVariable = "HARBINGER_LAB_ROLE"

// A Role is a process of the lab that this program plays itself, started again
// under another name. Main returns its exit code.
type Role struct {
	Name string
	Main func(args []string) int
}

// Command returns how a host starts the role.
func (r Role) Command(args ...string) Command {
	return Command{Path: "/proc/self/exe", Args: args, Env: []string{roleVariable + "=" + r.Name}}
}

// Main prepares the program for labs; call it first in main or TestMain, and
// end with the code it returns. It calls run, except where the program was
// started for one of the roles. Without root it runs the program again in a
// user namespace, where the kernel allows that.
func Main(run func() int, roles ...Role) int {
	if name := os.Getenv(roleVariable); name != "" {
		for _, role := range roles {
			if role.Name == name {
				return role.Main(os.Args[1:])
			}
		}
		return fail(fmt.Errorf("no role is called %q", name))
	}
	if os.Geteuid() == 0 {
		prefer()
		return run()
	}
	return rerunAsRoot()
}

// rerunAsRoot runs this program in a user namespace in which it is root.
func rerunAsRoot() int {
	runtime.LockOSThread() // the child dies with the thread that started it
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	// The child gets the terminal's signals itself, and decides.
	signal.Ignore(os.Interrupt)
	err := cmd.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		return fail(fmt.Errorf("the lab needs root, or a kernel that allows unprivileged user namespaces: %w", err))
	}
	return 0
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "lab:", err)
	return 1
}
