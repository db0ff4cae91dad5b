// SPDX-License-Identifier: Apache-2.0

package keyed

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// longestReservation is how far ahead of what was signed Reserve goes at most. It outlasts two writes a second apart.
const longestReservation = 2 * time.Second

// Sender signs the advertisements of one instance. It belongs to one goroutine.
type Sender struct {
	version vrrp.Version
	vrid    uint8
	signer  *signer       // nil: does not sign
	window  time.Duration // 0: Monotonic

	last    Sequence
	started bool // last is one
	pseudo  pseudo
	trailer [vrrp.TrailerLength]byte
}

// NewSender returns a sender that has signed nothing, or what is wrong with the configuration.
func (c Config) NewSender() (*Sender, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Sender{version: c.Version, vrid: c.VRID, window: c.window()}
	for _, signer := range newSigners(c) {
		if signer.id == c.Active && c.Mode != ReceiveOnly {
			s.signer = signer
		}
	}
	return s, nil
}

// window is the window of the policy Time, and 0 for Monotonic.
func (c Config) window() time.Duration {
	if c.AntiReplay != Time {
		return 0
	}
	return c.Window
}

// Sign returns the trailer of an advertisement that leaves from source, in memory that the next call overwrites, or nil in the
// mode ReceiveOnly. The message is that of vrrp.Advertisement.AppendBinary to any destination: each advertisement is signed
// once, whatever the number of peers, and vrrp.Advertisement.AppendSigned adds the trailer.
func (s *Sender) Sign(now time.Time, message []byte, source netip.Addr) []byte {
	if s.signer == nil || len(message) < checksumEnd {
		return nil
	}
	s.next(SequenceAt(now))
	s.trailer = [vrrp.TrailerLength]byte{0: trailerType, keyOffset: s.signer.id}
	binary.BigEndian.PutUint64(s.trailer[sequenceOffset:], uint64(s.last))
	s.pseudo.set(s.version, s.vrid, plain(source))
	copy(s.trailer[tagOffset:], s.signer.tag(&s.pseudo, message, s.trailer[:tagOffset]))
	return s.trailer[:]
}

// next moves last on: to the clock, or by one where the clock stood still or went back. A clock that was far ahead and has been
// put right is followed with the policy Time, whose receivers forget by it.
func (s *Sender) next(clock Sequence) {
	switch {
	case !s.started, clock.After(s.last), s.window > 0 && s.last.secondsAhead(clock) > s.window:
		s.last, s.started = clock, true
	default:
		s.last++ // carries into the fraction
	}
}

// Last is the sequence that was signed last. ok is false before the first one.
func (s *Sender) Last() (last Sequence, ok bool) { return s.last, s.started }

// Reserve is a sequence that lies ahead of the last one. A sender whose file has it and that is started anew signs no earlier
// sequence than before, if the file is written at least once a second. It lies 2 s ahead, and no more than half of the window.
func (s *Sender) Reserve() (reserved Sequence, ok bool) {
	reservation := longestReservation
	if s.window > 0 {
		reservation = min(reservation, (s.window / 2).Truncate(time.Second))
	}
	return s.last + sequenceSecond*Sequence(reservation/time.Second), s.started
}

// Restore makes the next sequence the later one of the clock and what Reserve had returned.
func (s *Sender) Restore(reserved Sequence) {
	if !s.started || reserved.After(s.last) {
		s.last, s.started = reserved, true
	}
}
