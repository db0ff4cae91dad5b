// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Timer is one of the kernel (timerfd_create(2)), for who waits again and again for a time that is moved each time. Those of Go cost
// more there: the runtime waits for them in whole milliseconds and spins meanwhile, and wakes for a time that was moved away, too. It
// goes on while the host is suspended, as CLOCK_BOOTTIME does. Set belongs to one goroutine, and Wait to one.
type Timer struct {
	file *os.File
	raw  syscall.RawConn

	// What the system calls read and write, and the functions that make them: made once, so that no turn of a loop allocates.
	next   unix.ItimerSpec
	errno  syscall.Errno
	times  uint64
	arm    func(fd uintptr)
	passed func(fd uintptr) bool
}

// NewTimer returns one that is not set.
func NewTimer() (*Timer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a timer: %w", err)
	}
	t := &Timer{file: os.NewFile(uintptr(fd), "timer")}
	if t.raw, err = t.file.SyscallConn(); err != nil {
		return nil, errors.Join(err, t.file.Close())
	}
	// Neither call waits: the runtime need not know of them, and what watches for calls that do stays asleep.
	t.arm = func(fd uintptr) {
		_, _, t.errno = unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&t.next)), 0, 0, 0)
	}
	t.passed = func(fd uintptr) bool {
		_, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&t.times)), unsafe.Sizeof(t.times))
		return errno == 0
	}
	return t, nil
}

// Set has Wait return after a while, and not for what was set before.
func (t *Timer) Set(after time.Duration) error {
	t.next.Value = unix.NsecToTimespec(max(1, after.Nanoseconds())) // 0 would be never
	err := t.raw.Control(t.arm)
	if err == nil && t.errno != 0 {
		err = os.NewSyscallError("timerfd_settime", t.errno)
	}
	return err
}

// Wait blocks until the time has come that was set. After Close it returns an error.
func (t *Timer) Wait() error { return t.raw.Read(t.passed) }

// Close ends Wait.
func (t *Timer) Close() error { return t.file.Close() }
