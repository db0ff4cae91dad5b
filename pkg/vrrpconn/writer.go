// SPDX-License-Identifier: Apache-2.0

package vrrpconn

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// writer sends packets without an allocation. Like reader, it makes its system calls itself: none of them waits, so that the runtime
// need not know of them, and what watches for calls that do stays asleep.
type writer struct {
	header unix.Msghdr
	to4    unix.RawSockaddrInet4
	to6    unix.RawSockaddrInet6
	vector unix.Iovec
}

// send sends a message with a control message to a host, by the interface of an index where its address needs one.
func (w *writer) send(fd int, message, control []byte, to netip.Addr, index int) error {
	if to.Is6() {
		w.to6 = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: to.As16(), Scope_id: uint32(index)}
		w.header.Name, w.header.Namelen = (*byte)(unsafe.Pointer(&w.to6)), unix.SizeofSockaddrInet6
	} else {
		w.to4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: to.As4()}
		w.header.Name, w.header.Namelen = (*byte)(unsafe.Pointer(&w.to4)), unix.SizeofSockaddrInet4
	}
	w.vector.Base = unsafe.SliceData(message)
	w.vector.SetLen(len(message))
	w.header.Iov = &w.vector
	w.header.SetIovlen(1)
	w.header.Control = unsafe.SliceData(control)
	w.header.SetControllen(len(control))
	if _, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&w.header)), unix.MSG_DONTWAIT); errno != 0 {
		return errno
	}
	return nil
}

// readable reports whether a packet is queued. An error is one, too: who reads gets it.
func readable(fd int) bool {
	poll, at := unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}, unix.Timespec{} // at once
	ready, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&poll)), 1, uintptr(unsafe.Pointer(&at)), 0, 0, 0)
	return ready > 0 || errno != 0
}
