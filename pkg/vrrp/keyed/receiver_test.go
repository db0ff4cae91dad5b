// SPDX-License-Identifier: Apache-2.0

package keyed

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

func newReceiver(t testing.TB, change func(*Config), peers ...string) *Receiver {
	t.Helper()
	c := with(t, vrrp.Version3, 51, "1=K1")
	change(&c)
	var all []netip.Addr
	for _, p := range peers {
		all = append(all, netip.MustParseAddr(p))
	}
	r, err := c.NewReceiver(all)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// trailerOf signs the message of the tests with a sequence.
func trailerOf(t testing.TB, s Sequence, source netip.Addr) []byte {
	t.Helper()
	sender := newSender(t, monotonic)
	sender.Restore(s - 1)
	return bytes.Clone(sender.Sign(clockOf(s).Add(-time.Hour), message51, source))
}

// hear verifies and accepts a message that was signed with a sequence.
func hear(t testing.TB, r *Receiver, now time.Time, s Sequence, source netip.Addr) error {
	t.Helper()
	v, err := r.Verify(now, message51, trailerOf(t, s, source), source)
	if err == nil {
		r.Accept(v)
	}
	return err
}

func TestWindow(t *testing.T) {
	const bound = 5
	tests := []struct {
		name      string
		now, sent float64
		want      error
		skewed    bool
	}{
		{"no skew", 0, 0, nil, false},
		{"half of the window", 0, 2, nil, false},
		{"more than half", 0, 3, nil, true},
		{"the edge", 0, bound, nil, true},
		{"behind it", 0, bound + 1, vrrp.ErrHMACStale, false},
		{"half of the window, late", 0, -2, nil, false},
		{"more than half, late", 0, -3, nil, true},
		{"the edge, late", 0, -bound, nil, true},
		{"behind it, late", 0, -bound - 1, vrrp.ErrHMACStale, false},
		{"fractions do not count", 0.99, -bound, nil, true},
		{"nor those of the sender", 0, bound + 0.99, nil, true},
		{"half of the numbers away", 0, 1 << 31, vrrp.ErrHMACStale, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newReceiver(t, func(c *Config) { c.Window = bound * time.Second })
			v, err := r.Verify(seconds(tt.now), message51, trailerOf(t, at(tt.sent, 0), sender11), sender11)
			if !errors.Is(err, tt.want) || v.Skewed != tt.skewed {
				t.Errorf("%+v, %v, want %v", v, err, tt.want)
			}
			if diff := (v.Skew - time.Duration((tt.sent-tt.now)*float64(time.Second))).Abs(); err == nil && diff > 50*time.Microsecond {
				t.Errorf("skew %s", v.Skew)
			}
			r = newReceiver(t, monotonic)
			if v, err := r.Verify(seconds(tt.now), message51, trailerOf(t, at(tt.sent, 0), sender11), sender11); err != nil || v.Skewed {
				t.Errorf("Monotonic: %+v, %v", v, err)
			}
		})
	}
}

// TestWindowAtTheEndOfTheSeconds holds that 2106 is a year like any other.
func TestWindowAtTheEndOfTheSeconds(t *testing.T) {
	r := newReceiver(t, func(*Config) {})
	end := time.Unix(1<<32, 0)
	for i, s := range []Sequence{SequenceAt(end.Add(-3 * time.Second)), SequenceAt(end.Add(-time.Second)), SequenceAt(end), SequenceAt(end.Add(2 * time.Second))} {
		if err := hear(t, r, end.Add(-time.Second), s, sender11); err != nil {
			t.Errorf("%d: %v", i, err)
		}
		if err := hear(t, r, end.Add(-time.Second), s, sender11); !errors.Is(err, vrrp.ErrHMACReplay) {
			t.Errorf("%d again: %v", i, err)
		}
	}
}

