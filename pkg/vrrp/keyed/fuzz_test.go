// SPDX-License-Identifier: Apache-2.0

package keyed

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// FuzzVerify asserts that nothing from the network panics, and that a trailer is accepted only if the sender made it so: of what
// it signed, not a bit may be another. Whatever is accepted is a replay afterwards.
func FuzzVerify(f *testing.F) {
	for _, p := range packets(f) {
		f.Add(p.message, p.trailer, p.source.AsSlice(), p.key == "1=K1")
	}
	f.Add(message51, []byte{}, sender11.AsSlice(), true)
	f.Fuzz(func(t *testing.T, message, trailer, from []byte, byClock bool) {
		source, ok := netip.AddrFromSlice(from)
		if !ok {
			source = sender11
		}
		c := with(t, vrrp.Version3, 51, "1=K1", "2=K2")
		now := start
		if len(trailer) >= tagOffset {
			now = time.Unix(int64(trailerSequence(trailer)>>32), 0) // else most are stale
		}
		if !byClock {
			c.AntiReplay = Monotonic
		}
		r, err := c.NewReceiver(nil)
		if err != nil {
			t.Fatal(err)
		}
		v, err := r.Verify(now, message, trailer, source)
		if err != nil {
			if vrrp.Reason(err) == "other" {
				t.Fatalf("refused without a reason: %v", err)
			}
			return
		}
		c.Active, c.AntiReplay = v.KeyID, Monotonic
		s, err := c.NewSender()
		if err != nil {
			t.Fatalf("accepted of key %d: %v", v.KeyID, err)
		}
		s.Restore(trailerSequence(trailer) - 1)
		if got := s.Sign(now.Add(-time.Hour), message, source); !bytes.Equal(got, trailer) {
			t.Fatalf("accepted %x, signed %x", trailer, got)
		}
		r.Accept(v)
		if _, err := r.Verify(now, message, trailer, source); vrrp.Reason(err) != "hmac_replay" {
			t.Fatalf("accepted again: %v", err)
		}
	})
}

// FuzzChangedBit changes one bit of what a sender has signed, or of its trailer: only the checksum is not signed.
func FuzzChangedBit(f *testing.F) {
	f.Add(uint16(0), int64(0), []byte(message51))
	f.Add(uint16(50), int64(999_999_999), []byte(message51))
	f.Add(uint16(100), int64(1<<60), bytes.Repeat([]byte{0x31}, 60))
	f.Fuzz(func(t *testing.T, bit uint16, moment int64, message []byte) {
		if len(message) < checksumEnd {
			return
		}
		now := time.Unix(0, moment)
		r, s := newReceiver(t, func(*Config) {}), newSender(t, func(*Config) {})
		all := append(bytes.Clone(message), s.Sign(now, message, sender11)...)
		verify := func() error {
			_, err := r.Verify(now, all[:len(message)], all[len(message):], sender11)
			return err
		}
		if err := verify(); err != nil {
			t.Fatalf("what was signed is refused: %v", err)
		}
		at := int(bit) / 8 % len(all)
		all[at] ^= 1 << (bit % 8)
		if err, free := verify(), at >= checksumOffset && at < checksumEnd; (err == nil) != free {
			t.Fatalf("byte %d of %d changed: %v", at, len(all), err)
		}
	})
}
