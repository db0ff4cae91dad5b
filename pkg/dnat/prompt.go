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

// prompt has each client send something at once: it sends it a segment with a sequence number that no connection is at, which a client has
// to answer with its own (RFC 9293, section 3.10.7.4). Clients of another host are reset with that, as with whatever they send, and need
// not find out by a keep-alive, minutes later, that their connection has ended. A segment that is lost, or that a filter of the client
// drops, changes nothing.
func prompt(all []Connection) (failed error) {
	sockets := map[netip.Addr]*net.IPConn{}
	for _, c := range all {
		from := c.Frontend.Addr()
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
		if conn == nil || c.Client.Addr().IsLinkLocalUnicast() { // the kernel has not noted of which link
			continue
		}
		if _, err := conn.WriteToIP(c.segment(), &net.IPAddr{IP: c.Client.Addr().AsSlice()}); err != nil && failed == nil { // one says enough
			failed = fmt.Errorf("prompt %s: %w", c.Client, err)
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
func (c *Connection) segment() []byte {
	const acknowledges = 0x10
	b := make([]byte, segmentSize)
	binary.BigEndian.PutUint16(b, c.Frontend.Port())
	binary.BigEndian.PutUint16(b[2:], c.Client.Port())
	b[12] = segmentSize / 4 << 4
	b[13] = acknowledges
	binary.BigEndian.PutUint16(b[16:], c.checksum(b))
	return b
}

// checksum is that of RFC 1071 over the pseudo-header of RFC 9293, section 3.1, or RFC 8200, section 8.1, and the segment.
func (c *Connection) checksum(segment []byte) uint16 {
	sum := uint32(unix.IPPROTO_TCP + len(segment))
	for _, part := range [][]byte{c.Frontend.Addr().AsSlice(), c.Client.Addr().AsSlice(), segment} {
		for ; len(part) > 0; part = part[2:] {
			sum += uint32(binary.BigEndian.Uint16(part))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
