// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// A call is one as the kernel shows it to a filter.
type call struct {
	arch, number uint32
	arguments    [6]uint32
}

// judge runs a filter on a call in a machine that is not the kernel's. That one reads words in the order of the network.
func judge(t *testing.T, program []bpf.Instruction, c call) verdict {
	t.Helper()
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, argsAt+6*2*word)
	binary.BigEndian.PutUint32(data[callAt:], c.number)
	binary.BigEndian.PutUint32(data[archAt:], c.arch)
	for i, argument := range c.arguments {
		binary.BigEndian.PutUint32(data[argumentAt(uint32(i)):], argument)
	}
	result, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return verdict(uint32(result))
}

func TestFilterJudgesCalls(t *testing.T) {
	const self = 4711
	program := calls(self).compile(refused)
	for _, tt := range []struct {
		name   string
		number uint32
		args   [6]uint32
		want   verdict
	}{
		{"read", unix.SYS_READ, [6]uint32{}, allowed},
		{"epoll_pwait2", unix.SYS_EPOLL_PWAIT2, [6]uint32{}, allowed},
		{"splice", unix.SYS_SPLICE, [6]uint32{1, 2, 3, 4, 5, 6}, allowed},
		{"the last of the list", unix.SYS_READLINKAT, [6]uint32{}, allowed},
		{"TCP", unix.SYS_SOCKET, [6]uint32{unix.AF_INET, unix.SOCK_STREAM}, allowed},
		{"TCP over IPv6", unix.SYS_SOCKET, [6]uint32{unix.AF_INET6, unix.SOCK_STREAM | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK}, allowed},
		{"UDP", unix.SYS_SOCKET, [6]uint32{unix.AF_INET, unix.SOCK_DGRAM}, refused},
		{"raw", unix.SYS_SOCKET, [6]uint32{unix.AF_INET, unix.SOCK_RAW}, refused},
		{"SCTP associations", unix.SYS_SOCKET, [6]uint32{unix.AF_INET, unix.SOCK_SEQPACKET}, refused},
		{"packets", unix.SYS_SOCKET, [6]uint32{unix.AF_PACKET, unix.SOCK_RAW}, refused},
		{"netlink", unix.SYS_SOCKET, [6]uint32{unix.AF_NETLINK, unix.SOCK_RAW}, refused},
		{"a unix socket", unix.SYS_SOCKET, [6]uint32{unix.AF_UNIX, unix.SOCK_STREAM}, refused},
		{"a thread", unix.SYS_CLONE, [6]uint32{unix.CLONE_VM | unix.CLONE_THREAD | unix.CLONE_SIGHAND}, allowed},
		{"a process", unix.SYS_CLONE, [6]uint32{uint32(unix.SIGCHLD)}, refused},
		{"a thread in a namespace", unix.SYS_CLONE, [6]uint32{unix.CLONE_THREAD | unix.CLONE_NEWNET}, refused},
		{"clone3", unix.SYS_CLONE3, [6]uint32{}, unknown},
		{"read a file", unix.SYS_OPENAT, [6]uint32{0, 0, unix.O_RDONLY | unix.O_CLOEXEC | unix.O_DIRECTORY}, allowed},
		{"write a file", unix.SYS_OPENAT, [6]uint32{0, 0, unix.O_WRONLY}, refused},
		{"make a file", unix.SYS_OPENAT, [6]uint32{0, 0, unix.O_CREAT}, refused},
		{"memory", unix.SYS_MMAP, [6]uint32{0, 0, unix.PROT_READ | unix.PROT_WRITE}, allowed},
		{"memory with code", unix.SYS_MMAP, [6]uint32{0, 0, unix.PROT_EXEC}, refused},
		{"memory into code", unix.SYS_MPROTECT, [6]uint32{0, 0, unix.PROT_READ | unix.PROT_EXEC}, refused},
		{"a signal to an own thread", unix.SYS_TGKILL, [6]uint32{self, 1}, allowed},
		{"a signal to another's", unix.SYS_TGKILL, [6]uint32{self + 1, 1}, refused},
		{"a signal to all", unix.SYS_KILL, [6]uint32{^uint32(0)}, refused},
		{"limits of its own", unix.SYS_PRLIMIT64, [6]uint32{0, unix.RLIMIT_NOFILE}, allowed},
		{"limits of another", unix.SYS_PRLIMIT64, [6]uint32{1, unix.RLIMIT_NOFILE}, refused},
		{"name memory", unix.SYS_PRCTL, [6]uint32{unix.PR_SET_VMA}, allowed},
		{"be dumped", unix.SYS_PRCTL, [6]uint32{unix.PR_SET_DUMPABLE}, refused},
		{"count bytes", unix.SYS_IOCTL, [6]uint32{1, unix.TIOCINQ}, allowed},
		{"type on a terminal", unix.SYS_IOCTL, [6]uint32{1, unix.TIOCSTI}, refused},
		{"execve", unix.SYS_EXECVE, [6]uint32{}, killed},
		{"the last that kills", unix.SYS_REQUEST_KEY, [6]uint32{}, killed},
		{"of the other convention", otherConvention + unix.SYS_READ, [6]uint32{}, killed},
		{"become root", unix.SYS_SETUID, [6]uint32{}, refused},
		{"not in a list", 5000, [6]uint32{}, refused},
	} {
		if got := judge(t, program, call{own.arch, tt.number, tt.args}); got != tt.want {
			t.Errorf("%s: %#x, want %#x", tt.name, got, tt.want)
		}
	}
	if got := judge(t, program, call{own.arch ^ 1, unix.SYS_READ, [6]uint32{}}); got != killed {
		t.Errorf("a call of another processor: %#x", got)
	}
}

