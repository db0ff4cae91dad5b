// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// A Denial is what the kernel refuses to a process, as it does to those of many containers.
type Denial string

// The denials.
const (
	NoNFTables Denial = "nf_tables"            // no socket of netfilter's netlink
	NoRealTime Denial = "real-time scheduling" // the capability for it is missing
)

// Where the kernel shows a system call to a filter: its number, and the lower half of its first and third argument.
const (
	callAt  = 0
	firstAt = 16
	thirdAt = 32
)

// noNFTables is a filter that refuses such sockets with EPERM, and allows all else; see seccomp(2).
func noNFTables() []unix.SockFilter {
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	is := func(value uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jt: yes, Jf: no}
	}
	return []unix.SockFilter{
		load(callAt), is(unix.SYS_SOCKET, 0, 4), load(firstAt), is(unix.AF_NETLINK, 0, 2), load(thirdAt), is(unix.NETLINK_NETFILTER, 1, 0),
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
	}
}

// Confined returns a command that a host runs without what is denied. Pass [ConfinedRole] to [lab.Main].
func Confined(d Denial, c lab.Command) lab.Command {
	confined := ConfinedRole.Command(append([]string{string(d), c.Path}, c.Args...)...)
	confined.Env = append(confined.Env, c.Env...)
	return confined
}

// ConfinedRole is the process of a confined command, until it is that command itself.
var ConfinedRole = lab.Role{Name: "confined", Main: func(args []string) int {
	runtime.LockOSThread() // the filter is that of a thread
	err := Denial(args[0]).impose()
	if err == nil {
		err = syscall.Exec(args[1], args[1:], os.Environ()) // returns where it fails
	}
	fmt.Fprintln(os.Stderr, "confined:", err)
	return 1
}}

// impose denies it to the calling thread, and to what that executes.
func (d Denial) impose() error {
	switch d {
	case NoNFTables:
		return refuse(noNFTables())
	case NoRealTime:
		return unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SYS_NICE, 0, 0, 0)
	}
	return fmt.Errorf("no denial is called %q", string(d))
}

// refuse has the kernel ask a filter about each system call.
func refuse(program []unix.SockFilter) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("renounce new privileges: %w", err)
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&filter)), 0, 0); err != nil {
		return fmt.Errorf("set a filter of system calls: %w", err)
	}
	return nil
}
