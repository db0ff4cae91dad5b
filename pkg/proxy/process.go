// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/scheduling"
)

// A balancer process inherits the keeper's end of a socket pair as this file descriptor and the listening sockets as
// those after it, as many as the environment says.
const (
	controlDescriptor = 3
	listenersVariable = "HARBINGER_BALANCER_LISTENERS"
)

// Inherited returns what a Supervisor hands down to its balancer process: the arguments of NewBalancer.
func Inherited() (*net.UnixConn, []*net.TCPListener, error) {
	count, err := strconv.Atoi(os.Getenv(listenersVariable))
	if err != nil {
		return nil, nil, fmt.Errorf("not started by a supervisor: %s: %w", listenersVariable, err)
	}
	conn, err := inheritedConn(os.NewFile(controlDescriptor, "control"))
	if err != nil {
		return nil, nil, fmt.Errorf("inherit control connection: %w", err)
	}
	var listeners []*net.TCPListener
	for i := range count {
		ln, err := inheritedListener(os.NewFile(uintptr(controlDescriptor+1+i), "listener"))
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

// inheritedListener replaces a file by the listener that it is.
func inheritedListener(file *os.File) (*net.TCPListener, error) {
	defer file.Close()
	ln, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	return ln.(*net.TCPListener), nil
}

// A process is a running balancer process.
type process struct {
	cmd  *exec.Cmd
	conn *net.UnixConn
	done chan error // gets the one result of the process
}

// startProcess starts a balancer process.
func startProcess(command []string, listeners []*Listener) (*process, error) {
	ours, theirs, err := controlPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", listenersVariable, len(listeners)))
	cmd.ExtraFiles = []*os.File{theirs}
	for _, l := range listeners {
		cmd.ExtraFiles = append(cmd.ExtraFiles, l.file)
	}
	p := &process{cmd: cmd, conn: ours, done: make(chan error, 1)}
	started := make(chan error)
	// Ends when the process does.
	go p.run(started)
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
func (p *process) run(started chan<- error) {
	runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	_ = scheduling.NormalThread()
	err := p.cmd.Start()
	started <- err
	if err == nil {
		p.done <- p.cmd.Wait()
	}
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
