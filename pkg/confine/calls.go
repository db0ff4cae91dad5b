// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// The verdicts.
const (
	allowed verdict = unix.SECCOMP_RET_ALLOW
	killed  verdict = unix.SECCOMP_RET_KILL_PROCESS
	refused         = verdict(unix.SECCOMP_RET_ERRNO | unix.EPERM)
	unknown         = verdict(unix.SECCOMP_RET_ERRNO | unix.ENOSYS)
)

// relaying are the calls that connections and health checks need.
var relaying = []uint32{
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_SPLICE, unix.SYS_TEE, unix.SYS_VMSPLICE, unix.SYS_SENDFILE,
	unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2, unix.SYS_EPOLL_CREATE1, unix.SYS_PPOLL, unix.SYS_PSELECT6,
	unix.SYS_ACCEPT4, unix.SYS_ACCEPT, unix.SYS_BIND, unix.SYS_CONNECT, unix.SYS_LISTEN, unix.SYS_SHUTDOWN, unix.SYS_CLOSE, unix.SYS_CLOSE_RANGE,
	unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME, unix.SYS_GETSOCKOPT, unix.SYS_SETSOCKOPT,
	unix.SYS_RECVFROM, unix.SYS_SENDTO, unix.SYS_RECVMSG, unix.SYS_SENDMSG, unix.SYS_RECVMMSG, unix.SYS_SENDMMSG,
	unix.SYS_PIPE2, unix.SYS_FCNTL, unix.SYS_DUP, unix.SYS_DUP3, unix.SYS_EVENTFD2,
	unix.SYS_TIMERFD_CREATE, unix.SYS_TIMERFD_SETTIME, unix.SYS_TIMERFD_GETTIME,
}

// living are the calls of the runtime of Go, of its race detector, and of a look at /proc.
var living = []uint32{
	unix.SYS_FUTEX, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_GETTIMEOFDAY,
	unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_GETCPU, unix.SYS_RESTART_SYSCALL, unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_RT_SIGTIMEDWAIT, unix.SYS_SIGALTSTACK,
	unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_MADVISE, unix.SYS_MINCORE, unix.SYS_BRK,
	unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_MEMBARRIER, unix.SYS_GETRANDOM, unix.SYS_UNAME, unix.SYS_SYSINFO,
	unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_GETPPID, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID, unix.SYS_GETRUSAGE,
	unix.SYS_TIMER_CREATE, unix.SYS_TIMER_SETTIME, unix.SYS_TIMER_DELETE, unix.SYS_SETITIMER, unix.SYS_GETITIMER,
	unix.SYS_FSTAT, unix.SYS_NEWFSTATAT, unix.SYS_STATX, unix.SYS_LSEEK, unix.SYS_PREAD64, unix.SYS_GETDENTS64, unix.SYS_READLINKAT,
}

// dangerous are the calls that only somebody makes who has taken the process over.
var dangerous = []uint32{
	unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_GETFD,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_SETNS, unix.SYS_UNSHARE,
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT, unix.SYS_FSOPEN, unix.SYS_FSMOUNT,
	unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_REBOOT,
	unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
}

// newNamespaces are the flags of clone(2) that make some.
const newNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

// changing are the flags of open(2) with which a file is changed or made.
const changing = unix.O_WRONLY | unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC | unix.O_APPEND

// typeMask leaves the type of a socket without its flags.
const typeMask = 0xf

// rules judge calls by their arguments. self is the ID of the process.
func rules(self int) []rule {
	oneOf := func(argument uint32, values ...uint32) func(*program) {
		return func(p *program) {
			p.load(argumentAt(argument))
			for _, value := range values {
				p.when(bpf.JumpEqual, value, allowed)
			}
		}
	}
	without := func(argument, bits uint32) func(*program) {
		return func(p *program) {
			p.load(argumentAt(argument))
			p.when(bpf.JumpBitsNotSet, bits, allowed)
		}
	}
	return append([]rule{
		{unix.SYS_SOCKET, streams},
		{unix.SYS_CLONE, threads},
		{unix.SYS_MMAP, without(2, unix.PROT_EXEC)},
		{unix.SYS_MPROTECT, without(2, unix.PROT_EXEC)},
		{unix.SYS_OPENAT, without(2, changing)},
		{unix.SYS_TGKILL, oneOf(0, uint32(self))}, // the runtime interrupts its threads
		{unix.SYS_KILL, oneOf(0, uint32(self))},   // and ends the process
		{unix.SYS_PRLIMIT64, oneOf(0, 0, uint32(self))},
		{unix.SYS_PRCTL, oneOf(0, unix.PR_SET_VMA, unix.PR_SET_NAME, unix.PR_GET_NAME)},
		{unix.SYS_IOCTL, oneOf(1, unix.TIOCINQ, unix.TCGETS, unix.TIOCOUTQ, unix.SIOCOUTQNSD, unix.SIOCGIFINDEX, unix.SIOCGIFNAME)},
	}, ownRules()...)
}

// ownRules are those of calls that one processor alone has.
func ownRules() (rules []rule) {
	if own.open != 0 {
		rules = append(rules, rule{own.open, func(p *program) {
			p.load(argumentAt(1))
			p.when(bpf.JumpBitsNotSet, changing, allowed)
		}})
	}
	return rules
}

// streams allows TCP sockets: no raw ones, no packets, no netlink, no unix sockets.
func streams(p *program) {
	p.load(argumentAt(1))
	*p = append(*p, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: typeMask}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.SOCK_STREAM, SkipFalse: 5})
	p.load(argumentAt(0))
	p.when(bpf.JumpEqual, unix.AF_INET, allowed)
	p.when(bpf.JumpEqual, unix.AF_INET6, allowed)
}

// threads allows new threads: no processes, no namespaces.
func threads(p *program) {
	p.load(argumentAt(0))
	*p = append(*p, bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.CLONE_THREAD, SkipFalse: 2})
	p.when(bpf.JumpBitsNotSet, newNamespaces, allowed)
}

// calls is the list of the balancer process with an ID.
func calls(self int) list {
	l := list{arch: own.arch, rules: rules(self), kill: dangerous}
	l.allow = append(append(append(l.allow, relaying...), living...), own.allow...)
	// A filter does not see the flags of clone3: a C library makes its threads by clone where there is none.
	l.absent = []uint32{unix.SYS_CLONE3}
	return l
}

// A processor is what differs between processors.
type processor struct {
	arch  uint32   // as AUDIT_ARCH of linux/audit.h; 0: there is no list for it
	allow []uint32 // calls that others do not have
	open  uint32   // open(2); 0: it has none
}
