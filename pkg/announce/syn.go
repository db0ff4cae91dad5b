// SPDX-License-Identifier: Apache-2.0

package announce

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// A SYN asks for a connection, without a kernel that would complete it.
type SYN struct {
	Source, Target netip.AddrPort
	Sequence       uint32 // by which it is known
}

const (
	tcpLen      = 20
	synTTL      = 64
	flagSYN     = 0x02
	synWindow   = 64240
	versionIPv4 = 4<<4 | ipv4Len/4
	ipv4Len     = 20
)

// HardwareAddress returns that of a peer; nil: it is not known.
func (a *Announcer) HardwareAddress(peer netip.Addr) net.HardwareAddr {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.peers[peer].mac)
}

// SendSYN sends a SYN to one host, whatever it has the target for.
func (a *Announcer) SendSYN(s SYN, to net.HardwareAddr) error {
	link, _ := a.current()
	return a.send(s.frame(link.MAC, to))
}

// frame returns a SYN in its packet.
func (s SYN) frame(from, to net.HardwareAddr) []byte {
	source, target := s.Source.Addr().AsSlice(), s.Target.Addr().AsSlice()
	segment := binary.BigEndian.AppendUint16(nil, s.Source.Port())
	segment = binary.BigEndian.AppendUint16(segment, s.Target.Port())
	segment = binary.BigEndian.AppendUint32(segment, s.Sequence)
	segment = append(segment, 0, 0, 0, 0, tcpLen/4<<4, flagSYN)
	segment = binary.BigEndian.AppendUint16(segment, synWindow)
	segment = append(segment, 0, 0, 0, 0)
	sum := sum16(source) + sum16(target) + unix.IPPROTO_TCP + tcpLen + sum16(segment)
	binary.BigEndian.PutUint16(segment[16:], fold(sum))
	if s.Target.Addr().Is6() {
		b := append(ethernet(from, to, unix.ETH_P_IPV6), versionIPv6, 0, 0, 0, 0, tcpLen, unix.IPPROTO_TCP, synTTL)
		return append(append(append(b, source...), target...), segment...)
	}
	header := append([]byte{versionIPv4, 0, 0, ipv4Len + tcpLen, 0, 0, 0x40, 0, synTTL, unix.IPPROTO_TCP, 0, 0}, append(source, target...)...)
	binary.BigEndian.PutUint16(header[10:], fold(sum16(header)))
	return append(append(ethernet(from, to, unix.ETH_P_IP), header...), segment...)
}

// fold makes a checksum of a sum; RFC 1071.
func fold(sum uint32) uint16 {
	sum = sum>>16 + sum&0xffff
	return ^uint16(sum>>16 + sum)
}

// HearSYN watches the interface, before any filter of the host, for a SYN to a target. The function that is returned waits until it
// has come, or ctx ends, and reports which.
func (a *Announcer) HearSYN(ctx context.Context, target netip.Addr, sequence uint32) (wait func() bool, err error) {
	program, err := filter(synTo(target, sequence))
	if err != nil {
		return nil, err
	}
	protocol := unix.ETH_P_IP
	if target.Is6() {
		protocol = unix.ETH_P_IPV6
	}
	link, _ := a.current()
	conn, err := link.listen(protocol, &packet.Config{Filter: program})
	if err != nil {
		return nil, fmt.Errorf("watch for a connection to %s: %w", target, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	return func() bool {
		defer conn.Close()
		defer stop()
		var frame [maxFrame]byte
		_, _, err := conn.ReadFrom(frame[:])
		return err == nil
	}, nil
}

// synTo matches a SYN whose IP header has no options.
func synTo(target netip.Addr, sequence uint32) []field {
	protocol, address, segment := uint32(ethernetLen+9), uint32(ethernetLen+16), uint32(ethernetLen+ipv4Len)
	if target.Is6() {
		protocol, address, segment = offsetNext, offsetDestIn6, ethernetLen+ipv6Len
	}
	fields := []field{{protocol, 1, unix.IPPROTO_TCP}, {segment + 4, 4, sequence}}
	for b := target.AsSlice(); len(b) > 0; b = b[4:] {
		fields = append(fields, field{address, 4, binary.BigEndian.Uint32(b)})
		address += 4
	}
	return fields
}
