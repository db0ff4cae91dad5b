// SPDX-License-Identifier: Apache-2.0

package firewall

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// bits are bytes of a packet, of which some bits are known.
type bits struct{ value, known []byte }

// unknown are n bytes of which nothing is known.
func unknown(n int) bits { return bits{make([]byte, n), make([]byte, n)} }

// exactly are bytes that are known.
func exactly(value []byte) bits {
	known := make([]byte, len(value))
	for i := range known {
		known[i] = 0xff
	}
	return bits{value, known}
}

// put sets bytes that are known.
func (b bits) put(at int, value ...byte) {
	copy(b.value[at:], value)
	for i := range value {
		b.known[at+i] = 0xff
	}
}

// slice returns a part. What lies outside is not known.
func (b bits) slice(from, n int) bits {
	part := unknown(n)
	if from < len(b.value) {
		copy(part.value, b.value[from:])
		copy(part.known, b.known[from:])
	}
	return part
}

// lowest and highest are the least and the greatest value that the bytes may have.
func (b bits) lowest() []byte {
	low := slices.Clone(b.value)
	for i := range low {
		low[i] &= b.known[i]
	}
	return low
}

func (b bits) highest() []byte {
	high := slices.Clone(b.value)
	for i := range high {
		high[i] |= ^b.known[i]
	}
	return high
}

// equals compares with as many bytes as the other side has.
func (b bits) equals(data []byte) truth {
	result := yes
	for i, d := range data {
		if i >= len(b.value) || b.known[i] != 0xff {
			result = maybe
		}
		if i < len(b.value) && (b.value[i]^d)&b.known[i] != 0 {
			return no
		}
	}
	return result
}

// between reports whether the value is one of a range with both its ends.
func (b bits) between(from, to []byte) truth {
	low, high := b.lowest(), b.highest()
	switch {
	case slices.Compare(high, from) < 0 || slices.Compare(low, to) > 0:
		return no
	case slices.Compare(low, from) >= 0 && slices.Compare(high, to) <= 0:
		return yes
	}
	return maybe
}

// image is a packet as the rules see it.
type image struct {
	Packet
	network, transport bits
}

// The flag of the first packet of a connection, in the TCP header (RFC 9293, section 3.1), and the type of an echo request in that of ICMP
// (RFC 792, RFC 4443).
const (
	syn          = 2
	echoRequest  = 8
	echoRequest6 = 128
)

func newImage(p Packet) *image {
	i := &image{Packet: p, transport: unknown(20)}
	switch p.Protocol {
	case TCP:
		i.transport.put(2, binary.BigEndian.AppendUint16(nil, p.Port)...)
		i.transport.put(12, 5<<4, syn)
	case ICMP:
		i.transport.put(0, echoRequest, 0)
	case ICMPv6:
		i.transport.put(0, echoRequest6, 0)
	}
	if p.To.Is4() {
		i.network = unknown(20)
		i.network.put(0, 0x45)
		i.network.put(6, 0, 0) // no fragment
		i.network.put(9, p.Protocol)
		i.source(12)
		i.network.put(16, p.To.AsSlice()...)
		return i
	}
	i.network = unknown(40)
	i.network.put(6, p.Protocol)
	i.source(8)
	i.network.put(24, p.To.AsSlice()...)
	return i
}

// source puts the address of the sender where it belongs, as far as it is known.
func (i *image) source(at int) {
	copy(i.network.value[at:], i.Source.Addr().AsSlice())
	for bit := range i.Source.Bits() {
		i.network.known[at+bit/8] |= 0x80 >> (bit % 8)
	}
}

// from reports whether the packet comes from a prefix.
func (i *image) from(p netip.Prefix) truth {
	switch {
	case !i.Source.Overlaps(p):
		return no
	case p.Bits() <= i.Source.Bits():
		return yes
	}
	return maybe
}

// multicast reports whether the packet is for a group.
func (i *image) multicast() bool { return i.To.IsMulticast() }
