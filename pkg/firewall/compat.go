// SPDX-License-Identifier: Apache-2.0

package firewall

import (
	"encoding/binary"

	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
)

// matches answers for a match of iptables-nft that has no expression of nf_tables.
func (i *image) matches(e *expr.Match) truth {
	switch info := e.Info.(type) {
	case *xt.Comment:
		return yes
	case *xt.Tcp:
		return i.matchesTCP(info)
	case *xt.Udp:
		return no
	case *xt.ConntrackMtinfo1:
		return matchesState(info.MatchFlags, info.InvertFlags, uint16(info.StateMask))
	case *xt.ConntrackMtinfo2:
		return matchesState(info.MatchFlags, info.InvertFlags, info.StateMask)
	case *xt.ConntrackMtinfo3:
		return matchesState(info.MatchFlags, info.InvertFlags, info.StateMask)
	case *xt.AddrTypeV1:
		return i.matchesAddressType(info)
	case *xt.Unknown:
		return i.matchesBytes(e.Name, *info)
	}
	return maybe
}

func (i *image) matchesTCP(info *xt.Tcp) truth {
	if i.Protocol != TCP {
		return no
	}
	result := is(info.DstPorts[0] <= i.Port && i.Port <= info.DstPorts[1]).unless(info.InvFlags&xt.TcpInvDestPorts != 0)
	if info.SrcPorts != [2]uint16{0, 0xffff} || info.Option != 0 {
		result = min(result, maybe)
	}
	return min(result, is(syn&info.FlagsMask == info.FlagsCmp).unless(info.InvFlags&xt.TcpInvFlags != 0))
}

// stateNew is the bit of a new connection in the masks of the match conntrack.
const stateNew = 1 << 3

// matchesState answers for the match conntrack where it asks for no more than the state.
func matchesState(flags, inverted, states uint16) truth {
	if flags&uint16(xt.ConntrackState) == 0 {
		return maybe
	}
	result := is(states&stateNew != 0).unless(inverted&uint16(xt.ConntrackState) != 0)
	if flags&^uint16(xt.ConntrackState|xt.ConntrackStateAlias) != 0 {
		result = min(result, maybe)
	}
	return result
}

// matchesAddressType answers for the match addrtype: the source is another host.
func (i *image) matchesAddressType(info *xt.AddrTypeV1) truth {
	const invertSource, invertDest = 1, 2
	result := yes
	if info.Source != 0 {
		result = is(info.Source&(1<<addressUnicast) != 0).unless(info.Flags&invertSource != 0)
	}
	if info.Dest != 0 {
		result = min(result, is(info.Dest&(1<<i.addressType()) != 0).unless(info.Flags&invertDest != 0))
	}
	return result
}

// matchesBytes answers for matches whose structure the library does not know: struct xt_multiport_v1, struct ipt_icmp.
func (i *image) matchesBytes(name string, info []byte) truth {
	switch name {
	case "multiport":
		return i.matchesPorts(info)
	case "icmp", "icmp6":
		if i.Protocol != ICMP && i.Protocol != ICMPv6 {
			return no
		}
		if len(info) < 4 {
			return maybe
		}
		kind, code, inverted := info[0], info[1:3], info[3]&1 != 0
		return is(kind == 0xff || kind == i.transport.value[0] && code[0] == 0).unless(inverted)
	}
	return maybe
}

// matchesPorts answers for a list of ports and ranges.
func (i *image) matchesPorts(info []byte) truth {
	const source, destination, most = 0, 1, 15
	if i.Protocol != TCP {
		return no
	}
	if len(info) < 2+3*most+1 || int(info[1]) > most || info[0] == source {
		return maybe
	}
	port := func(n int) uint16 { return binary.NativeEndian.Uint16(info[2+2*n:]) }
	found := false
	for n := 0; n < int(info[1]); n++ {
		first, last := port(n), port(n)
		if info[2+2*most+n] != 0 && n+1 < int(info[1]) { // the first of a range
			n++
			last = port(n)
		}
		found = found || first <= i.Port && i.Port <= last
	}
	result := is(found).unless(info[2+3*most] != 0)
	if info[0] != destination {
		result = max(result, maybe) // of the source too
	}
	return result
}
