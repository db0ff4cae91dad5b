// SPDX-License-Identifier: Apache-2.0

package dnat

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// A flow is a connection as its client sees it.
type flow struct{ asked, client netip.AddrPort }

// prompt has each client send something at once: it sends it a segment with a sequence number that no connection is at, which a client has
// to answer with its own (RFC 9293, section 3.10.7.4). Clients of another host are reset with that, as with whatever they send, and need
// not find out by a keep-alive, minutes later, that their connection has ended. A segment that is lost, or that a filter of the client
// drops, changes nothing.
func prompt(flows []flow) (failed error) {
	sockets := map[netip.Addr]*net.IPConn{}
	for _, f := range flows {
		from := f.asked.Addr()
		conn, there := sockets[from]
		if !there {
			var err error
			switch conn, err = segments(from); {
			case errors.Is(err, unix.EADDRNOTAVAIL): // it has left this host, and its holder resets them
			case err != nil:
				failed = errors.Join(failed, fmt.Errorf("prompt clients of %s: %w", from, err))
			default:
				defer conn.Close()
			}
			sockets[from] = conn // nil: it is not tried again
		}
		if conn == nil || f.client.Addr().IsLinkLocalUnicast() { // the kernel has not noted of which link
			continue
		}
		if _, err := conn.WriteToIP(f.segment(), &net.IPAddr{IP: f.client.Addr().AsSlice()}); err != nil && failed == nil { // one says enough
			failed = fmt.Errorf("prompt %s: %w", f.client, err)
		}
	}
	return failed
}

// segments returns a socket for segments from an address of this host. It gets no packet: those of all connections would wait there.
func segments(from netip.Addr) (*net.IPConn, error) {
	network := "ip4:tcp"
	if from.Is6() {
		network = "ip6:tcp"
	}
	deaf := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		failed := raw.Control(func(fd uintptr) {
			drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
			err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop})
		})
		return errors.Join(failed, err)
	}}
	conn, err := deaf.ListenPacket(context.Background(), network, from.String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.IPConn), nil
}

// segmentSize is that of a header of TCP without options.
const segmentSize = 20

// segment returns an acknowledgment of nothing, with the sequence number 0.
func (f flow) segment() []byte {
	const acknowledges = 0x10
	b := make([]byte, segmentSize)
	binary.BigEndian.PutUint16(b, f.asked.Port())
	binary.BigEndian.PutUint16(b[2:], f.client.Port())
	b[12] = segmentSize / 4 << 4
	b[13] = acknowledges
	binary.BigEndian.PutUint16(b[16:], f.checksum(b))
	return b
}

// checksum is that of RFC 1071 over the pseudo-header of RFC 9293, section 3.1, or RFC 8200, section 8.1, and the segment.
func (f flow) checksum(segment []byte) uint16 {
	sum := uint32(unix.IPPROTO_TCP + len(segment))
	for _, part := range [][]byte{f.asked.Addr().AsSlice(), f.client.Addr().AsSlice(), segment} {
		for ; len(part) > 0; part = part[2:] {
			sum += uint32(binary.BigEndian.Uint16(part))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
