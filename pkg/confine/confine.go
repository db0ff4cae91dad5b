// SPDX-License-Identifier: Apache-2.0

// Package confine takes from a process what it does not need: the keeper starts its balancer, which reads what anybody sends, as an
// ordinary user without capabilities, and the balancer then gives up the system calls that relaying does not need.
//
// All but the last happens to the thread that starts the process, before the process exists. So it holds for each of its threads, it
// needs no C library, and no instruction of the balancer runs with what the keeper has.
package confine

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// User is the ID of the user and of the group of a balancer process, that of "nonroot" in many images: none of the host's own.
const User = 65532

// OnThread runs f in a goroutine that has a thread of its own, which ends when f returns. It is never the first thread of the process,
// which would not end: what the kernel shows of the process is what that one may do.
func OnThread(f func()) {
	go func() { // ends when f returns
		runtime.LockOSThread() // and never unlocked, but on the first thread
		if unix.Gettid() != os.Getpid() {
			f()
			return
		}
		taken := make(chan struct{})
		go func() { // ends when f returns
			runtime.LockOSThread()
			close(taken)
			f()
		}()
		<-taken
		runtime.UnlockOSThread()
	}()
}

// lastCapability bounds the search for capabilities: the kernel has them in 64 bits.
const lastCapability = 63

// Thread takes from the calling thread, one of OnThread, what a process that it starts must not get: new privileges by a program, the
// bounding set, and what an ordinary user would inherit. The thread itself keeps what it may do. It does as much of that as it can: the
// error is about the rest.
func Thread() error {
	failed := os.NewSyscallError("prctl(PR_SET_NO_NEW_PRIVS)", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
	for c := range uintptr(lastCapability) {
		has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0)
		if err != nil {
			break // the kernel has no more
		}
		if has == 0 {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			failed = errors.Join(failed, fmt.Errorf("drop the bounding set (the capability SETPCAP is needed): %w", err))
			break
		}
	}
	header, sets, err := capabilities()
	if err == nil {
		sets[0].Inheritable, sets[1].Inheritable = 0, 0
		err = unix.Capset(header, &sets[0])
	}
	return errors.Join(failed, os.NewSyscallError("capset", err))
}

// Powerless takes all capabilities from the calling thread, and so, after Thread, from what it starts as the same user.
func Powerless() error {
	header, _, err := capabilities()
	if err == nil {
		var none [2]unix.CapUserData
		err = unix.Capset(header, &none[0])
	}
	return os.NewSyscallError("capset", err)
}

// Kills reports whether the calling thread may end processes of another user.
func Kills() bool {
	_, sets, err := capabilities()
	return err == nil && sets[0].Effective>>unix.CAP_KILL&1 == 1
}

// capabilities returns those of the calling thread, and the header to set them with.
func capabilities() (*unix.CapUserHeader, [2]unix.CapUserData, error) {
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	err := unix.Capget(header, &sets[0])
	return header, sets, err
}

// firstDescriptor comes after standard input, output and error.
const firstDescriptor = 3

// CloseOnExec keeps every descriptor of this process from a program that is started, but for those that are passed on by name.
// Go does so for its own; a container runtime may have left others.
func CloseOnExec() error {
	return os.NewSyscallError("close_range", unix.CloseRange(firstDescriptor, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC))
}

// Calls leaves this process the system calls of a balancer, for good. The others answer with EPERM, for one that was forgotten must not
// take the balancer away from its clients, and the kernel writes them to its log where it logs such answers (seccomp(2),
// SECCOMP_FILTER_FLAG_LOG). Those that only an intruder makes, such as execve, kill the process.
func Calls() error { return filter(refused) }

// CallsStrictly is Calls for tests: a forgotten one kills the process.
func CallsStrictly() error { return filter(killed) }

// errProcessor says that there is no list of calls.
var errProcessor = errors.New("there is no list of system calls for this processor")

func filter(otherwise verdict) error {
	if own.arch == 0 {
		return errProcessor
	}
	// No core file, and no look at its memory by another process of the same user: it has what passes between clients and apiservers.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl(PR_SET_DUMPABLE)", err)
	}
	raw, err := bpf.Assemble(calls(os.Getpid()).compile(otherwise))
	if err != nil {
		return fmt.Errorf("assemble the filter: %w", err)
	}
	program := make([]unix.SockFilter, 0, len(raw))
	for _, i := range raw {
		program = append(program, unix.SockFilter{Code: i.Op, Jt: i.Jt, Jf: i.Jf, K: i.K})
	}
	// Every thread gets it. It runs no code but its own: the kernel need not slow it down for those that do (SPEC_ALLOW).
	const flags = unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_LOG | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
	described := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&described)))
	switch {
	case errno != 0:
		return os.NewSyscallError("seccomp", errno)
	case thread != 0:
		return fmt.Errorf("seccomp: thread %d has another filter", thread)
	}
	return nil
}
