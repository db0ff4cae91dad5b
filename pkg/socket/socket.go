// SPDX-License-Identifier: Apache-2.0

// Package socket reaches what the kernel offers of a socket and package net does not: it runs code on the file descriptor,
// lets a socket bind to an address that the host does not have yet, names the process at the other end, and who has a port.
package socket

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Control runs f on a file descriptor, which stays open meanwhile, and returns the error of f. Where the file descriptor is
// closed already, f does not run and the error says so (net.ErrClosed).
func Control(raw syscall.RawConn, f func(fd int) error) error {
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return err
	}
	return failed
}

// ControlConn runs f on the file descriptor of a connection or listener, as Control does.
func ControlConn(conn syscall.Conn, f func(fd int) error) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return fmt.Errorf("get file descriptor: %w", err)
	}
	return Control(raw, f)
}

// FreeBind lets a TCP socket bind to an address that this host does not have yet. It is a Control of net.ListenConfig.
func FreeBind(network, _ string, raw syscall.RawConn) error {
	return Control(raw, func(fd int) error {
		if strings.HasSuffix(network, "6") {
			return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, 1)
		}
		return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_FREEBIND, 1)
	})
}

// A Peer is the process at the other end of a unix socket: the one that connected, or that made the socket listen.
type Peer struct {
	User    int // ID
	Process int // ID; 0: it is not visible here
}

// String names the user and, where it is visible, the process.
func (p Peer) String() string {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.Process))
	if p.Process == 0 || err != nil {
		return fmt.Sprintf("user %d", p.User)
	}
	return fmt.Sprintf("user %d (process %d, %s)", p.User, p.Process, strings.TrimSpace(string(name)))
}

// PeerOf returns the process at the other end of a unix socket.
func PeerOf(conn syscall.Conn) (Peer, error) {
	var peer Peer
	err := ControlConn(conn, func(fd int) error {
		credentials, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err == nil {
			peer = Peer{User: int(credentials.Uid), Process: int(credentials.Pid)}
		}
		return err
	})
	return peer, err
}

// BindToInterface keeps a socket on the interface with an index, whatever its name becomes and whatever the routes say.
func BindToInterface(fd, index int) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, index))
}

// Duplicate returns another file descriptor of a socket, which keeps it open when the first one is closed.
func Duplicate(fd int) (int, error) {
	other, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	return other, os.NewSyscallError("fcntl", err)
}

// Segments counts what passed on a TCP connection, or on one that was tried: what came in is from the other kernel, as ICMP messages
// are not counted.
type Segments struct{ In, Out uint32 }

// SegmentsOf returns the segments of a TCP socket.
func SegmentsOf(fd int) (Segments, error) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return Segments{}, os.NewSyscallError("getsockopt", err)
	}
	return Segments{In: info.Segs_in, Out: info.Segs_out}, nil
}
