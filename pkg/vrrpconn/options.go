// SPDX-License-Identifier: Apache-2.0

package vrrpconn

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

const (
	// hops is what receivers ask for: it proves that no router forwarded the packet (RFC 9568, sections 5.1.1.3 and 5.1.2.3).
	hops = 255
	// internetworkControl is precedence 6, as keepalived marks its packets.
	internetworkControl = 0xc0
	// priority is that of the queue on the interface, highest that needs no further capability.
	priority = 6
	// receiveBuffer holds some 10,000 packets: a flood of 50,000 a second fills it when the receiver sleeps for 0.2 s.
	receiveBuffer = 4 << 20
	// sendBuffer: packets to a dead peer stay charged to the socket until its neighbour entry fails, 208 KiB per peer by
	// default, which is all of a default send buffer.
	sendBuffer = 4 << 20
)

type option struct {
	name              string
	level, opt, value int
}

// configure sets the options of the socket and joins the group.
func configure(fd int, cfg Config) error {
	options := append(socketOptions(cfg.Interface.Index), ipv4Options...)
	if cfg.Source.Is6() {
		options = append(socketOptions(cfg.Interface.Index), ipv6Options...)
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.opt, o.value); err != nil {
			return fmt.Errorf("set %s to %d: %w", o.name, o.value, err)
		}
	}
	if err := setBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, receiveBuffer); err != nil {
		return fmt.Errorf("set receive buffer: %w", err)
	}
	if err := setBuffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, sendBuffer); err != nil {
		return fmt.Errorf("set send buffer: %w", err)
	}
	if err := discard(fd); err != nil {
		return fmt.Errorf("empty the receive queue: %w", err)
	}
	if len(cfg.Peers) > 0 {
		return nil
	}
	return join(fd, cfg)
}

// setBuffer sets the size of a buffer, whatever the limit of the system. In a user namespace that is not allowed, and the
// limit (net.core.rmem_max, wmem_max) is all there is.
func setBuffer(fd, force, limited, size int) error {
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, size)
	if errors.Is(err, unix.EPERM) {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, limited, size)
	}
	return err
}

// discard empties the receive queue: until it is bound to its interface, a socket hears all of them.
func discard(fd int) error {
	for {
		_, _, err := unix.Recvfrom(fd, nil, unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EAGAIN) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func socketOptions(index int) []option {
	return []option{
		{"SO_BINDTOIFINDEX", unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, index},
		{"SO_RXQ_OVFL", unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1},
	}
}

// SO_PRIORITY comes last: IP_TOS sets it too. A transparent socket sends from a source that the host has just lost: the release
// of a holder without its own address is heard. Without path MTU discovery the packets carry no DF bit, like keepalived's.
var ipv4Options = []option{
	{"IP_TTL", unix.IPPROTO_IP, unix.IP_TTL, hops},
	{"IP_MULTICAST_TTL", unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, hops},
	{"IP_MULTICAST_LOOP", unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 0},
	{"IP_MULTICAST_ALL", unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0},
	{"IP_MTU_DISCOVER", unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT},
	{"IP_TRANSPARENT", unix.IPPROTO_IP, unix.IP_TRANSPARENT, 1},
	{"IP_TOS", unix.IPPROTO_IP, unix.IP_TOS, internetworkControl},
	{"SO_PRIORITY", unix.SOL_SOCKET, unix.SO_PRIORITY, priority},
}

var ipv6Options = []option{
	{"IPV6_UNICAST_HOPS", unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, hops},
	{"IPV6_MULTICAST_HOPS", unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, hops},
	{"IPV6_MULTICAST_LOOP", unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, 0},
	{"IPV6_MULTICAST_ALL", unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 0},
	{"IPV6_RECVHOPLIMIT", unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1},
	{"IPV6_RECVPKTINFO", unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1},
	{"IPV6_TRANSPARENT", unix.IPPROTO_IPV6, unix.IPV6_TRANSPARENT, 1},
	{"IPV6_TCLASS", unix.IPPROTO_IPV6, unix.IPV6_TCLASS, internetworkControl},
	{"SO_PRIORITY", unix.SOL_SOCKET, unix.SO_PRIORITY, priority},
}

// join makes the interface receive the group. The membership is the interface's by its index, whatever addresses it has.
func join(fd int, cfg Config) error {
	var err error
	if cfg.Source.Is6() {
		mreq := unix.IPv6Mreq{Multiaddr: vrrp.GroupIPv6.As16(), Interface: uint32(cfg.Interface.Index)}
		err = unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_ADD_MEMBERSHIP, &mreq)
	} else {
		mreq := unix.IPMreqn{Multiaddr: vrrp.GroupIPv4.As4(), Ifindex: int32(cfg.Interface.Index)}
		err = unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &mreq)
	}
	if err != nil {
		return fmt.Errorf("join group %s: %w", group(cfg.Source), err)
	}
	return nil
}
