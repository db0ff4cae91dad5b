// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/confine"
	"github.com/harbinger-ha/harbinger/pkg/fault"
	"github.com/harbinger-ha/harbinger/pkg/scheduling"
)

// A balancer process inherits the keeper's end of a socket pair as this file descriptor and the listening sockets as
// those after it, as many as the environment says.
const (
	controlDescriptor = 3
	listenersVariable = "HARBINGER_BALANCER_LISTENERS"
)

// Inherited returns what a Supervisor hands down to its balancer process: the arguments of NewBalancer.
func Inherited() (*net.UnixConn, []*Listener, error) {
	count, err := strconv.Atoi(os.Getenv(listenersVariable))
	if err != nil {
		return nil, nil, fmt.Errorf("not started by a supervisor: %s: %w", listenersVariable, err)
	}
	conn, err := inheritedConn(os.NewFile(controlDescriptor, "control"))
	if err != nil {
		return nil, nil, fmt.Errorf("inherit control connection: %w", err)
	}
	var listeners []*Listener
	for i := range count {
		ln, err := inheritedListener(controlDescriptor + 1 + i)
		if err != nil {
			return nil, nil, fmt.Errorf("inherit listener %d: %w", i, err)
		}
		listeners = append(listeners, ln)
	}
	return conn, listeners, nil
}

// inheritedConn replaces a file by the connection that it is.
func inheritedConn(file *os.File) (*net.UnixConn, error) {
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UnixConn), nil
}

// inheritedListener returns the listener that a descriptor is. The process before this one may have left it non-blocking: then the
// poller of the runtime would take it, and wake for every connection.
func inheritedListener(fd int) (*Listener, error) {
	if err := unix.SetNonblock(fd, false); err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	l := &Listener{file: os.NewFile(uintptr(fd), "listener")}
	err := l.control(func(fd int) error {
		at, err := unix.Getsockname(fd)
		if err != nil {
			return os.NewSyscallError("getsockname", err)
		}
		switch at := at.(type) {
		case *unix.SockaddrInet4:
			l.address = netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port))
		case *unix.SockaddrInet6:
			l.address = netip.AddrPortFrom(netip.AddrFrom16(at.Addr), uint16(at.Port))
		}
		return nil
	})
	return l, err
}

// A process is a running balancer process.
type process struct {
	cmd     *exec.Cmd
	conn    *net.UnixConn
	refused error      // why it has more privileges than it needs, where it has
	done    chan error // gets the one result of the process
}

// startProcess starts a balancer process.
func startProcess(command []string, listeners []*Listener) (*process, error) {
	ours, theirs, err := controlPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	l := launch{command: command, files: []*os.File{theirs}}
	for _, listener := range listeners {
		l.files = append(l.files, listener.file)
	}
	p := &process{conn: ours, done: make(chan error, 1)}
	started := make(chan error)
	confine.OnThread(func() { p.run(l, started) }) // until the end of the process
	if err := <-started; err != nil {
		ours.Close()
		return nil, fmt.Errorf("start balancer: %w", err)
	}
	return p, nil
}

// controlPair returns both ends of a new connection.
func controlPair() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "control")
	ours, err := inheritedConn(os.NewFile(uintptr(fds[0]), "control"))
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// run starts the process and waits for its end, on a thread that lives exactly as long: the kernel kills the process
// when the thread that started it ends. The thread gives up real-time scheduling first, for the process to start without.
// Where the kernel does not let it, the process tries again, and says so.
func (p *process) run(l launch, started chan<- error) {
	_ = scheduling.NormalThread()
	var err error
	p.cmd, p.refused, err = l.start()
	started <- err
	if err == nil {
		p.done <- p.cmd.Wait()
	}
}

// kept says what the process may do that it does not need, and why it may; empty: nothing. It is asked when the process has reported:
// it has given up by then what it can.
func (p *process) kept() string {
	keeper, err := confine.PrivilegesOf(os.Getpid())
	has, failed := confine.PrivilegesOf(p.cmd.Process.Pid)
	if err := errors.Join(err, failed); err != nil {
		return "not known: " + fault.Words(err)
	}
	kept := strings.Join(has.Kept(keeper), ", ")
	if kept != "" && p.refused != nil {
		kept += ": " + fault.Words(p.refused)
	}
	return kept
}

// kill ends the process at once, frozen or not, and waits for its end.
func (p *process) kill() error {
	_ = p.cmd.Process.Kill() // fails only when it has ended
	return p.wait()
}

// wait waits for the end of the process.
func (p *process) wait() error {
	err := <-p.done
	p.done <- err
	p.conn.Close()
	return err
}
