// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// A Denial is what the kernel refuses to a process, as it does to those of many containers.
type Denial string

// FewDescriptors is how many open files a process has that is denied more.
const FewDescriptors = 200

// The denials.
const (
	NoNFTables   Denial = "nf_tables"            // no socket of netfilter's netlink
	NoRealTime   Denial = "real-time scheduling" // the capability for it is missing
	NoScheduling Denial = "scheduling"           // no system call that sets it
	AsInAPod     Denial = "pod"                  // no more than the pod of the manifest has, with the profile RuntimeDefault
	Descriptors  Denial = "descriptors"          // more than [FewDescriptors] open files
	AsInAnOldPod Denial = "old pod"              // the same with a manifest that is older than the other user of the balancer process
)

// Where the kernel shows a system call to a filter: its number, and the lower half of its first and third argument.
const (
	callAt  = 0
	firstAt = 16
	thirdAt = 32
)

// load and is are instructions of a filter of system calls; see seccomp(2).
func load(at uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
}

func is(value uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jt: yes, Jf: no}
}

// The ends of a filter: it allows, or refuses with EPERM.
var (
	allow = unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}
	deny  = unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)}
)

// noNFTables is a filter that refuses such sockets, and allows all else.
func noNFTables() []unix.SockFilter {
	return []unix.SockFilter{
		load(callAt), is(unix.SYS_SOCKET, 0, 4), load(firstAt), is(unix.AF_NETLINK, 0, 2), load(thirdAt), is(unix.NETLINK_NETFILTER, 1, 0), allow, deny,
	}
}

// setsScheduling are the system calls that set the scheduling of a thread.
var setsScheduling = []uint32{unix.SYS_SCHED_SETATTR, unix.SYS_SCHED_SETSCHEDULER, unix.SYS_SCHED_SETPARAM}

// none is a filter that refuses some system calls, and allows all else.
func none(of []uint32) []unix.SockFilter {
	program := []unix.SockFilter{load(callAt)}
	for i, call := range of {
		program = append(program, is(call, uint8(len(of)-i), 0))
	}
	return append(program, allow, deny)
}

// keep takes all capabilities but some away from what the calling thread executes.
func keep(some []uintptr) (err error) {
	for capability := uintptr(0); capability <= unix.CAP_LAST_CAP; capability++ {
		if !slices.Contains(some, capability) {
			err = errors.Join(err, unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0))
		}
	}
	return err
}

// podCapabilities are those of the manifest of a balancer that has a port to itself.
var podCapabilities = append([]uintptr{unix.CAP_KILL, unix.CAP_SETGID, unix.CAP_SETPCAP, unix.CAP_SETUID}, oldPodCapabilities...)

// oldPodCapabilities are those before the balancer process had a user of its own.
var oldPodCapabilities = []uintptr{unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_SYS_NICE}

// refusedToPods are system calls that the default profiles of containerd, CRI-O and Docker refuse to such a pod, of those that this kernel
// knows and that have to do with processes, namespaces, mounts, keys and BPF. The profiles list what they allow: this is no copy of them.
var refusedToPods = []uint32{
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_SETNS, unix.SYS_UNSHARE, unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT,
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_KCMP, unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	unix.SYS_USERFAULTFD, unix.SYS_IO_URING_SETUP, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_FANOTIFY_INIT, unix.SYS_QUOTACTL,
	unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_REBOOT, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
}

// Confined returns a command that a host runs without what is denied. Pass [ConfinedRole] to [lab.Main].
func Confined(d Denial, c lab.Command) lab.Command {
	args := append([]string{string(d), strconv.Itoa(len(c.Env))}, c.Env...)
	return ConfinedRole.Command(append(append(args, c.Path), c.Args...)...)
}

// ConfinedRole is the process of a confined command, until it is that command itself.
var ConfinedRole = lab.Role{Name: "confined", Main: func(args []string) int {
	runtime.LockOSThread() // the filter is that of a thread
	n, err := strconv.Atoi(args[1])
	for _, variable := range args[2 : 2+n] {
		name, value, _ := strings.Cut(variable, "=")
		err = errors.Join(err, os.Setenv(name, value))
	}
	if err = errors.Join(err, Denial(args[0]).impose()); err == nil {
		command := args[2+n:]
		err = syscall.Exec(command[0], command, os.Environ()) // returns where it fails
	}
	fmt.Fprintln(os.Stderr, "confined:", err)
	return 1
}}

// impose denies it to the calling thread, and to what that executes.
func (d Denial) impose() error {
	switch d {
	case NoNFTables:
		return refuse(noNFTables())
	case NoScheduling:
		return refuse(none(setsScheduling))
	case AsInAPod:
		return errors.Join(keep(podCapabilities), refuse(none(refusedToPods)))
	case AsInAnOldPod:
		return errors.Join(keep(oldPodCapabilities), refuse(none(refusedToPods)))
	case Descriptors:
		return unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: FewDescriptors, Max: FewDescriptors})
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
