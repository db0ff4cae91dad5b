// SPDX-License-Identifier: Apache-2.0

package dnat

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/balance"
)

// Rules say which connections go where.
type Rules struct {
	Port uint16 // that clients connect to
	// Addresses are those that they connect to, where this host has them. Empty: every address of this host but those of loopback.
	Addresses []netip.Addr
	Policy    balance.Policy    // RoundRobin or SourceHash
	Targets   []balance.Backend // a client gets one of its own family; without one it is left to whatever listens on this host
}

// Equal reports whether two rules do the same.
func (r Rules) Equal(other Rules) bool {
	return r.Port == other.Port && r.Policy == other.Policy && slices.Equal(r.Addresses, other.Addresses) && slices.Equal(r.Targets, other.Targets)
}

// family is what differs between IPv4 (RFC 791) and IPv6 (RFC 8200).
type family struct {
	number              byte
	source, destination uint32 // where the header has the addresses, in bytes
	length              uint32 // of an address, in bytes
	loopback            netip.Prefix
	chain               string // that chooses the backend
}

var families = []family{
	{unix.NFPROTO_IPV4, 12, 16, 4, netip.MustParsePrefix("127.0.0.0/8"), "backends4"},
	{unix.NFPROTO_IPV6, 8, 24, 16, netip.MustParsePrefix("::1/128"), "backends6"},
}

// has reports whether an address is of the family.
func (f family) has(a netip.Addr) bool { return a.Is4() == (f.number == unix.NFPROTO_IPV4) }

// of returns the targets of a family.
func (r Rules) of(f family) []balance.Backend {
	return slices.DeleteFunc(slices.Clone(r.Targets), func(t balance.Backend) bool { return !f.has(t.Address.Addr()) })
}

// matches are the expressions that pick the connections of a family: one list for each rule.
func (r Rules) matches(f family) (lists [][]expr.Any) {
	common := slices.Concat(
		meta(expr.MetaKeyNFPROTO, []byte{f.number}), meta(expr.MetaKeyL4PROTO, []byte{unix.IPPROTO_TCP}),
		field(expr.PayloadBaseTransportHeader, 2, 2), compare(expr.CmpOpEq, binary.BigEndian.AppendUint16(nil, r.Port)),
		[]expr.Any{&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true}}, compare(expr.CmpOpEq, binaryutil.NativeEndian.PutUint32(unix.RTN_LOCAL)),
	)
	destination := field(expr.PayloadBaseNetworkHeader, f.destination, f.length)
	if len(r.Addresses) == 0 {
		mask := make([]byte, f.length)
		for bit := range f.loopback.Bits() {
			mask[bit/8] |= 0x80 >> (bit % 8)
		}
		return [][]expr.Any{slices.Concat(common, destination,
			[]expr.Any{&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: f.length, Mask: mask, Xor: make([]byte, f.length)}},
			compare(expr.CmpOpNeq, f.loopback.Addr().AsSlice()))}
	}
	for _, a := range r.Addresses {
		if f.has(a) {
			lists = append(lists, slices.Concat(common, destination, compare(expr.CmpOpEq, a.AsSlice())))
		}
	}
	return lists
}

// SourceHash divides all clients into buckets.
const (
	buckets = 256
	seed    = 1 // the kernel takes another one for each rule otherwise, and all clients would move with each change
)

// A choice sends a connection that no choice before it has taken to a target, where it takes it.
type choice struct {
	expressions []expr.Any
	numbers     []uint32 // of those that the expressions load, the ones that it takes; none: all that comes
	target      netip.AddrPort
}

