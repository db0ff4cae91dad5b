// SPDX-License-Identifier: Apache-2.0

package announce

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ndp"
	"golang.org/x/sys/unix"
)

const (
	macLen         = 6
	ethernetLen    = 14
	ipv6Len        = 40
	arpLen         = 28
	hopLimit       = 255 // anything less crossed a router; RFC 4861, section 7.1
	arpHardware    = 1   // Ethernet
	headerARP      = ethernetLen
	headerICMPv6   = ethernetLen + ipv6Len
	operationOfARP = headerARP + 6
	senderOfARP    = headerARP + 14
	targetOfNA     = headerICMPv6 + 8
	typeNA         = 136
	maxFrame       = 1514
	versionIPv6    = 6 << 4
	offsetLength   = ethernetLen + 4
	offsetNext     = ethernetLen + 6
	offsetHop      = ethernetLen + 7
	offsetSource   = ethernetLen + 8
	offsetDestIn6  = ethernetLen + 24
)

var (
	broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	allNodes  = netip.MustParseAddr("ff02::1")
)

// announcement returns the frame that makes the neighbours of mac send to it what is for addr.
func announcement(mac net.HardwareAddr, addr netip.Addr) ([]byte, error) {
	if addr.Is4() {
		return arpFrame(mac, addr, broadcast, addr, broadcast)
	}
	return ndFrame(mac, addr, allNodes, multicastMAC(allNodes), &ndp.NeighborAdvertisement{
		Override:      true,
		TargetAddress: addr,
		Options:       []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Target, Addr: mac}},
	})
}

// question returns the frame that asks for the hardware address of target: all neighbours, or the one whose hardware
// address is to.
func question(mac net.HardwareAddr, source, target netip.Addr, to net.HardwareAddr) ([]byte, error) {
	if target.Is4() {
		if to == nil {
			to = broadcast
		}
		return arpFrame(mac, source, make(net.HardwareAddr, macLen), target, to)
	}
	destination := target
	if to == nil {
		var err error
		if destination, err = ndp.SolicitedNodeMulticast(target); err != nil {
			return nil, err
		}
		to = multicastMAC(destination)
	}
	return ndFrame(mac, source, destination, to, &ndp.NeighborSolicitation{
		TargetAddress: target,
		Options:       []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Source, Addr: mac}},
	})
}

// arpFrame returns an ARP request from mac and source. Answers are never sent: the kernel gives them.
func arpFrame(mac net.HardwareAddr, source netip.Addr, targetMAC net.HardwareAddr, target netip.Addr, to net.HardwareAddr) ([]byte, error) {
	p, err := arp.NewPacket(arp.OperationRequest, mac, source, targetMAC, target)
	if err != nil {
		return nil, err
	}
	payload, err := p.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return append(ethernet(mac, to, unix.ETH_P_ARP), payload...), nil
}

// ndFrame returns a message of neighbour discovery in its packet. Flow label and traffic class are zero.
func ndFrame(mac net.HardwareAddr, source, destination netip.Addr, to net.HardwareAddr, m ndp.Message) ([]byte, error) {
	payload, err := ndp.MarshalMessageChecksum(m, source, destination)
	if err != nil {
		return nil, err
	}
	b := append(ethernet(mac, to, unix.ETH_P_IPV6), versionIPv6, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	b = append(b, unix.IPPROTO_ICMPV6, hopLimit)
	b = append(b, source.AsSlice()...)
	b = append(b, destination.AsSlice()...)
	return append(b, payload...), nil
}

func ethernet(from, to net.HardwareAddr, protocol uint16) []byte {
	b := append(append(make([]byte, 0, maxFrame), to...), from...)
	return binary.BigEndian.AppendUint16(b, protocol)
}

// multicastMAC returns the group of an IPv6 multicast address; RFC 2464, section 7.
func multicastMAC(group netip.Addr) net.HardwareAddr {
	b := group.As16()
	return net.HardwareAddr{0x33, 0x33, b[12], b[13], b[14], b[15]}
}

// A sighting is an address in use by a hardware address.
type sighting struct {
	addr netip.Addr
	mac  net.HardwareAddr
}

// parse returns what a frame that came in says about its sender. An ARP request says it as well as a reply does. An ARP
// probe (from 0.0.0.0) and a solicitation for duplicate address detection only ask whether an address is free.
func parse(frame []byte) (sighting, bool) {
	if len(frame) < ethernetLen {
		return sighting{}, false
	}
	switch binary.BigEndian.Uint16(frame[ethernetLen-2:]) {
	case unix.ETH_P_ARP:
		return parseARP(frame)
	case unix.ETH_P_IPV6:
		return parseNA(frame)
	}
	return sighting{}, false
}

// isAnswer reports whether a frame that parse takes is the answer to a question of a host.
func isAnswer(frame []byte, own net.HardwareAddr) bool {
	arpRequest := binary.BigEndian.Uint16(frame[ethernetLen-2:]) == unix.ETH_P_ARP &&
		binary.BigEndian.Uint16(frame[operationOfARP:]) != uint16(arp.OperationReply)
	return !arpRequest && slices.Equal(frame[:macLen], own)
}

func parseARP(frame []byte) (sighting, bool) {
	var p arp.Packet
	if len(frame) < headerARP+arpLen || p.UnmarshalBinary(frame[headerARP:]) != nil {
		return sighting{}, false
	}
	ethernetIPv4 := p.HardwareType == arpHardware && p.HardwareAddrLength == macLen &&
		p.ProtocolType == unix.ETH_P_IP && p.SenderIP.Is4()
	if !ethernetIPv4 || p.SenderIP.IsUnspecified() {
		return sighting{}, false
	}
	return sighting{p.SenderIP, p.SenderHardwareAddr}, true
}

// parseNA reads a neighbour advertisement. One without the option for the target's hardware address is the answer to a
// unicast question, and its sender is the target.
func parseNA(frame []byte) (sighting, bool) {
	if len(frame) < headerICMPv6 || frame[offsetNext] != unix.IPPROTO_ICMPV6 || frame[offsetHop] != hopLimit {
		return sighting{}, false
	}
	end := headerICMPv6 + int(binary.BigEndian.Uint16(frame[offsetLength:]))
	if end > len(frame) || !checksumValid(frame[:end]) {
		return sighting{}, false
	}
	m, err := ndp.ParseMessage(frame[headerICMPv6:end])
	na, ok := m.(*ndp.NeighborAdvertisement)
	if err != nil || !ok {
		return sighting{}, false
	}
	mac := net.HardwareAddr(frame[macLen : 2*macLen])
	for _, o := range na.Options {
		if lla, ok := o.(*ndp.LinkLayerAddress); ok && lla.Direction == ndp.Target {
			mac = lla.Addr
		}
	}
	return sighting{na.TargetAddress, append(net.HardwareAddr(nil), mac...)}, true
}

// checksumValid reports whether the checksum of an ICMPv6 frame is right; RFC 4443, section 2.3.
func checksumValid(frame []byte) bool {
	message := frame[headerICMPv6:]
	sum := uint32(len(message)) + unix.IPPROTO_ICMPV6
	sum += sum16(frame[offsetSource:headerICMPv6]) + sum16(message)
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return sum == 0xffff
}

func sum16(b []byte) uint32 {
	var sum uint32
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}
