// SPDX-License-Identifier: Apache-2.0

package announce

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// A field is a part of a frame that must have a value.
type field struct {
	offset uint32
	size   int // 1, 2 or 4 bytes
	value  uint32
}

// protocolOf returns the Ethernet protocol of the messages about addresses of a family.
func protocolOf(addr netip.Addr) int {
	if addr.Is4() {
		return unix.ETH_P_ARP
	}
	return unix.ETH_P_IPV6
}

// claimsOf matches the frames in which senders announce their addresses of a family.
func claimsOf(family netip.Addr) []field {
	if family.Is4() {
		return []field{
			{headerARP, 4, arpHardware<<16 | unix.ETH_P_IP},
			{headerARP + 4, 2, macLen<<8 | 4},
		}
	}
	return []field{{offsetNext, 1, unix.IPPROTO_ICMPV6}, {headerICMPv6, 1, typeNA}}
}

// claimOf matches the frames in which a sender announces that address.
func claimOf(addr netip.Addr) []field {
	fields, offset := claimsOf(addr), uint32(targetOfNA)
	if addr.Is4() {
		offset = senderOfARP
	}
	for b := addr.AsSlice(); len(b) > 0; b = b[4:] {
		fields = append(fields, field{offset, 4, binary.BigEndian.Uint32(b)})
		offset += 4
	}
	return fields
}

// filter returns the program by which the kernel passes only frames that have all the fields.
func filter(fields []field) ([]bpf.RawInstruction, error) {
	var program []bpf.Instruction
	for i, f := range fields {
		toReject := uint8(2*(len(fields)-1-i) + 1)
		program = append(program,
			bpf.LoadAbsolute{Off: f.offset, Size: f.size},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: f.value, SkipTrue: toReject})
	}
	return bpf.Assemble(append(program, bpf.RetConstant{Val: maxFrame}, bpf.RetConstant{Val: 0}))
}
