// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls below are raw: the scheduler of Go neither learns of them nor runs anything else on their thread meanwhile.

func socket() (fd int, err error) {
	n, _, errno := unix.RawSyscall(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	return int(n), failure("socket", errno)
}

// sockaddr returns an address as the kernel has it.
func sockaddr(a netip.AddrPort) unix.RawSockaddrInet4 {
	port := a.Port()
	return unix.RawSockaddrInet4{Family: unix.AF_INET, Port: port<<8 | port>>8, Addr: a.Addr().Unmap().As4()}
}

// connect begins a connection.
func connect(fd int, to *unix.RawSockaddrInet4) error {
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(to)), unix.SizeofSockaddrInet4)
	if errno == unix.EINPROGRESS {
		return nil
	}
	return failure("connect", errno)
}

// accept returns -1 where no connection waits.
func accept(listener int) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1
	}
	return int(n)
}

// read returns unix.EAGAIN where there is nothing yet, and 0 at the end.
func read(fd int, p []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	return int(n), errno
}

// discard reads as much as read does, and the kernel throws it away.
func discard(fd int, p []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), unix.MSG_TRUNC, 0, 0)
	return int(n), errno
}

// write is without a signal where the other end is gone.
func write(fd int, p []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
	return int(n), errno
}

func closeSocket(fd int) { _, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// A poller waits for sockets. Each has a number of the caller, which comes with its events.
type poller struct {
	fd     int
	events [256]unix.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make epoll: %w", err)
	}
	return &poller{fd: fd}, nil
}

// add has a socket watched.
func (p *poller) add(fd int, number int32, events uint32) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, number, events)
}

// change has a socket watched for something else.
func (p *poller) change(fd int, number int32, events uint32) error {
	return p.control(unix.EPOLL_CTL_MOD, fd, number, events)
}

func (p *poller) control(op, fd int, number int32, events uint32) error {
	event := unix.EpollEvent{Events: events, Fd: number}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.fd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&event)), 0, 0)
	return failure("epoll_ctl", errno)
}

// wait returns what has happened, nothing after so many milliseconds.
func (p *poller) wait(milliseconds int) []unix.EpollEvent {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), uintptr(milliseconds), 0, 0)
	if errno != 0 { // a signal
		return nil
	}
	return p.events[:n]
}

// failure returns the error of a call, nil where it worked.
func failure(call string, errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w", call, errno)
}
