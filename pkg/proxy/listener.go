// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// backlog is capped by net.core.somaxconn.
const backlog = 1<<16 - 1

// A Listener is a listening TCP socket that is handed down to balancer processes. It accepts nothing itself, and stays
// out of the runtime's poller: the process that holds it is not woken by the connections of another.
type Listener struct {
	file    *os.File
	address netip.AddrPort
}

// errNoPort is returned by Listen: a port that the kernel chose would be lost when the socket refuses connections.
var errNoPort = errors.New("a port is needed")

// Listen opens a listening socket, also on an address that the host does not have yet.
func Listen(address netip.AddrPort) (*Listener, error) {
	if address.Port() == 0 {
		return nil, listenError(address, errNoPort)
	}
	fd, err := listenSocket(address)
	if err != nil {
		return nil, listenError(address, err)
	}
	return &Listener{file: os.NewFile(uintptr(fd), "listener "+address.String()), address: address}, nil
}

func listenError(address netip.AddrPort, err error) error {
	return &net.OpError{Op: "listen", Net: "tcp", Addr: net.TCPAddrFromAddrPort(address), Err: err}
}

// listenSocket makes the socket by hand: net.Listen makes multipath TCP sockets, which steering by BPF refuses.
func listenSocket(address netip.AddrPort) (fd int, err error) {
	family := unix.AF_INET
	if address.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	if err := os.NewSyscallError("setsockopt", setListenOptions(fd, family)); err != nil {
		return -1, err
	}
	if err := os.NewSyscallError("bind", unix.Bind(fd, sockaddr(address))); err != nil {
		return -1, err
	}
	return fd, os.NewSyscallError("listen", unix.Listen(fd, backlog))
}

func setListenOptions(fd, family int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if family == unix.AF_INET {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_FREEBIND, 1)
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
		return err
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, 1)
}

func sockaddr(address netip.AddrPort) unix.Sockaddr {
	if address.Addr().Is6() {
		return &unix.SockaddrInet6{Port: int(address.Port()), Addr: address.Addr().As16()}
	}
	return &unix.SockaddrInet4{Port: int(address.Port()), Addr: address.Addr().As4()}
}

// Address returns the address that the socket is bound to.
func (l *Listener) Address() netip.AddrPort { return l.address }

// SyscallConn gives access to the socket, as steering needs it.
func (l *Listener) SyscallConn() (syscall.RawConn, error) { return l.file.SyscallConn() }

// control calls do with the socket.
func (l *Listener) control(do func(fd int) error) error { return socket.ControlConn(l, do) }

// Close closes the socket in this process.
func (l *Listener) Close() error { return l.file.Close() }

// refuse makes the kernel refuse connections to a listening socket, in whatever process it is open, and resets those
// in its queue. The port stays taken: without SO_REUSEADDR nobody else can bind to it.
func refuse(ln syscall.Conn) error {
	return socket.ControlConn(ln, func(fd int) error {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 0); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
		if err := unix.Shutdown(fd, unix.SHUT_RDWR); err != nil && err != unix.ENOTCONN {
			return os.NewSyscallError("shutdown", err)
		}
		return nil
	})
}

// listen undoes refuse, and what an administrator does to a socket (ss -K). It does no harm to a socket that listens already.
func listen(ln syscall.Conn) error {
	return socket.ControlConn(ln, func(fd int) error {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
		if listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err == nil && listens == 0 {
			if err := disconnect(fd); err != nil {
				return err
			}
		}
		return os.NewSyscallError("listen", unix.Listen(fd, backlog))
	})
}

// disconnect takes from a socket that was destroyed what it would hand down to the connections that it accepts: the kernel takes
// them for shut as well. The socket stays bound.
func disconnect(fd int) error {
	unspecified := unix.RawSockaddr{Family: unix.AF_UNSPEC}
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&unspecified)), unsafe.Sizeof(unspecified))
	if errno != 0 {
		return os.NewSyscallError("connect", errno)
	}
	return nil
}

// ownDescriptors are those that a balancer needs in addition to those of its connections.
const ownDescriptors = 100

// descriptorLimit lowers a limit of connections, where 0 is none, to what this process has file descriptors for: two
// each. A connection that is refused at once is better than one that waits for a descriptor. Lowered says why it is lower; empty: it is
// not. The runtime of Go has raised the soft limit of descriptors to the hard one when the process began.
func descriptorLimit(limit int) (inForce int, lowered string) {
	var rlimit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &rlimit); err != nil || rlimit.Cur > math.MaxInt32 {
		rlimit.Cur = math.MaxInt32
	}
	affordable := max(1, (int(rlimit.Cur)-ownDescriptors)/2)
	switch {
	case limit == 0:
		return affordable, ""
	case limit <= affordable:
		return limit, ""
	}
	return affordable, fmt.Sprintf("%d are configured, and the process has %d file descriptors (RLIMIT_NOFILE), of which each takes two", limit, rlimit.Cur)
}
