// SPDX-License-Identifier: Apache-2.0

package vrrpconn

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

const (
	// maxPacket holds the longest advertisement, 255 IPv6 addresses, with a trailer; a longer packet is cut and refused for its length.
	maxPacket = 4200
	// maxControl holds the three control messages that the socket asks for.
	maxControl = 128
	// minIPv4Header is the length of an IPv4 header without options.
	minIPv4Header = 20
)

// reader reads packets into memory of its own, which the next packet overwrites: a flood costs no allocation.
type reader struct {
	packet   vrrp.Packet
	overflow uint32 // packets dropped by the kernel that are not reported yet
	dropped  uint32 // the kernel's count of them

	header  unix.Msghdr
	from    unix.RawSockaddrInet6 // IPv6
	vector  unix.Iovec
	data    [maxPacket]byte
	control [maxControl]byte
	message []byte // the part of data behind the IP header
	trailer []byte // the part of it behind the message
}

func newReader() *reader {
	r := &reader{}
	r.vector.Base = &r.data[0]
	r.vector.SetLen(len(r.data))
	r.header.Name = (*byte)(unsafe.Pointer(&r.from))
	r.header.Iov = &r.vector
	r.header.SetIovlen(1)
	r.header.Control = &r.control[0]
	return r
}

// next reads one packet; the error is EAGAIN when none is queued. It makes the system call itself as unix.Recvmsg allocates
// an address for each packet. The call never waits: the runtime need not know of it, and what watches for calls that do stays asleep.
func (r *reader) next(fd int) error {
	r.header.Namelen = unix.SizeofSockaddrInet6
	r.header.SetControllen(len(r.control))
	n, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.header)), unix.MSG_DONTWAIT)
	if errno != 0 {
		return errno
	}
	r.message = r.data[:n]
	if r.from.Family == unix.AF_INET6 {
		r.packet.Source = netip.AddrFrom16(r.from.Addr)
	} else {
		r.readIPv4Header()
	}
	r.readControl(r.control[:r.header.Controllen])
	return nil
}

// readIPv4Header takes the header off the message. A raw socket of IPv4 delivers it, one of IPv6 does not.
func (r *reader) readIPv4Header() {
	b := r.message
	if len(b) < minIPv4Header {
		r.message = nil
		return
	}
	r.packet.TTL = int(b[8])
	r.packet.Source = netip.AddrFrom4([4]byte(b[12:16]))
	r.packet.Destination = netip.AddrFrom4([4]byte(b[16:20]))
	r.message = b[min(int(b[0]&0xf)*4, len(b)):]
}

func (r *reader) readControl(b []byte) {
	for len(b) >= unix.SizeofCmsghdr {
		h, data, rest, err := unix.ParseOneSocketControlMessage(b)
		if err != nil {
			return // cut by the kernel: maxControl would be too short
		}
		r.readControlMessage(h, data)
		b = rest
	}
}

func (r *reader) readControlMessage(h unix.Cmsghdr, data []byte) {
	switch {
	case h.Level == unix.SOL_SOCKET && h.Type == unix.SO_RXQ_OVFL:
		count := binary.NativeEndian.Uint32(data)
		r.overflow += count - r.dropped
		r.dropped = count
	case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_HOPLIMIT:
		r.packet.TTL = int(binary.NativeEndian.Uint32(data))
	case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO:
		r.packet.Destination = netip.AddrFrom16([16]byte(data[:16]))
	}
}

// parse reads the advertisement into the memory of the one before, with the trailer that it may have where some are signed.
func (r *reader) parse(signed bool) (err error) {
	a, source, destination := &r.packet.Advertisement, r.packet.Source, r.packet.Destination
	if !signed {
		r.packet.Form, err = a.Unmarshal(r.message, source, destination)
		return err
	}
	r.packet.Form, r.trailer, err = a.UnmarshalSigned(r.message, source, destination)
	r.message = r.message[:len(r.message)-len(r.trailer)]
	return err
}
