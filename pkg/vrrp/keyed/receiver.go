// SPDX-License-Identifier: Apache-2.0

package keyed

import (
	"crypto/hmac"
	"net/netip"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// Receiver checks the trailers of one instance and keeps the marks: of each source the last sequence that was accepted. It
// belongs to one goroutine.
type Receiver struct {
	version vrrp.Version
	vrid    uint8
	mode    Mode
	window  time.Duration // 0: Monotonic
	signers []*signer
	marks   marks
	pseudo  pseudo
}

// NewReceiver returns a receiver without marks, or what is wrong with the configuration. Without peers it is one of multicast.
func (c Config) NewReceiver(peers []netip.Addr) (*Receiver, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	r := &Receiver{version: c.Version, vrid: c.VRID, mode: c.Mode, window: c.window(), signers: newSigners(c)}
	r.marks.setPeers(peers)
	return r, nil
}

// Verdict is what Verify found of a packet that it does not refuse. Only Verify makes one that Accept does anything with.
type Verdict struct {
	Signed bool          // false: without a trailer, which the mode accepts
	KeyID  uint8         // of the key that it is signed with
	Skew   time.Duration // by how much the clock of the source is ahead of ours, with the time on the way
	Skewed bool          // the skew is more than half of the window (Time alone)

	source   netip.Addr
	sequence Sequence
	forgets  bool // the mark here is outside the window, and does not count
}

// Verify checks the trailer of a packet from source, as vrrp.Advertisement.UnmarshalSigned returns it, behind its message. It
// changes nothing: after it, and after every other check of the packet, Accept raises the mark. The checks that cost less come
// before, those of vrrp.Rules and of the checksum, which the trailer does not cover: keepalived 2.4.3 raises the mark before
// them, and there a copy with a wrong checksum makes the packet itself a replay.
//
// The errors are those of vrrp.Reason, in the order of keepalived. It allocates nothing.
func (r *Receiver) Verify(now time.Time, message, trailer []byte, source netip.Addr) (Verdict, error) {
	source = plain(source)
	clock := SequenceAt(now)
	if len(trailer) == 0 {
		return Verdict{}, r.unsigned()
	}
	if r.marks.peers != nil && !slices.Contains(r.marks.peers, source) {
		return Verdict{}, vrrp.ErrSource
	}
	if len(message) < checksumEnd || !wellFormed(trailer) {
		return Verdict{}, vrrp.ErrHMACMalformed
	}
	v := Verdict{Signed: true, KeyID: trailer[keyOffset], source: source, sequence: trailerSequence(trailer)}
	v.Skew = v.sequence.Sub(clock)
	v.Skewed = r.window > 0 && v.sequence.secondsAhead(clock).Abs() > r.window/2
	if r.outside(v.sequence, clock) {
		return Verdict{}, vrrp.ErrHMACStale
	}
	if err := r.verifyTag(v, message, trailer); err != nil {
		return Verdict{}, err
	}
	if m := r.marks.find(source); m != nil && !v.sequence.After(m.Sequence) {
		if !r.outside(m.Sequence, clock) {
			return Verdict{}, vrrp.ErrHMACReplay
		}
		v.forgets = true
	}
	return v, nil
}

// unsigned says why a packet without a trailer is refused.
func (r *Receiver) unsigned() error {
	if r.mode == Enforce {
		return vrrp.ErrHMACMissing
	}
	return nil
}

// wellFormed reports whether a trailer is of the one type that there is.
func wellFormed(trailer []byte) bool {
	return len(trailer) == vrrp.TrailerLength && trailer[0] == trailerType && trailer[reservedOffset]|trailer[reservedOffset+1] == 0
}

// outside reports whether a sequence lies outside the window. Its edge is inside.
func (r *Receiver) outside(s, clock Sequence) bool {
	return r.window > 0 && s.secondsAhead(clock).Abs() > r.window
}

// verifyTag checks the tag, in the same time whatever it is.
func (r *Receiver) verifyTag(v Verdict, message, trailer []byte) error {
	for _, s := range r.signers {
		if s.id != v.KeyID {
			continue
		}
		r.pseudo.set(r.version, r.vrid, v.source)
		if !hmac.Equal(s.tag(&r.pseudo, message, trailer[:tagOffset]), trailer[tagOffset:]) {
			return vrrp.ErrHMACInvalid
		}
		return nil
	}
	return vrrp.ErrHMACUnknownKey
}

// Accept raises the mark of a packet that has passed every check, so that it is a replay from now on. It does nothing for one
// that is not signed, and never lowers a mark that still counts.
func (r *Receiver) Accept(v Verdict) {
	if !v.Signed {
		return
	}
	if m := r.marks.find(v.source); m != nil && !v.forgets && !v.sequence.After(m.Sequence) {
		return
	}
	r.marks.set(v.source, v.sequence)
}

// SetPeers replaces the peers of a receiver of unicast. The marks stay.
func (r *Receiver) SetPeers(peers []netip.Addr) { r.marks.setPeers(peers) }

// Marks returns the marks, the least recently raised one first.
func (r *Receiver) Marks() []Mark { return r.marks.export() }

// Restore sets marks of an earlier process or configuration, but none that is earlier than one here, and with the policy Time
// none that lies ahead of now by more than the window.
func (r *Receiver) Restore(now time.Time, saved []Mark) { r.marks.restore(now, r.window, saved) }
