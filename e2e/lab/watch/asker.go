// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"net"
	"net/netip"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ndp"
	"github.com/mdlayher/packet"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

var broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// An arpAsker asks for an IPv4 address.
type arpAsker struct {
	conn     *packet.Conn
	target   netip.Addr
	question []byte
}

func newARPAsker(h *lab.Host, target netip.Addr) (*arpAsker, error) {
	request, err := arp.NewPacket(arp.OperationRequest, h.MAC, h.Address.Addr(), make(net.HardwareAddr, 6), target)
	if err != nil {
		return nil, err
	}
	question, err := request.MarshalBinary()
	if err != nil {
		return nil, err
	}
	ifi, err := net.InterfaceByName(lab.Interface)
	if err != nil {
		return nil, err
	}
	conn, err := packet.Listen(ifi, packet.Datagram, unix.ETH_P_ARP, nil)
	if err != nil {
		return nil, err
	}
	return &arpAsker{conn, target, question}, nil
}

func (a *arpAsker) Ask() error {
	_, err := a.conn.WriteTo(a.question, &packet.Addr{HardwareAddr: broadcast})
	return err
}

func (a *arpAsker) Answer() (net.HardwareAddr, error) {
	b := make([]byte, 128)
	for {
		n, _, err := a.conn.ReadFrom(b)
		if err != nil {
			return nil, err
		}
		var reply arp.Packet
		if reply.UnmarshalBinary(b[:n]) == nil && reply.Operation == arp.OperationReply && reply.SenderIP == a.target {
			return reply.SenderHardwareAddr, nil
		}
	}
}

func (a *arpAsker) Close() error { return a.conn.Close() }

// An ndAsker asks for an IPv6 address.
type ndAsker struct {
	conn     *ipv6.PacketConn
	target   netip.Addr
	question []byte
	control  *ipv6.ControlMessage
	group    net.Addr
}

func newNDAsker(target netip.Addr) (*ndAsker, error) {
	ifi, err := net.InterfaceByName(lab.Interface)
	if err != nil {
		return nil, err
	}
	question, err := ndp.MarshalMessage(&ndp.NeighborSolicitation{
		TargetAddress: target,
		Options:       []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Source, Addr: ifi.HardwareAddr}},
	})
	if err != nil {
		return nil, err
	}
	group, err := ndp.SolicitedNodeMulticast(target)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenPacket("ip6:ipv6-icmp", "::")
	if err != nil {
		return nil, err
	}
	return &ndAsker{
		conn:     ipv6.NewPacketConn(conn),
		target:   target,
		question: question,
		control:  &ipv6.ControlMessage{IfIndex: ifi.Index, HopLimit: 255},
		group:    &net.IPAddr{IP: group.AsSlice()},
	}, nil
}

func (a *ndAsker) Ask() error {
	_, err := a.conn.WriteTo(a.question, a.control, a.group)
	return err
}

func (a *ndAsker) Answer() (net.HardwareAddr, error) {
	b := make([]byte, 1500)
	for {
		n, _, _, err := a.conn.ReadFrom(b)
		if err != nil {
			return nil, err
		}
		if mac := answeredMAC(b[:n], a.target); mac != nil {
			return mac, nil
		}
	}
}

// answeredMAC returns the MAC address of an advertisement of that target.
func answeredMAC(b []byte, target netip.Addr) net.HardwareAddr {
	message, err := ndp.ParseMessage(b)
	if err != nil {
		return nil
	}
	advertisement, ok := message.(*ndp.NeighborAdvertisement)
	if !ok || advertisement.TargetAddress != target || !advertisement.Solicited {
		return nil
	}
	for _, option := range advertisement.Options {
		if address, ok := option.(*ndp.LinkLayerAddress); ok && address.Direction == ndp.Target {
			return address.Addr
		}
	}
	return nil
}

func (a *ndAsker) Close() error { return a.conn.Close() }
