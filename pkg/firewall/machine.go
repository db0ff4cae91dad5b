// SPDX-License-Identifier: Apache-2.0

package firewall

import (
	"encoding/binary"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// machine carries out one rule of nf_tables for a packet, as far as the packet is known. The library leaves out expressions that it
// does not know: they would load a register, which is then unknown here, or do nothing that decides.
type machine struct {
	packet    *image
	registers bits
	sets      map[string]set
	certain   truth // whether what was asked until now holds
}

// set is one of nf_tables with what is in it.
type set struct {
	*nftables.Set
	elements []nftables.SetElement
}

// run carries out the expressions of a rule.
func run(exprs []expr.Any, sets map[string]set, packet *image) (ends []alternative) {
	m := machine{packet: packet, registers: unknown(64), sets: sets, certain: yes}
	for _, e := range exprs {
		if verdict, ok := terminal(e); ok {
			return append(ends, alternative{m.certain, verdict})
		}
		if lookup, ok := e.(*expr.Lookup); ok && lookup.IsDestRegSet && lookup.DestRegister == 0 {
			return append(ends, m.verdicts(lookup)...)
		}
		if m.certain = min(m.certain, m.ask(e)); m.certain == no {
			return nil
		}
	}
	return nil // it has no verdict
}

// terminal is the verdict that an expression is.
func terminal(e expr.Any) (verdict, bool) {
	switch e := e.(type) {
	case *expr.Reject:
		return verdict{kind: drop}, true
	case *expr.Queue, *expr.SynProxy:
		return verdict{kind: elsewhere}, true
	case *expr.Verdict:
		return verdictOf(e), true
	case *expr.Target:
		switch e.Name {
		case "REJECT", "DROP":
			return verdict{kind: drop}, true
		case "NFQUEUE", "SYNPROXY", "TPROXY":
			return verdict{kind: elsewhere}, true
		}
	}
	return verdict{}, false
}

func verdictOf(v *expr.Verdict) verdict {
	switch v.Kind {
	case expr.VerdictAccept, expr.VerdictStop:
		return verdict{kind: accept}
	case expr.VerdictDrop:
		return verdict{kind: drop}
	case expr.VerdictJump:
		return verdict{jump, v.Chain}
	case expr.VerdictGoto:
		return verdict{jumpForGood, v.Chain}
	case expr.VerdictReturn:
		return verdict{kind: back}
	case expr.VerdictQueue, expr.VerdictStolen, expr.VerdictRepeat:
		return verdict{kind: elsewhere}
	case expr.VerdictContinue, expr.VerdictBreak:
	}
	return verdict{kind: goOn}
}

// ask carries out an expression that is no verdict, and reports whether the rule goes on after it.
func (m *machine) ask(e expr.Any) truth {
	switch e := e.(type) {
	case *expr.Counter, *expr.Log, *expr.Notrack, *expr.Target, *expr.SecMark, *expr.CtHelper:
	case *expr.Objref:
		return max(maybe, is(e.Type == objectCounter))
	case *expr.Meta:
		m.meta(e)
	case *expr.Payload:
		m.payload(e)
	case *expr.Ct:
		m.conntrack(e)
	case *expr.Fib:
		m.fib(e)
	case *expr.Immediate:
		m.load(e.Register, exactly(e.Data))
	case *expr.Bitwise:
		m.bitwise(e)
	case *expr.Cmp:
		return compare(e.Op, m.read(e.Register, len(e.Data)), e.Data)
	case *expr.Range:
		return m.read(e.Register, len(e.FromData)).between(e.FromData, e.ToData).unless(e.Op == expr.CmpOpNeq)
	case *expr.Lookup:
		return m.lookup(e)
	case *expr.Match:
		return m.packet.matches(e)
	default:
		m.registers = unknown(len(m.registers.value))
		return maybe
	}
	return yes
}

// objectCounter is NFT_OBJECT_COUNTER of linux/netfilter/nf_tables.h.
const objectCounter = 1

// at returns where a register lies: four of 16 bytes, or the same as sixteen of four.
func at(register uint32) int {
	if register < 8 {
		return int(register-1) * 16 % 64
	}
	return int(register-8) * 4 % 64
}

func (m *machine) load(register uint32, value bits) {
	if register == 0 {
		return
	}
	for len(value.value)%4 != 0 { // the kernel fills the last word
		value = bits{append(value.value, 0), append(value.known, 0xff)}
	}
	copy(m.registers.value[at(register):], value.value)
	copy(m.registers.known[at(register):], value.known)
}

func (m *machine) read(register uint32, n int) bits {
	if register == 0 {
		return unknown(n)
	}
	return m.registers.slice(at(register), n)
}

func (m *machine) payload(e *expr.Payload) {
	if e.OperationType != expr.PayloadLoad {
		return
	}
	switch e.Base {
	case expr.PayloadBaseNetworkHeader:
		m.load(e.DestRegister, m.packet.network.slice(int(e.Offset), int(e.Len)))
	case expr.PayloadBaseTransportHeader:
		m.load(e.DestRegister, m.packet.transport.slice(int(e.Offset), int(e.Len)))
	default:
		m.load(e.DestRegister, unknown(int(e.Len)))
	}
}

// What the kernel says of a packet that arrives by Ethernet.
const (
	etherIPv4, etherIPv6         = 0x0800, 0x86dd
	protoIPv4, protoIPv6         = 2, 10
	packetHost, packetMulticast  = 0, 2
	arpHardwareEthernet          = 1
	addressLocal, addressUnicast = 2, 1
	addressMulticast             = 5
	longestMeta                  = 16
)

func native(value uint32) bits { return exactly(binary.NativeEndian.AppendUint32(nil, value)) }

func (m *machine) meta(e *expr.Meta) {
	if e.SourceRegister {
		return // it sets what no rule is asked about here
	}
	p := m.packet
	ether, proto, kind := uint16(etherIPv4), byte(protoIPv4), byte(packetHost)
	if p.To.Is6() {
		ether, proto = etherIPv6, protoIPv6
	}
	if p.multicast() {
		kind = packetMulticast
	}
	value := unknown(longestMeta)
	switch e.Key {
	case expr.MetaKeyPROTOCOL:
		value = exactly(binary.BigEndian.AppendUint16(nil, ether))
	case expr.MetaKeyNFPROTO:
		value = exactly([]byte{proto})
	case expr.MetaKeyL4PROTO:
		value = exactly([]byte{p.Protocol})
	case expr.MetaKeyPKTTYPE:
		value = exactly([]byte{kind})
	case expr.MetaKeyIIF:
		value = native(uint32(p.Index))
	case expr.MetaKeyIIFNAME:
		value = exactly(append([]byte(p.Interface), make([]byte, longestMeta-len(p.Interface))...))
	case expr.MetaKeyOIF:
		value = native(p.out().Index)
	case expr.MetaKeyOIFNAME:
		value = exactly(append([]byte(p.out().Name), make([]byte, longestMeta-len(p.out().Name))...))
	case expr.MetaKeyIIFTYPE:
		value = exactly(binary.NativeEndian.AppendUint16(nil, arpHardwareEthernet))
	default: // not known of the packet
	}
	m.load(e.Register, value)
}

func (m *machine) conntrack(e *expr.Ct) {
	if e.SourceRegister {
		return
	}
	value := unknown(16)
	switch e.Key {
	case expr.CtKeySTATE:
		value = native(expr.CtStateBitNEW)
	case expr.CtKeySTATUS:
		value = native(0) // no address was translated
		if m.packet.Forwarded {
			value = native(destinationTranslated)
		}
	default: // not known of the packet
	}
	m.load(e.Register, value)
}

// destinationTranslated is IPS_DST_NAT of linux/netfilter/nf_conntrack_common.h.
const destinationTranslated = 1 << 5

// way is the interface by which a packet leaves; none of one for this host.
type way struct {
	Name  string
	Index uint32
}

func (i *image) out() way {
	if i.Forwarded {
		return way{i.Interface, uint32(i.Index)}
	}
	return way{}
}

// fib is what the routes say of an address: the packet comes from where an answer to it would go.
func (m *machine) fib(e *expr.Fib) {
	value := unknown(16)
	switch {
	case e.ResultADDRTYPE && e.FlagDADDR:
		value = native(m.packet.addressType())
	case e.ResultADDRTYPE && e.FlagSADDR:
		value = native(addressUnicast)
	case e.ResultOIF && e.FlagSADDR && e.FlagPRESENT:
		value = exactly([]byte{1})
	case e.ResultOIF && e.FlagSADDR:
		value = native(uint32(m.packet.Index))
	}
	m.load(e.Register, value)
}

// addressType is that of the destination, in the numbers of linux/rtnetlink.h.
func (i *image) addressType() uint32 {
	if i.multicast() {
		return addressMulticast
	}
	if i.Forwarded {
		return addressUnicast
	}
	return addressLocal
}

func (m *machine) bitwise(e *expr.Bitwise) {
	value := m.read(e.SourceRegister, int(e.Len))
	if len(e.Mask) != int(e.Len) || len(e.Xor) != int(e.Len) {
		m.load(e.DestRegister, unknown(int(e.Len))) // a shift
		return
	}
	for i := range value.value {
		value.known[i] |= ^e.Mask[i]
		value.value[i] = value.value[i]&e.Mask[i] ^ e.Xor[i]
	}
	m.load(e.DestRegister, value)
}

func compare(op expr.CmpOp, value bits, data []byte) truth {
	lowest, highest := make([]byte, len(data)), exactly(make([]byte, len(data))).known
	switch op {
	case expr.CmpOpEq:
		return value.equals(data)
	case expr.CmpOpNeq:
		return value.equals(data).not()
	case expr.CmpOpGte:
		return value.between(data, highest)
	case expr.CmpOpLt:
		return value.between(data, highest).not()
	case expr.CmpOpLte:
		return value.between(lowest, data)
	case expr.CmpOpGt:
		return value.between(lowest, data).not()
	}
	return maybe
}
