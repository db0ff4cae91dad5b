// SPDX-License-Identifier: Apache-2.0

package keyed

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"net/netip"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// The trailer of keepalived 2.4.2 auth_hmac, all fields big-endian.
const (
	trailerType = 1 // HMAC-SHA-256 cut to 128 bits

	keyOffset      = 1
	reservedOffset = 2
	sequenceOffset = 4
	tagOffset      = 12

	tagLength = vrrp.TrailerLength - tagOffset
)

// The checksum of a message, which is signed as zero.
const (
	checksumOffset = 6
	checksumEnd    = 8
)

// pseudoLength is the length of what is signed before the message.
const pseudoLength = 20

var zeros [tagLength]byte

// signer has a key in the form that signs. Nothing in it is printed by fmt, which does not follow the pointer in mac.
type signer struct {
	id  uint8
	mac hash.Hash
	sum [sha256.Size]byte
}

func newSigners(c Config) []*signer {
	var all []*signer
	for _, k := range c.Keys {
		all = append(all, &signer{id: k.ID, mac: hmac.New(sha256.New, k.Secret)})
	}
	return all
}

// pseudo is what is signed of the instance and the IP header: family, version, virtual router ID and source address.
type pseudo [pseudoLength]byte

func (p *pseudo) set(v vrrp.Version, vrid uint8, source netip.Addr) {
	*p = pseudo{0: 4, 1: byte(v), 2: vrid}
	if source.Is4() {
		a := source.As4()
		copy(p[4:], a[:])
		return
	}
	a := source.As16()
	p[0] = 6
	copy(p[4:], a[:])
}

// tag returns the tag of a message behind which a trailer begins with head, in memory that the next one overwrites.
func (s *signer) tag(p *pseudo, message, head []byte) []byte {
	s.mac.Reset()
	writeSigned(s.mac, p, message, head)
	return s.mac.Sum(s.sum[:0])[:tagLength]
}

// writeSigned writes what is signed: the pseudo-header, the message with checksum 0, the trailer up to its tag, and the tag as
// zeros. A hash never fails.
func writeSigned(h hash.Hash, p *pseudo, message, head []byte) {
	_, _ = h.Write(p[:])
	_, _ = h.Write(message[:checksumOffset])
	_, _ = h.Write(zeros[:checksumEnd-checksumOffset])
	_, _ = h.Write(message[checksumEnd:])
	_, _ = h.Write(head)
	_, _ = h.Write(zeros[:])
}

// plain is a source address as the wire has it.
func plain(source netip.Addr) netip.Addr { return source.Unmap().WithZone("") }

// trailerSequence is the sequence in a trailer.
func trailerSequence(trailer []byte) Sequence {
	return Sequence(binary.BigEndian.Uint64(trailer[sequenceOffset:]))
}
