// SPDX-License-Identifier: Apache-2.0

package vrrpconn

import (
	"errors"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// A Raw is a socket of protocol 112 that sends any message and receives all of one address family on one interface, those to the
// multicast group too. It applies no rules. What it sends is never fragmented. Its methods belong to one goroutine.
type Raw struct{ conn *Conn }

// ListenRaw opens the socket. With an unspecified source it only receives.
func ListenRaw(iface net.Interface, source netip.Addr) (*Raw, error) {
	conn, err := Listen(Config{Interface: iface, Source: source})
	if err != nil {
		return nil, err
	}
	level, discover, probe := unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE
	if source.Is6() {
		level, discover, probe = unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE
	}
	err = socket.Control(conn.raw, func(fd int) error {
		return errors.Join(
			os.NewSyscallError("setsockopt SO_BROADCAST", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1)),
			os.NewSyscallError("setsockopt MTU_DISCOVER", unix.SetsockoptInt(fd, level, discover, probe)))
	})
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &Raw{conn}, nil
}

// Send sends a message. It never blocks.
func (r *Raw) Send(to netip.Addr, message []byte) error {
	return socket.Control(r.conn.raw, func(fd int) error {
		return os.NewSyscallError("sendmsg", new(writer).send(fd, message, r.conn.source, to, r.conn.cfg.Interface.Index))
	})
}

// Receive takes the next packet from the queue and never blocks; ok is false when the queue is empty. The message is overwritten by
// the next one, and cut where it is longer than any of VRRP.
func (r *Raw) Receive() (m Message, ok bool, err error) {
	in := r.conn.in
	err = socket.Control(r.conn.raw, in.next)
	if errors.Is(err, unix.EAGAIN) {
		return Message{}, false, nil
	}
	if err != nil {
		return Message{}, false, os.NewSyscallError("recvmsg", err)
	}
	return Message{Source: in.packet.Source, Destination: in.packet.Destination, TTL: in.packet.TTL, Payload: in.message}, true, nil
}

// Close closes the socket.
func (r *Raw) Close() error { return r.conn.Close() }

// A Message is the payload of a packet of protocol 112, and what its headers said.
type Message struct {
	Source, Destination netip.Addr
	TTL                 int
	Payload             []byte
	// MAC is the hardware address that the packet came from, where it was overheard.
	MAC net.HardwareAddr
	// Authenticated says that an IPsec authentication header was before the payload.
	Authenticated bool
}
