// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Command says what to run in a host.
type Command struct {
	Path string
	Args []string
	Env  []string // the whole environment, PATH apart
}

// A Process is a program that runs in a host, with the processes it starts. It is killed when the test or program that
// started it ends, in whatever way.
type Process struct {
	cmd     *exec.Cmd
	outputs [2]*os.File // standard output and standard error
	done    chan struct{}
	err     error // of cmd.Wait; valid once done is closed
}

// Start runs a program in the host. Its output is kept for [Process.Output].
func (h *Host) Start(c Command) (*Process, error) {
	p := &Process{done: make(chan struct{})}
	for i := range p.outputs {
		// A file without a name: the kernel writes to it even while this program sleeps, and it ends with this program.
		fd, err := unix.MemfdCreate(c.Path, unix.MFD_CLOEXEC)
		if err != nil {
			return nil, fmt.Errorf("make output file: %w", err)
		}
		p.outputs[i] = os.NewFile(uintptr(fd), c.Path)
	}
	started := make(chan error, 1) // the second result has no reader
	// Ends when the process does.
	go func() {
		defer close(p.done)
		p.err = h.Do(func() error { return p.run(c, started) })
		select {
		case started <- p.err: // it failed before its start
		default:
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s in %s: %w", c.Path, h.Name, err)
	}
	h.mu.Lock()
	h.processes = append(h.processes, p)
	h.mu.Unlock()
	return p, nil
}

// run starts the program and waits for its end on the same thread: the kernel kills the program when the thread that started
// it ends.
func (p *Process) run(c Command, started chan<- error) error {
	p.cmd = exec.Command(c.Path, c.Args...)
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, c.Env...)
	p.cmd.Stdout, p.cmd.Stderr = p.outputs[0], p.outputs[1]
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	yieldToObservers()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return err
	}
	preferSession(p.PID(), hostNiceness)
	return p.cmd.Wait()
}

// PID returns the process ID of the program.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Kill kills the program and its children, and waits for its end. It does nothing to a program that has ended, except for
// its children.
func (p *Process) Kill() error {
	err := p.signalGroup(syscall.SIGKILL)
	<-p.done
	return err
}

// Freeze stops the program and its children where they are. Their sockets and addresses stay in the kernel.
func (p *Process) Freeze() error { return p.signalGroup(syscall.SIGSTOP) }

// Thaw lets a frozen program go on.
func (p *Process) Thaw() error { return p.signalGroup(syscall.SIGCONT) }

// Terminate asks the program to stop, as the kubelet and systemd do.
func (p *Process) Terminate() error { return p.Signal(syscall.SIGTERM) }

// Signal sends a signal to the program alone.
func (p *Process) Signal(sig os.Signal) error { return p.cmd.Process.Signal(sig) }

// signalGroup sends a signal to the program and its children.
func (p *Process) signalGroup(sig syscall.Signal) error {
	err := syscall.Kill(-p.PID(), sig)
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// ErrStillRuns is returned for a program that did not end in time.
var ErrStillRuns = errors.New("the program still runs")

// Wait waits for the end of the program, and returns how it failed.
func (p *Process) Wait(timeout time.Duration) error {
	select {
	case <-p.done:
		return p.err
	case <-time.After(timeout):
		return ErrStillRuns
	}
}

// Output returns what the program has written so far: to its standard output, and then to standard error.
func (p *Process) Output() string {
	var all []byte
	for _, output := range p.outputs {
		written, err := read(output)
		if err != nil {
			return err.Error()
		}
		all = append(all, written...)
	}
	return string(all)
}

// Result reads what the program has written to its standard output as JSON.
func (p *Process) Result(into any) error {
	written, err := read(p.outputs[0])
	if err == nil {
		err = json.Unmarshal(written, into)
	}
	if err != nil {
		return fmt.Errorf("result of %v: %w: %.2000q", p.cmd.Args, err, p.Output())
	}
	return nil
}

func read(output *os.File) ([]byte, error) {
	return io.ReadAll(io.NewSectionReader(output, 0, math.MaxInt64))
}

// Wrote reports whether the program has written that text.
func (p *Process) Wrote(text string) bool {
	return strings.Contains(p.Output(), text)
}

// Children returns the process IDs of the program's children.
func (p *Process) Children() []int {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.PID()))
	var children []int
	for _, list := range lists {
		content, _ := os.ReadFile(list) // the thread may have ended
		for _, field := range strings.Fields(string(content)) {
			if pid, err := strconv.Atoi(field); err == nil {
				children = append(children, pid)
			}
		}
	}
	return children
}
