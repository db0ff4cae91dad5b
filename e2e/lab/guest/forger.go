// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// protocolVRRP is the IP protocol number of VRRP.
const protocolVRRP = 112

// groupVRRP is the multicast group of VRRP over IPv4.
var groupVRRP = netip.AddrFrom4([4]byte{224, 0, 0, 18})

// A Forger sends VRRP packets that no member of the virtual router sends, and receives those of the members.
type Forger struct {
	conn  *ipv4.RawConn
	sixth int // socket that sends over IPv6, and receives nothing
	iface int // index
}

// NewForger returns a forger on a host.
func NewForger(h *lab.Host) (f *Forger, err error) {
	err = h.Do(func() error {
		f, err = newForger()
		return err
	})
	return f, err
}

func newForger() (*Forger, error) {
	iface, err := net.InterfaceByName(lab.Interface)
	if err != nil {
		return nil, err
	}
	socket, err := net.ListenPacket(fmt.Sprintf("ip4:%d", protocolVRRP), "0.0.0.0")
	if err != nil {
		return nil, err
	}
	conn, err := ipv4.NewRawConn(socket)
	if err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	if err := conn.JoinGroup(iface, &net.IPAddr{IP: groupVRRP.AsSlice()}); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	sixth, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open a socket of IPv6: %w", err), conn.Close())
	}
	return &Forger{conn, sixth, iface.Index}, nil
}

// A Packet is a VRRP packet with the addresses of its IP header.
type Packet struct {
	Source, Destination netip.Addr
	Payload             []byte
}

// Send puts a packet on the wire, with the TTL or hop limit that a receiver wants.
func (f *Forger) Send(p Packet) error {
	if p.Destination.Is6() {
		return f.send6(p)
	}
	header := &ipv4.Header{
		Version: ipv4.Version, Len: ipv4.HeaderLen, TotalLen: ipv4.HeaderLen + len(p.Payload),
		TTL: 255, Protocol: protocolVRRP, Src: p.Source.AsSlice(), Dst: p.Destination.AsSlice(),
	}
	return f.conn.WriteTo(header, p.Payload, &ipv4.ControlMessage{IfIndex: f.iface})
}

// send6 is Send over IPv6: the kernel leaves the header to this program.
func (f *Forger) send6(p Packet) error {
	source, destination := p.Source.As16(), p.Destination.As16()
	b := []byte{6 << 4, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(len(p.Payload)))
	b = append(b, protocolVRRP, 255)
	b = append(b, source[:]...)
	b = append(b, destination[:]...)
	to := &unix.SockaddrInet6{Addr: destination, ZoneId: uint32(f.iface)}
	return unix.Sendto(f.sixth, append(b, p.Payload...), 0, to)
}

// Hear waits for a packet from an address.
func (f *Forger) Hear(source netip.Addr, timeout time.Duration) (Packet, error) {
	if err := f.conn.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return Packet{}, err
	}
	b := make([]byte, 1500)
	for {
		header, payload, _, err := f.conn.ReadFrom(b)
		if err != nil {
			return Packet{}, fmt.Errorf("hear VRRP of %s: %w", source, err)
		}
		from, _ := netip.AddrFromSlice(header.Src)
		to, _ := netip.AddrFromSlice(header.Dst)
		if from.Unmap() == source {
			return Packet{from.Unmap(), to.Unmap(), append([]byte(nil), payload...)}, nil
		}
	}
}

// Close ends the forger.
func (f *Forger) Close() error { return errors.Join(unix.Close(f.sixth), f.conn.Close()) }
