// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// roleVariable names the environment variable that makes this program run a role in a host instead of its own main function.
const roleVariable = "HARBINGER_LAB_ROLE"

// A Role is a process of the lab that is this program itself, started again with another main function. Main returns its
// exit code.
type Role struct {
	Name string
	Main func(args []string) int
}

// Command returns how a host starts the role.
func (r Role) Command(args ...string) Command {
	return Command{Path: "/proc/self/exe", Args: args, Env: []string{roleVariable + "=" + r.Name}}
}

// Main prepares the program for labs; call it first in main or TestMain, and end with the code it returns. It calls run,
// except where the program was started for one of the roles. To call run it starts the program again as the leader of a
// session, which can have precedence on the machine, and without root in a user namespace, where the kernel allows that.
func Main(run func() int, roles ...Role) int {
	if name := os.Getenv(roleVariable); name != "" {
		return play(name, roles)
	}
	session, err := unix.Getsid(0)
	if err != nil {
		return fail(err)
	}
	if session != os.Getpid() || os.Geteuid() != 0 {
		return rerun(0)
	}
	preferObservers()
	return run()
}

// play plays the role of that name.
func play(name string, roles []Role) int {
	for _, role := range roles {
		if role.Name == name {
			return role.Main(os.Args[1:])
		}
	}
	return fail(fmt.Errorf("no role is called %q", name))
}

// rerun runs this program as root, as the leader of a session, and in new namespaces of those kinds.
func rerun(namespaces uintptr, env ...string) int {
	runtime.LockOSThread() // the child dies with the thread that started it
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, Cloneflags: namespaces}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	err := runRelaying(cmd)
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		return fail(fmt.Errorf("the lab needs root, or a kernel that allows unprivileged user namespaces: %w", err))
	}
	return 0
}

// runRelaying runs a program of another session and passes the signals of this session's terminal on to it. The program
// decides what to do with them.
func runRelaying(cmd *exec.Cmd) error {
	signals := make(chan os.Signal, 1) // one that waits to be passed on is enough
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	if err := cmd.Start(); err != nil {
		return err
	}
	// Ends with the process.
	go func() {
		for sig := range signals {
			_ = cmd.Process.Signal(sig) // it may have ended
		}
	}()
	return cmd.Wait()
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "lab:", err)
	return 1
}
