// SPDX-License-Identifier: Apache-2.0

// Package socket reaches what the kernel offers of a socket and package net does not: it runs code on the file descriptor,
// lets a socket bind to an address that the host does not have yet, and names the user at the other end.
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

// PeerUser returns the user ID of the process that connected to a unix socket.
func PeerUser(conn syscall.Conn) (int, error) {
	var user int
	err := ControlConn(conn, func(fd int) error {
		credentials, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err == nil {
			user = int(credentials.Uid)
		}
		return err
	})
	return user, err
}

// BindToInterface keeps a socket on the interface with an index, whatever its name becomes and whatever the routes say.
func BindToInterface(fd, index int) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, index))
}
