// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls below never wait: their sockets and pipes are non-blocking. None involves the scheduler of Go.

// receive reads from a socket.
func receive(fd int32, b []byte, flags int) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), uintptr(flags), 0, 0)
	return int(n), errno
}

// discard takes bytes from a socket that were peeked at.
func discard(fd int32, n int) {
	// They are there: it can't fail.
	_, _, _ = unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), 0, uintptr(n), unix.MSG_TRUNC, 0, 0)
}

// send writes to a socket, without the signal that a broken one raises.
func send(fd int32, b []byte) (int, unix.Errno) { return sendBy(fd, b, unix.MSG_NOSIGNAL) }

// sendAhead is send, of what the next bytes are to come with: the kernel holds it back until then, for 200 ms at most.
func sendAhead(fd int32, b []byte) (int, unix.Errno) {
	return sendBy(fd, b, unix.MSG_NOSIGNAL|unix.MSG_MORE)
}

func sendBy(fd int32, b []byte, flags uintptr) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags, 0, 0)
	return int(n), errno
}

// splice moves bytes from a socket to a pipe, or the other way.
func splice(from, to int32, n int) (int, unix.Errno) {
	const flags = unix.SPLICE_F_MOVE | unix.SPLICE_F_NONBLOCK
	moved, _, errno := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n), flags)
	return int(moved), errno
}

// write writes to a pipe.
func write(fd int32, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), errno
}

func closeDescriptor(fd int32) {
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) // it is gone, whatever it says
}

// resetSocket closes a connection with a reset instead of an orderly end.
func resetSocket(fd int32) {
	linger := unix.Linger{Onoff: 1}
	// It fails only on what is no connection.
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_LINGER, uintptr(unsafe.Pointer(&linger)), unsafe.Sizeof(linger), 0)
	closeDescriptor(fd)
}

// shutdown says that nothing more will be sent.
func shutdown(fd int32) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
	return errno
}

func setOption(fd int32, o option) unix.Errno {
	v := int32(o.value)
	_, _, errno := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(o.level), uintptr(o.name), uintptr(unsafe.Pointer(&v)), unsafe.Sizeof(v), 0)
	return errno
}

// socketError returns and clears the error of a socket.
func socketError(fd int32) unix.Errno {
	var v, size int32 = 0, 4
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_ERROR, uintptr(unsafe.Pointer(&v)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return errno
	}
	return unix.Errno(v)
}

// accept takes a connection from a listening socket, with the address of its client.
func accept(fd int32) (int32, unix.RawSockaddrAny, unix.Errno) {
	var sa unix.RawSockaddrAny
	size := uint32(unsafe.Sizeof(sa))
	conn, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return int32(conn), sa, errno
}

// localAddress returns the address that the client of a connection has connected to.
func localAddress(fd int32) netip.AddrPort {
	var sa unix.RawSockaddrAny
	size := uint32(unsafe.Sizeof(sa))
	_, _, errno := unix.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return netip.AddrPort{}
	}
	return addressOf(&sa)
}

// addressOf returns an address of the Internet; that of an IPv4 host is one of IPv4.
func addressOf(sa *unix.RawSockaddrAny) netip.AddrPort {
	port := func(p *uint16) uint16 { return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(p))[:]) }
	switch sa.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), port(&in.Port))
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom16(in.Addr).Unmap(), port(&in.Port))
	}
	return netip.AddrPort{}
}

// newSocket makes a socket for a connection to an address. Nothing binds it: the kernel chooses the local port when it
// knows the destination, where one that was bound before would be taken from the connections to all backends together.
func newSocket(address netip.AddrPort) (int32, unix.Errno) {
	family := uintptr(unix.AF_INET)
	if address.Addr().Is6() {
		family = unix.AF_INET6
	}
	s, _, errno := unix.RawSyscall(unix.SYS_SOCKET, family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if errno != 0 {
		return -1, errno
	}
	return int32(s), 0
}

// connect asks for the connection of a socket.
func connect(fd int32, address netip.AddrPort) unix.Errno {
	var port uint16
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&port))[:], address.Port())
	if address.Addr().Is4() {
		sa := unix.RawSockaddrInet4{Family: unix.AF_INET, Port: port, Addr: address.Addr().As4()}
		_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa))
		return errno
	}
	sa := unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: port, Addr: address.Addr().As16()}
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa))
	return errno
}
