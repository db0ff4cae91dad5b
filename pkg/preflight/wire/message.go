// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
)

// A message is what two hosts that run the check at the same time send each other, as protocol 112 and over TCP. Nothing that
// speaks VRRP or CARP takes it for an advertisement: its type is none that exists (RFC 9568, section 5.2.2), its virtual router ID is 0,
// which no virtual router has, it has no address, and its checksum is left out. Where all of that were ignored, its priority is the
// lowest that a Backup may have: it outranks nobody, and gives nothing up.
type message struct {
	full     bool   // padded to the longest packet of the interface
	instance uint64 // one run of the check on one host
	group    uint64 // of those that have the same cluster, virtual router and virtual addresses
	name     string // of the host
	reports  []report
}

// A report says what has passed between the sender of a message and another host, as far as the sender has seen it.
type report struct {
	address netip.Addr // of the other host
	passed  passed
}

// passed is a set of what has passed.
type passed uint16

// The members of the set. What arrives is at the interface, before any filter of the host; what is delivered has passed them.
const (
	groupArrived passed = 1 << iota // to the multicast group
	groupDelivered
	unicastArrived
	unicastDelivered
	fullArrived // a packet as long as the interface allows
	fullDelivered
	identityAsked    // a connection to the identity port of the other host was tried
	identityAnswered // and was made
	echoAsked        // an ICMP echo was sent
	echoAnswered     // and answered
	fullEchoAnswered // one as long as the interface allows
)

const (
	firstByte  = 3<<4 | 15 // version 3, and a type that does not exist
	lowest     = 1         // priority
	vrrpHeader = 8
	// fixed is the length of a message without its name and reports, oneReport that of a report.
	fixed     = vrrpHeader + 8 + 4 + 8 + 8
	oneReport = 16 + 2
	// maxName and maxReports bound a message to less than every packet may have.
	maxName, maxReports = 63, 16
	maxMessage          = fixed + maxName + maxReports*oneReport
)

// magic marks a message and the version of its form.
var magic = [8]byte{'H', 'b', 'g', 'r', 'W', 'i', 'r', 1}

var errForeign = errors.New("not a message of this check")

// appendTo appends the message, and zeros up to a length where it is full.
func (m message) appendTo(b []byte, length int) []byte {
	start := len(b)
	b = append(b, firstByte, 0, lowest, 0, 0, 0, 0, 0)
	b = append(b, magic[:]...)
	full := byte(0)
	if m.full {
		full = 1
	}
	name, reports := m.name[:min(len(m.name), maxName)], m.reports[:min(len(m.reports), maxReports)]
	b = append(b, full, byte(len(name)), byte(len(reports)), 0)
	b = binary.BigEndian.AppendUint64(b, m.instance)
	b = binary.BigEndian.AppendUint64(b, m.group)
	b = append(b, name...)
	for _, r := range reports {
		address := r.address.As16()
		b = binary.BigEndian.AppendUint16(append(b, address[:]...), uint16(r.passed))
	}
	if short := length - (len(b) - start); m.full && short > 0 {
		b = append(b, make([]byte, short)...)
	}
	return b
}

// parse reads a message, which anything may follow. It keeps nothing of b.
func parse(b []byte) (message, error) {
	if len(b) < fixed || b[0] != firstByte || b[1] != 0 || !bytes.Equal(b[vrrpHeader:vrrpHeader+len(magic)], magic[:]) {
		return message{}, errForeign
	}
	head, rest := b[vrrpHeader+len(magic):fixed], b[fixed:]
	name, reports := int(head[1]), int(head[2])
	if head[0] > 1 || name > maxName || reports > maxReports || len(rest) < name+reports*oneReport {
		return message{}, errForeign
	}
	m := message{
		full: head[0] == 1, name: string(rest[:name]),
		instance: binary.BigEndian.Uint64(head[4:]), group: binary.BigEndian.Uint64(head[12:]),
	}
	if !printable(m.name) {
		return message{}, errForeign
	}
	for rest = rest[name:]; reports > 0; reports, rest = reports-1, rest[oneReport:] {
		m.reports = append(m.reports, report{
			address: netip.AddrFrom16([16]byte(rest[:16])).Unmap(), passed: passed(binary.BigEndian.Uint16(rest[16:])),
		})
	}
	return m, nil
}

// about returns what the sender of a message says of one of the addresses of this host.
func (m message) about(own []netip.Addr) (passed, bool) {
	for _, r := range m.reports {
		for _, address := range own {
			if r.address == address {
				return r.passed, true
			}
		}
	}
	return 0, false
}

// printable reports whether a name is one of a host: it is shown on a terminal.
func printable(name string) bool {
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_':
		default:
			return false
		}
	}
	return true
}
