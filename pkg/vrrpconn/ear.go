// SPDX-License-Identifier: Apache-2.0

package vrrpconn

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

const (
	// earBuffer bounds what waits from one look to the next: more than a thousand packets.
	earBuffer = 1 << 20
	// authenticationHeader is the protocol number of the header that keepalived's auth_type AH has before its message.
	authenticationHeader = 51
	// minAuthenticationHeader is the length of one without its signature.
	minAuthenticationHeader = 12
)

// An Ear overhears every packet of protocol 112, of both address families, that reaches an interface for this host or for a group,
// before any filter of the host. Its methods belong to one goroutine.
type Ear struct {
	fd   int
	data [maxPacket]byte
}

// OpenEar starts to overhear. The groups of multicast are those that others have joined, such as a [Raw].
func OpenEar(iface net.Interface) (*Ear, error) {
	fd, err := openPacketSocket(iface.Index, earProgram, earBuffer)
	if err != nil {
		return nil, fmt.Errorf("overhear VRRP on %s: %w", iface.Name, err)
	}
	return &Ear{fd: fd}, nil
}

// Next takes the next packet and never blocks; ok is false when there is none. Its payload is overwritten by the next one.
func (e *Ear) Next() (m Message, ok bool, err error) {
	for {
		n, sender, err := unix.Recvfrom(e.fd, e.data[:], unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return Message{}, false, nil
		case errors.Is(err, unix.ENETDOWN):
			continue // said once; the socket works again when the link is up
		case err != nil:
			return Message{}, false, os.NewSyscallError("recvfrom", err)
		}
		m, ok := parsePacket(e.data[:n])
		if !ok {
			continue
		}
		if link, ok := sender.(*unix.SockaddrLinklayer); ok && int(link.Halen) <= len(link.Addr) {
			m.MAC = append(m.MAC, link.Addr[:link.Halen]...)
		}
		return m, true, nil
	}
}

// Close closes the socket.
func (e *Ear) Close() error { return os.NewSyscallError("close", unix.Close(e.fd)) }

// parsePacket takes the headers off a packet, and what an Ethernet frame is padded with.
func parsePacket(b []byte) (m Message, ok bool) {
	from, to, ok := ends(b)
	if !ok {
		return Message{}, false
	}
	m = Message{Source: from, Destination: to}
	header, length, protocol := minIPv6Header, 0, uint8(0)
	if from.Is4() {
		header, length, protocol, m.TTL = int(b[0]&0xf)*4, int(binary.BigEndian.Uint16(b[2:])), b[offsetProtocol], int(b[8])
	} else {
		length, protocol, m.TTL = minIPv6Header+int(binary.BigEndian.Uint16(b[4:])), b[offsetNext], int(b[7])
	}
	b = b[:min(length, len(b))]
	if header < minIPv4Header || len(b) < header {
		return Message{}, false
	}
	m.Payload = b[header:]
	if protocol == authenticationHeader {
		return m.unwrap()
	}
	return m, protocol == vrrp.Protocol
}

// unwrap takes the authentication header off a payload (RFC 4302, section 2).
func (m Message) unwrap() (Message, bool) {
	if len(m.Payload) < minAuthenticationHeader || m.Payload[0] != vrrp.Protocol {
		return Message{}, false
	}
	length := (int(m.Payload[1]) + 2) * 4
	if length < minAuthenticationHeader || len(m.Payload) < length {
		return Message{}, false
	}
	m.Authenticated, m.Payload = true, m.Payload[length:]
	return m, true
}

// vlanPresent is where the kernel says that a packet was of a VLAN: it is of another interface then.
const vlanPresent = ancillary + 48

// earProgram passes on what an Ear overhears.
var earProgram = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: packetType},
	{Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K, K: highestOwnType, Jt: 11},
	{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: vlanPresent},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0, Jf: 9},
	{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: packetProtocol},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.ETH_P_IP, Jf: 3},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: offsetProtocol},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: vrrp.Protocol, Jt: 4},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: authenticationHeader, Jt: 3, Jf: 4},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.ETH_P_IPV6, Jf: 3},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: offsetNext},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: vrrp.Protocol, Jf: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: maxPacket},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
}