// Each call has one verdict, and what an intruder makes is nowhere allowed.
func TestListsAreApart(t *testing.T) {
	l := calls(1)
	seen := map[uint32]string{}
	note := func(list string, numbers ...uint32) {
		for _, n := range numbers {
			if seen[n] != "" {
				t.Errorf("call %d is in %s and in %s", n, seen[n], list)
			}
			seen[n] = list
		}
	}
	note("allow", l.allow...)
	for _, r := range l.rules {
		note("rules", r.call)
	}
	note("absent", l.absent...)
	note("kill", l.kill...)
	strict := l.compile(killed)
	for n, list := range seen {
		c := call{l.arch, n, [6]uint32{}}
		if lenient, got := judge(t, l.compile(refused), c), judge(t, strict, c); list != "rules" && got != lenient {
			t.Errorf("call %d of %s: %#x, strictly %#x", n, list, lenient, got)
		}
	}
	if got := judge(t, strict, call{l.arch, unix.SYS_SETUID, [6]uint32{}}); got != killed {
		t.Errorf("a call that is in no list: %#x", got)
	}
}

// The kernel remembers which calls a filter allows without a look at their arguments, and runs no filter for them. It finds out by
// running the filter until it loads anything but the number and the processor.
func TestCallsOfTheRelayAreRemembered(t *testing.T) {
	program := calls(1).compile(refused)
	for _, number := range relaying {
		loads := 0
		for _, i := range program {
			if load, ok := i.(bpf.LoadAbsolute); ok {
				if loads++; load.Off != callAt && load.Off != archAt {
					t.Fatalf("call %d is not allowed before the filter looks at an argument", number)
				}
			}
			if jump, ok := i.(bpf.JumpIf); ok && jump.Cond == bpf.JumpEqual && jump.Val == number {
				break
			}
		}
		if loads != 2 {
			t.Errorf("call %d: %d words are loaded", number, loads)
		}
	}
	if raw, err := bpf.Assemble(program); err != nil || len(raw) > unix.BPF_MAXINSNS {
		t.Errorf("%d instructions, %v", len(raw), err)
	}
}