// choices are those among the targets of a family. None needs a map: the kernel takes the elements of a map away a moment before the last
// packet has asked for them.
func (r Rules) choices(f family) (all []choice) {
	targets := r.of(f)
	left := uint32(0) // the turns of those that have not chosen yet
	for _, t := range targets {
		left += turns(t)
	}
	for i, t := range targets {
		c := choice{target: t.Address}
		switch {
		case i == len(targets)-1:
		case r.Policy == balance.SourceHash:
			c.expressions = append(field(expr.PayloadBaseNetworkHeader, f.source, f.length),
				&expr.Hash{SourceRegister: 1, DestRegister: 1, Length: f.length, Modulus: buckets, Seed: seed, Type: expr.HashTypeJenkins})
			c.numbers = clients(t, targets)
		default: // every third of all, then every second of those that are left
			c.expressions = []expr.Any{&expr.Numgen{Register: 1, Modulus: left, Type: unix.NFT_NG_INCREMENTAL}}
			for turn := range turns(t) {
				c.numbers = append(c.numbers, turn*left/turns(t))
			}
		}
		left -= turns(t)
		all = append(all, c)
	}
	return all
}

// turns is how many connections a target takes of each round.
func turns(t balance.Backend) uint32 { return uint32(max(t.Weight, 1)) }

// clients are the buckets that belong to a target, and one that nobody is in: no set is empty.
func clients(target balance.Backend, targets []balance.Backend) []uint32 {
	all := []uint32{buckets}
	for bucket := range uint32(buckets) {
		if balance.Rendezvous(bucket, targets) == target {
			all = append(all, bucket)
		}
	}
	return all
}

// send are the expressions that send a connection to a target.
func (f family) send(target netip.AddrPort) []expr.Any {
	return []expr.Any{
		&expr.Immediate{Register: 1, Data: target.Addr().AsSlice()},
		&expr.Immediate{Register: 2, Data: binary.BigEndian.AppendUint16(nil, target.Port())},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(f.number), RegAddrMin: 1, RegProtoMin: 2, Specified: true},
	}
}

// masquerades are the expressions that pick what "balance" has sent to another host: one list for each rule.
func (r Rules) masquerades(f family) (lists [][]expr.Any) {
	const dnat = 1 << 5 // IPS_DST_NAT of linux/netfilter/nf_conntrack_common.h
	status, port := &expr.Ct{Register: 1, Key: expr.CtKeySTATUS}, &expr.Ct{Register: 1, Key: expr.CtKeyPROTODST}
	common := slices.Concat(
		meta(expr.MetaKeyNFPROTO, []byte{f.number}), meta(expr.MetaKeyL4PROTO, []byte{unix.IPPROTO_TCP}),
		[]expr.Any{&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1}}, compare(expr.CmpOpNeq, []byte("lo\x00")),
		[]expr.Any{status, &expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(dnat), Xor: make([]byte, 4)}},
		compare(expr.CmpOpNeq, make([]byte, 4)), []expr.Any{port}, compare(expr.CmpOpEq, binary.BigEndian.AppendUint16(nil, r.Port)),
	)
	if len(r.Addresses) == 0 {
		return [][]expr.Any{append(common, &expr.Masq{})}
	}
	for _, a := range r.Addresses {
		if f.has(a) {
			lists = append(lists, append(slices.Concat(common, []expr.Any{&expr.Ct{Register: 1, Key: expr.CtKeyDST}}, compare(expr.CmpOpEq, a.AsSlice())), &expr.Masq{}))
		}
	}
	return lists
}

// meta goes on where what the kernel knows of a packet has a value.
func meta(key expr.MetaKey, value []byte) []expr.Any {
	return append([]expr.Any{&expr.Meta{Key: key, Register: 1}}, compare(expr.CmpOpEq, value)...)
}

func compare(op expr.CmpOp, value []byte) []expr.Any {
	return []expr.Any{&expr.Cmp{Op: op, Register: 1, Data: value}}
}

// field loads a part of a header.
func field(base expr.PayloadBase, offset, length uint32) []expr.Any {
	return []expr.Any{&expr.Payload{DestRegister: 1, Base: base, Offset: offset, Len: length}}
}
