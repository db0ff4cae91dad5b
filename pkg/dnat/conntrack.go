// SPDX-License-Identifier: Apache-2.0

package dnat

import (
	"encoding/binary"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// What follows is of linux/netfilter/nfnetlink_conntrack.h. The libraries that know it parse so slowly that a list of 1500 connections takes
// longer than the addresses may stay, or refuse a list with an attribute that is newer than they are.
const (
	messageGet    = unix.NFNL_SUBSYS_CTNETLINK<<8 | 1 // IPCTNL_MSG_CT_GET
	messageDelete = unix.NFNL_SUBSYS_CTNETLINK<<8 | 2 // IPCTNL_MSG_CT_DELETE

	tupleOriginal, tupleReply, protocolInfo = 1, 2, 4 // CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_PROTOINFO
	tupleIP, tupleProtocol                  = 1, 2    // CTA_TUPLE_IP, CTA_TUPLE_PROTO
	sourceIPv4, sourceIPv6                  = 1, 3    // CTA_IP_V4_SRC, CTA_IP_V6_SRC
	destinationIPv4, destinationIPv6        = 2, 4    // CTA_IP_V4_DST, CTA_IP_V6_DST
	protocolNumber                          = 1       // CTA_PROTO_NUM
	sourcePort, destinationPort             = 2, 3    // CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT
	infoTCP, infoTCPState                   = 1, 1    // CTA_PROTOINFO_TCP, CTA_PROTOINFO_TCP_STATE

	stateTimeWait = 7 // TCP_CONNTRACK_TIME_WAIT; TCP_CONNTRACK_CLOSE comes after it
)

// headerSize is that of struct nfgenmsg, of which the first byte is the family.
const headerSize = 4

// message returns a request about connections.
func message(kind netlink.HeaderType, flags netlink.HeaderFlags, family byte, attributes []byte) netlink.Message {
	data := append([]byte{family, unix.NFNETLINK_V0, 0, 0}, attributes...)
	return netlink.Message{Header: netlink.Header{Type: kind, Flags: netlink.Request | flags}, Data: data}
}

// A Connection is what the kernel remembers of one over TCP.
type Connection struct {
	Client, Frontend netip.AddrPort // from where and to where it was opened
	Backend          netip.AddrPort // that answers: another than Frontend where it was passed on
	State            string         // of TCP, as SynSent or Established

	reported []byte // as the kernel has it
}

// states are the names of enum tcp_conntrack (linux/netfilter/nf_conntrack_tcp.h) of connections that have not ended.
var states = [stateTimeWait]string{"None", "SynSent", "SynReceived", "Established", "FinWait", "CloseWait", "LastAck"}

// parse reads a connection, and reports whether it is one over TCP to a port that has not ended by itself: those the kernel remembers for
// minutes, and there may be thousands.
func parse(data []byte, port uint16) (c Connection, ok bool) {
	if len(data) < headerSize {
		return c, false
	}
	var original, reply tuple
	state := uint8(0)
	each(data[headerSize:], func(kind uint16, value []byte) {
		switch kind {
		case tupleOriginal:
			original = parseTuple(value)
		case tupleReply:
			reply = parseTuple(value)
		case protocolInfo:
			state = parseState(value)
		}
	})
	if original.protocol != unix.IPPROTO_TCP || original.toPort != port || state >= stateTimeWait {
		return c, false
	}
	return Connection{original.source(), original.destination(), reply.source(), states[state], data}, true
}

// each calls f with each attribute, until one is cut off.
func each(attributes []byte, f func(kind uint16, value []byte)) {
	decoder, err := netlink.NewAttributeDecoder(attributes)
	for err == nil && decoder.Next() {
		f(decoder.Type(), decoder.Bytes())
	}
}

// A tuple is one direction of a connection.
type tuple struct {
	from, to         netip.Addr
	fromPort, toPort uint16
	protocol         uint8
}

func (t tuple) source() netip.AddrPort      { return netip.AddrPortFrom(t.from, t.fromPort) }
func (t tuple) destination() netip.AddrPort { return netip.AddrPortFrom(t.to, t.toPort) }

func parseTuple(value []byte) (t tuple) {
	each(value, func(kind uint16, value []byte) {
		switch kind {
		case tupleIP:
			each(value, t.parseIP)
		case tupleProtocol:
			each(value, t.parseProtocol)
		}
	})
	return t
}

func (t *tuple) parseIP(kind uint16, value []byte) {
	switch a, _ := netip.AddrFromSlice(value); kind {
	case sourceIPv4, sourceIPv6:
		t.from = a
	case destinationIPv4, destinationIPv6:
		t.to = a
	}
}

func (t *tuple) parseProtocol(kind uint16, value []byte) {
	switch {
	case kind == protocolNumber && len(value) == 1:
		t.protocol = value[0]
	case kind == sourcePort && len(value) == 2:
		t.fromPort = binary.BigEndian.Uint16(value)
	case kind == destinationPort && len(value) == 2:
		t.toPort = binary.BigEndian.Uint16(value)
	}
}

func parseState(value []byte) (state uint8) {
	each(value, func(kind uint16, value []byte) {
		if kind == infoTCP {
			each(value, func(kind uint16, value []byte) {
				if kind == infoTCPState && len(value) == 1 {
					state = value[0]
				}
			})
		}
	})
	return state
}
