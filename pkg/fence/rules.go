// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// ICMPv6 of RFC 4861, section 4.3: the type, and where the target begins.
const (
	neighbourSolicitation = 135
	solicitedTarget       = 8
)

// Where headers have addresses: ARP for Ethernet and IPv4 (RFC 826), IPv4 (RFC 791) and IPv6 (RFC 8200).
const (
	arpSender       = 14
	arpTarget       = 24
	ipv4Destination = 16
	ipv6Destination = 24
)

// rules appends those of all chains.
func (t table) rules(b *batch) {
	network, transport := expr.PayloadBaseNetworkHeader, expr.PayloadBaseTransportHeader
	// The closed fence must not hide from this host that another one has the address: announce listens behind it.
	t.newRule(b, ingress, ether(unix.ETH_P_ARP), field(network, arpSender, 4), in("addresses4", false), end(expr.VerdictAccept, ""))
	t.newRule(b, ingress, ether(unix.ETH_P_ARP), field(network, arpTarget, 4), dead("4"))
	t.newRule(b, ingress, ether(unix.ETH_P_IP), field(network, ipv4Destination, 4), dead("4"))
	t.newRule(b, ingress, ether(unix.ETH_P_IPV6), field(network, ipv6Destination, 16), dead("6"))
	t.newRule(b, ingress, ether(unix.ETH_P_IPV6), meta(expr.MetaKeyL4PROTO, []byte{unix.IPPROTO_ICMPV6}),
		field(transport, 0, 1), equals([]byte{neighbourSolicitation}), field(transport, solicitedTarget, 16), dead("6"))
	t.newRule(b, ingress, ether(unix.ETH_P_ARP), field(network, arpTarget, 4), refused("4"))
	t.newRule(b, ingress, ether(unix.ETH_P_IPV6), meta(expr.MetaKeyL4PROTO, []byte{unix.IPPROTO_ICMPV6}),
		field(transport, 0, 1), equals([]byte{neighbourSolicitation}), field(transport, solicitedTarget, 16), refused("6"))

	first := t.addresses[0] // its element is the first to end: they were renewed in this order
	t.newRule(b, control, t.marked(renew), load(first), in("alive"+family(first), false), end(expr.VerdictGoto, steps[renew]))
	for purpose := open; purpose < purposes; purpose++ {
		t.newRule(b, control, t.marked(purpose), end(expr.VerdictGoto, steps[purpose]))
	}
	for _, a := range t.addresses {
		arm := set("addresses", a, unix.NFT_DYNSET_OP_UPDATE, Disarm)
		kill := set("alive", a, dynsetDelete, 0)
		t.newRule(b, steps[renew], load(a), arm, set("alive", a, unix.NFT_DYNSET_OP_UPDATE, t.timeout))
		forget := slices.Concat(set("refused", a, dynsetDelete, 0), set("asked", a, dynsetDelete, 0))
		t.newRule(b, steps[shut], load(a), arm, kill, forget)
		t.newRule(b, steps[disarm], load(a), set("addresses", a, dynsetDelete, 0), kill, forget)
		t.newRule(b, steps[refuse], load(a), set("refused", a, unix.NFT_DYNSET_OP_UPDATE, 0))
		t.newRule(b, steps[answer], load(a), forget)
	}
	for _, chain := range steps[open:] {
		t.newRule(b, chain, []expr.Any{&expr.Counter{}}, end(expr.VerdictDrop, ""))
	}
}

// dead drops and counts what the register says is for an address that is not alive.
func dead(family string) []expr.Any {
	return append(append(in("addresses"+family, false), in("alive"+family, true)...),
		&expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop})
}

// refused drops and counts a question for an address that is alive, but not to be answered now, and notes that somebody asked.
func refused(family string) []expr.Any {
	return append(append(in("addresses"+family, false), in("refused"+family, false)...),
		&expr.Dynset{SrcRegKey: 1, SetName: "asked" + family, Operation: unix.NFT_DYNSET_OP_UPDATE, Timeout: Disarm},
		&expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop})
}

func ether(protocol uint16) []expr.Any {
	return meta(expr.MetaKeyPROTOCOL, binary.BigEndian.AppendUint16(nil, protocol))
}

func (t table) marked(purpose int) []expr.Any {
	return meta(expr.MetaKeyMARK, binary.NativeEndian.AppendUint32(nil, t.mark|uint32(purpose)))
}

// meta goes on where what the kernel knows of a frame has a value.
func meta(key expr.MetaKey, value []byte) []expr.Any {
	return append([]expr.Any{&expr.Meta{Key: key, Register: 1}}, equals(value)...)
}

func equals(value []byte) []expr.Any {
	return []expr.Any{&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: value}}
}

// field loads a part of a header.
func field(base expr.PayloadBase, offset, length uint32) []expr.Any {
	return []expr.Any{&expr.Payload{DestRegister: 1, Base: base, Offset: offset, Len: length}}
}

func load(a netip.Addr) []expr.Any {
	return []expr.Any{&expr.Immediate{Register: 1, Data: a.AsSlice()}}
}

// in goes on where what was loaded is in a set, or is not.
func in(name string, not bool) []expr.Any {
	return []expr.Any{&expr.Lookup{SourceRegister: 1, SetName: name, Invert: not}}
}

// set changes the element of a set, of the family of an address, that was loaded.
func set(name string, a netip.Addr, operation uint32, timeout time.Duration) []expr.Any {
	return []expr.Any{&expr.Dynset{SrcRegKey: 1, SetName: name + family(a), Operation: operation, Timeout: timeout}}
}

func end(kind expr.VerdictKind, chain string) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: kind, Chain: chain}}
}
