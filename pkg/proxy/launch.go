// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/harbinger-ha/harbinger/pkg/confine"
)

// A launch starts a balancer process with as little as the kernel allows.
type launch struct {
	command []string
	files   []*os.File // that it gets: the control connection and the listening sockets
}

// runtimeVariables are what somebody may have set for the runtime of Go on purpose. A balancer process gets nothing else of the
// keeper's environment, which has the configuration.
var runtimeVariables = []string{"GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK"}

var errCannotKill = errors.New("this process could not end one of another user (the capability KILL is needed)")

// start starts the process from the calling thread, which is locked and ends with it. As an ordinary user it has no capabilities;
// where that is refused it has none either, but the user of the keeper. refused says what was refused on the way.
func (l launch) start() (cmd *exec.Cmd, refused, err error) {
	refused = errors.Join(confine.CloseOnExec(), confine.Thread())
	asUser := errCannotKill
	if confine.Kills() {
		asUser = nil
		for _, path := range l.paths() {
			cmd = l.process(path)
			cmd.SysProcAttr.Credential = &syscall.Credential{Uid: confine.User, Gid: confine.User}
			if err = cmd.Start(); err == nil {
				return cmd, refused, nil
			}
			asUser = errors.Join(asUser, fmt.Errorf("start as user %d (the capabilities SETUID and SETGID are needed): %w", confine.User, err))
		}
	}
	refused = errors.Join(asUser, refused, confine.Powerless())
	cmd = l.process(l.command[0])
	return cmd, refused, cmd.Start()
}

// own is the program of this process, wherever it lies: the kernel has it open, so that no directory is in the way of a user.
const own = "/proc/self/exe"

// paths are where the program may be found by an ordinary user.
func (l launch) paths() []string {
	paths := []string{l.command[0]}
	named, err := os.Stat(l.command[0])
	if running, failed := os.Stat(own); err == nil && failed == nil && l.command[0] != own && os.SameFile(named, running) {
		paths = append(paths, own)
	}
	return paths
}

// process is one that has not started.
func (l launch) process(path string) *exec.Cmd {
	cmd := exec.Command(path, l.command[1:]...)
	cmd.Args[0] = l.command[0]
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = l.files
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Env = []string{fmt.Sprintf("%s=%d", listenersVariable, len(l.files)-1)}
	for _, name := range runtimeVariables {
		if value, set := os.LookupEnv(name); set {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	return cmd
}