// TestMarkOutsideTheWindowIsForgotten has the clocks of both put right after they were an hour ahead.
func TestMarkOutsideTheWindowIsForgotten(t *testing.T) {
	r := newReceiver(t, func(*Config) {})
	for _, step := range []struct {
		now, sent float64
		want      error
	}{
		{3600, 3600, nil}, {0, 0, nil}, {0, 0, vrrp.ErrHMACReplay}, {1, 1, nil}, {1, 0.5, vrrp.ErrHMACReplay},
		{-4, 0.5, vrrp.ErrHMACReplay}, // the mark is inside the window still
		{-5, -5, nil},
	} {
		if err := hear(t, r, seconds(step.now), at(step.sent, 0), sender11); !errors.Is(err, step.want) {
			t.Errorf("now %g, sent %g: %v, want %v", step.now, step.sent, err, step.want)
		}
	}
	r = newReceiver(t, monotonic)
	if err := hear(t, r, seconds(3600), at(3600, 0), sender11); err != nil {
		t.Error(err)
	}
	if err := hear(t, r, start, at(0, 0), sender11); !errors.Is(err, vrrp.ErrHMACReplay) {
		t.Errorf("Monotonic forgot its mark: %v", err)
	}
}

// TestVerifyRaisesNoMark holds that a packet that is verified, but then refused, does no harm to the same packet afterwards.
func TestVerifyRaisesNoMark(t *testing.T) {
	r := newReceiver(t, func(*Config) {})
	for range 2 {
		if _, err := r.Verify(start, message51, trailerOf(t, at(0, 0), sender11), sender11); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.Marks(); len(got) != 0 {
		t.Errorf("marks %v", got)
	}
	older, err := r.Verify(start, message51, trailerOf(t, at(-1, 0), sender11), sender11)
	if err != nil {
		t.Fatal(err)
	}
	if err := hear(t, r, start, at(0, 0), sender11); err != nil {
		t.Fatal(err)
	}
	r.Accept(older)
	r.Accept(Verdict{Signed: true, KeyID: 1})
	r.Accept(Verdict{})
	if got := r.Marks(); !slices.Contains(got, Mark{sender11, at(0, 0)}) {
		t.Errorf("the mark was lowered: %v", got)
	}
}

// TestReasons has one packet for each reason of this package. Nothing but a missing trailer goes by the mode, and no refusal
// raises a mark.
func TestReasons(t *testing.T) {
	good := trailerOf(t, at(0, 0), sender11)
	with := func(index int, value byte) []byte {
		b := bytes.Clone(good)
		b[index] = value
		return b
	}
	tests := []struct {
		name    string
		trailer []byte
		want    string
	}{
		{"no trailer", nil, "hmac_missing"},
		{"another type", with(0, 2), "hmac_malformed"},
		{"reserved, high", with(2, 1), "hmac_malformed"},
		{"reserved, low", with(3, 1), "hmac_malformed"},
		{"a byte less", good[:27], "hmac_malformed"},
		{"a byte more", append(bytes.Clone(good), 0), "hmac_malformed"},
		{"old", trailerOf(t, at(-6, 0), sender11), "hmac_stale"},
		{"old, of an unknown key", with(sequenceOffset, 0), "hmac_stale"},
		{"an unknown key", with(keyOffset, 9), "hmac_unknown_key"},
		{"another sequence", with(sequenceOffset+7, 7), "hmac_invalid"},
		{"another tag, first byte", with(tagOffset, good[tagOffset]^1), "hmac_invalid"},
		{"another tag, last byte", with(27, good[27]^1), "hmac_invalid"},
		{"of another source", trailerOf(t, at(0, 0), netip.MustParseAddr("192.168.238.12")), "hmac_invalid"},
		{"before the mark", trailerOf(t, at(-2, 0), sender11), "hmac_replay"},
		{"the mark", trailerOf(t, at(-1, 0), sender11), "hmac_replay"},
	}
	for _, mode := range []Mode{Enforce, Permissive, ReceiveOnly} {
		r := newReceiver(t, func(c *Config) { c.Mode = mode })
		if err := hear(t, r, start, at(-1, 0), sender11); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, tt := range tests {
			seen[tt.want] = true
			v, err := r.Verify(start, message51, tt.trailer, sender11)
			if tt.want == "hmac_missing" && mode != Enforce {
				if err != nil || v != (Verdict{}) {
					t.Errorf("%s, %s: %+v, %v", mode, tt.name, v, err)
				}
				r.Accept(v)
			} else if got := vrrp.Reason(err); got != tt.want || v != (Verdict{}) {
				t.Errorf("%s, %s: %s, %+v, want %s", mode, tt.name, got, v, tt.want)
			}
		}
		for _, label := range vrrp.Reasons() {
			if strings.HasPrefix(label, "hmac_") && !seen[label] {
				t.Errorf("nothing is refused for %s", label)
			}
		}
		if got := r.Marks(); len(got) != 1 || got[0] != (Mark{sender11, at(-1, 0)}) {
			t.Errorf("%s: marks %v", mode, got)
		}
		if err := hear(t, r, start, at(0, 0), sender11); err != nil {
			t.Errorf("%s: the right packet behind them: %v", mode, err)
		}
	}
}

// TestMessageIsSigned changes each bit of a message: only the checksum is free.
func TestMessageIsSigned(t *testing.T) {
	r := newReceiver(t, func(*Config) {})
	trailer := trailerOf(t, at(0, 0), sender11)
	for i := range message51 {
		for bit := range 8 {
			b := bytes.Clone(message51)
			b[i] ^= 1 << bit
			_, err := r.Verify(start, b, trailer, sender11)
			if free := i >= checksumOffset && i < checksumEnd; (err == nil) != free {
				t.Errorf("byte %d, bit %d: %v", i, bit, err)
			}
		}
	}
	for _, b := range [][]byte{message51[:11], append(bytes.Clone(message51), 0), message51[:8]} {
		if _, err := r.Verify(start, b, trailer, sender11); !errors.Is(err, vrrp.ErrHMACInvalid) {
			t.Errorf("message of %d bytes: %v", len(b), err)
		}
	}
}

// TestInstanceIsSigned holds that a trailer is worth nothing to another version, virtual router or family.
func TestInstanceIsSigned(t *testing.T) {
	trailer := trailerOf(t, at(0, 0), sender11)
	for name, change := range map[string]func(*Config){
		"version": func(c *Config) { c.Version = vrrp.Version2 }, "virtual router": func(c *Config) { c.VRID = 52 },
		"key": func(c *Config) { c.Keys[0].Secret = []byte(secret) },
	} {
		if _, err := newReceiver(t, change).Verify(start, message51, trailer, sender11); !errors.Is(err, vrrp.ErrHMACInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var a [16]byte
	copy(a[:], sender11.AsSlice())
	if _, err := newReceiver(t, func(*Config) {}).Verify(start, message51, trailer, netip.AddrFrom16(a)); !errors.Is(err, vrrp.ErrHMACInvalid) {
		t.Errorf("the same bytes as an IPv6 source: %v", err)
	}
	mapped := netip.AddrFrom16(sender11.As16())
	if _, err := newReceiver(t, func(*Config) {}).Verify(start, message51, trailer, mapped); err != nil {
		t.Errorf("the IPv4 source as IPv6 has it: %v", err)
	}
	zoned := netip.MustParseAddr("fe80::1%eth0")
	if _, err := newReceiver(t, func(*Config) {}).Verify(start, message51, trailerOf(t, at(0, 0), zoned), zoned.WithZone("")); err != nil {
		t.Errorf("the zone is part of the source: %v", err)
	}
}

// TestVerifyAllocatesNothing holds it for packets that are accepted and for those of a flood, with as many marks as there may be.
func TestVerifyAllocatesNothing(t *testing.T) {
	for _, peers := range [][]string{nil, {"192.168.238.11"}} {
		r := newReceiver(t, func(*Config) {}, peers...)
		good := newSender(t, func(*Config) {})
		forged := trailerOf(t, at(0, 0), sender11)
		forged[tagOffset]++
		sources := []netip.Addr{sender11}
		for i := byte(20); i < 60 && peers == nil; i++ {
			sources = append(sources, netip.AddrFrom4([4]byte{192, 168, 238, i}))
		}
		n := testing.AllocsPerRun(100, func() {
			for _, source := range sources {
				v, err := r.Verify(start, message51, good.Sign(start, message51, source), source)
				if err != nil {
					t.Fatal(err)
				}
				r.Accept(v)
				if _, err := r.Verify(start, message51, forged, source); err == nil {
					t.Fatal("accepted")
				}
			}
		})
		if n != 0 {
			t.Errorf("%g allocations, want none", n)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	r := newReceiver(b, func(*Config) {})
	forged := trailerOf(b, at(0, 0), sender11)
	forged[tagOffset]++
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Verify(start, message51, forged, sender11); err == nil {
			b.Fatal("accepted")
		}
	}
}
