// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/confine"
)

// intruderArgument makes the test program an intruder: a balancer process that does what the argument after it names, and says how
// that ended.
const intruderArgument = "intruder"

func intruderMain(args []string) int {
	conn, _, err := Inherited()
	if err == nil {
		err = confine.Calls()
	}
	if err != nil {
		return 1
	}
	fmt.Fprintln(conn, attempts[args[0]](args[1:]))
	return 0
}

// open opens a file that the first argument names.
func open(flags int) func([]string) error {
	return func(args []string) error {
		_, err := unix.Open(args[0], flags, 0o600)
		return err
	}
}

func socketOf(domain, kind, protocol int) func([]string) error {
	return func([]string) error {
		_, err := unix.Socket(domain, kind, protocol)
		return err
	}
}

func call(number uintptr, args ...uintptr) func([]string) error {
	return func([]string) error {
		args := append(args, 0, 0, 0)
		if _, _, errno := unix.Syscall(number, args[0], args[1], args[2]); errno != 0 {
			return errno
		}
		return nil
	}
}

// attempts are what an intruder may do, by names.
var attempts = map[string]func([]string) error{
	"raw socket":        socketOf(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_TCP),
	"raw socket, IPv6":  socketOf(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP),
	"packet socket":     socketOf(unix.AF_PACKET, unix.SOCK_RAW, 0),
	"routes":            socketOf(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE),
	"unix socket":       socketOf(unix.AF_UNIX, unix.SOCK_STREAM, 0),
	"datagrams":         socketOf(unix.AF_INET, unix.SOCK_DGRAM, 0),
	"file of root":      open(unix.O_RDONLY),
	"change a file":     open(unix.O_WRONLY),
	"make a file":       open(unix.O_RDONLY | unix.O_CREAT),
	"become root":       call(unix.SYS_SETUID, 0),
	"change the mode":   func(args []string) error { return unix.Chmod(args[0], 0o777) },
	"signal the keeper": func([]string) error { return unix.Kill(os.Getppid(), 0) },
	"signal a thread":   func([]string) error { return unix.Tgkill(os.Getppid(), os.Getppid(), 0) },
	"fork":              call(unix.SYS_CLONE, uintptr(syscall.SIGCHLD)),
	"clone3":            call(unix.SYS_CLONE3, 0, 0),
	"code": func([]string) error {
		_, err := unix.Mmap(-1, 0, 1, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
		return err
	},
	"no such call": call(1 << 20),
	"TCP socket":   socketOf(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0),
	"own threads":  func([]string) error { _, err := os.ReadDir("/proc/self/task"); return err },

	"execute":    func(args []string) error { return syscall.Exec("/proc/self/exe", args, nil) },
	"debug":      call(unix.SYS_PTRACE, unix.PTRACE_TRACEME),
	"BPF":        call(unix.SYS_BPF),
	"mount":      func(args []string) error { return unix.Mount(args[0], args[0], "", unix.MS_BIND, "") },
	"module":     call(unix.SYS_INIT_MODULE),
	"kernel":     call(unix.SYS_KEXEC_LOAD),
	"namespace":  call(unix.SYS_SETNS),
	"namespaces": call(unix.SYS_UNSHARE, unix.CLONE_NEWUSER),
	"other convention": func([]string) error {
		var name unix.Utsname
		return call(0x40000000+unix.SYS_UNAME, uintptr(unsafe.Pointer(&name)))(nil)
	},
}

// intrude has an intruder do something to a file, and returns how that ended: what it says, or the end of its process.
func intrude(t *testing.T, attempt, file string) string {
	t.Helper()
	p, err := startProcess([]string{own, intruderArgument, attempt, file}, nil)
	must(t, err)
	said, _ := bufio.NewReader(p.conn).ReadString('\n')
	if err := p.wait(); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(said)
}

// TestWhatAnIntruderMayDo has it try each thing. What is harmless fails, and the process goes on; what only an intruder does kills it.
func TestWhatAnIntruderMayDo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "admin.conf")
	must(t, os.WriteFile(file, []byte("key"), 0o600))
	const (
		denied = "operation not permitted"
		killed = "signal: bad system call"
	)
	others := map[string]string{
		"file of root": "permission denied", "clone3": "function not implemented", "TCP socket": "<nil>", "own threads": "<nil>",
		"execute": killed, "debug": killed, "BPF": killed, "mount": killed, "module": killed, "kernel": killed, "namespace": killed, "namespaces": killed, "other convention": killed,
	}
	for attempt := range attempts {
		want := denied
		if special, ok := others[attempt]; ok {
			want = special
		}
		if got := intrude(t, attempt, file); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", attempt, got, want)
		}
	}
}

// TestFilesOfOthers holds that a directory which only root may enter is no obstacle for the program of the keeper, and one for the files in
// it.
func TestFilesOfOthers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "root")
	must(t, os.Mkdir(dir, 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "open"), nil, 0o644))
	program := filepath.Join(dir, "harbinger")
	running, err := os.Executable()
	must(t, err)
	must(t, os.Symlink(running, program))
	l := launch{command: []string{program, intruderArgument, "file of root", filepath.Join(dir, "open")}}
	if paths := l.paths(); len(paths) != 2 || paths[1] != own {
		t.Fatalf("the program is looked for at %q", paths)
	}
	p, err := startProcess(l.command, nil)
	must(t, err)
	said, _ := bufio.NewReader(p.conn).ReadString('\n')
	if err := p.wait(); err != nil || !strings.Contains(said, "permission denied") {
		t.Errorf("it says %q, %v", said, err)
	}
}

// TestAnotherProgram is not replaced by that of the keeper.
func TestAnotherProgram(t *testing.T) {
	l := launch{command: []string{"/bin/sh", "-c", "exit 7"}}
	if paths := l.paths(); len(paths) != 1 {
		t.Errorf("the program is looked for at %q", paths)
	}
	p, err := startProcess(l.command, nil)
	must(t, err)
	var exit interface{ ExitCode() int }
	if err := p.wait(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("it ended with %v", err)
	}
	if _, err := startProcess([]string{"/does/not/exist/" + strconv.Itoa(os.Getpid())}, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a program that does not exist: %v", err)
	}
}
