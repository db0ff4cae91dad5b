// SPDX-License-Identifier: Apache-2.0

package keyed

import (
	"bytes"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

var message51 = []byte{0x31, 51, 150, 1, 0, 100, 0xfa, 0x15, 192, 168, 238, 100}

func newSender(t testing.TB, change func(*Config)) *Sender {
	t.Helper()
	c := with(t, vrrp.Version3, 51, "1=K1")
	change(&c)
	s, err := c.NewSender()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func monotonic(c *Config) { c.AntiReplay = Monotonic }

// seconds is a moment relative to start, in seconds.
func seconds(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }

// at is a sequence relative to start: seconds, and a counter.
func at(s float64, counter Sequence) Sequence { return SequenceAt(seconds(s)) + counter }

// TestSequenceOfTheSender signs at moments of a clock that stands still, goes back and jumps.
func TestSequenceOfTheSender(t *testing.T) {
	type signed struct {
		now  float64
		want Sequence
	}
	window := func(d time.Duration) func(*Config) { return func(c *Config) { c.Window = d } }
	tests := []struct {
		name   string
		change func(*Config)
		all    []signed
	}{
		{"the clock goes on", window(5 * time.Second), []signed{{0, at(0, 0)}, {1, at(1, 0)}, {2.5, at(2.5, 0)}}},
		{"it stands still", window(5 * time.Second), []signed{{0, at(0, 0)}, {0, at(0, 1)}, {0, at(0, 2)}, {1, at(1, 0)}}},
		{"it goes back by less than a second", window(5 * time.Second), []signed{{1, at(1, 0)}, {0.5, at(1, 1)}, {0.75, at(1, 2)}, {1.5, at(1.5, 0)}}},
		{"it goes back by the window", window(5 * time.Second), []signed{{5, at(5, 0)}, {0, at(5, 1)}, {5, at(5, 2)}, {6, at(6, 0)}}},
		{"it is put right", window(5 * time.Second), []signed{{6, at(6, 0)}, {0, at(0, 0)}, {1, at(1, 0)}}},
		{"whole seconds count", window(5 * time.Second), []signed{{5.9, at(5.9, 0)}, {0, at(5.9, 1)}, {-0.1, at(-0.1, 0)}}},
		{"it is put right by a year", window(300 * time.Second), []signed{{365 * 86400, at(365*86400, 0)}, {0, at(0, 0)}}},
		{"Monotonic goes on from a clock that was wrong", monotonic, []signed{{3600, at(3600, 0)}, {0, at(3600, 1)}, {1, at(3600, 2)}, {3601, at(3601, 0)}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSender(t, tt.change)
			if _, ok := s.Last(); ok {
				t.Error("has signed before the first time")
			}
			for i, step := range tt.all {
				trailer := s.Sign(seconds(step.now), message51, sender11)
				last, ok := s.Last()
				if got := trailerSequence(trailer); got != step.want || last != got || !ok {
					t.Errorf("step %d: signed %s, last %s, want %s", i, got, last, step.want)
				}
			}
		})
	}
}

// TestSequenceCarries holds that the counter goes on in the fraction, and that in the seconds.
func TestSequenceCarries(t *testing.T) {
	s := newSender(t, monotonic)
	for _, last := range []Sequence{0x6b0adf28_0000_ffff, 0x6b0adf28_ffff_ffff, 1<<64 - 1} {
		s.last, s.started = last, true
		s.next(last - 1<<20)
		if got, _ := s.Last(); got != last+1 {
			t.Errorf("%s is followed by %s", last, got)
		}
	}
}

// TestFirstSequenceIsTheClock holds it past 2038 too, when the clock lies behind a 0 by signed difference.
func TestFirstSequenceIsTheClock(t *testing.T) {
	for _, change := range []func(*Config){monotonic, func(*Config) {}} {
		s := newSender(t, change)
		now := time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)
		if got := trailerSequence(s.Sign(now, message51, sender11)); got != SequenceAt(now) {
			t.Errorf("%s, want %s", got, SequenceAt(now))
		}
	}
}

// TestSenderStartsAnew has a process end at any moment and its clock go back.
func TestSenderStartsAnew(t *testing.T) {
	for _, back := range []time.Duration{0, 100 * time.Millisecond, 2 * time.Second, 3 * time.Second} {
		before := newSender(t, func(*Config) {})
		before.Sign(start, message51, sender11)
		reserved, ok := before.Reserve()
		if want := at(2, 0); reserved != want || !ok {
			t.Fatalf("reserves %s, want %s", reserved, want)
		}
		before.Sign(seconds(1.9), message51, sender11) // not written any more
		last, _ := before.Last()

		after := newSender(t, func(*Config) {})
		after.Restore(reserved)
		if got := trailerSequence(after.Sign(start.Add(2*time.Second-back), message51, sender11)); !got.After(last) {
			t.Errorf("the clock went back %s: signs %s after %s", back, got, last)
		}
	}
	s := newSender(t, func(*Config) {})
	s.Restore(at(0, 0))
	if got := trailerSequence(s.Sign(seconds(10), message51, sender11)); got != at(10, 0) {
		t.Errorf("signs %s although the clock is later", got)
	}
	s.Restore(at(5, 0))
	if got, _ := s.Last(); got != at(10, 0) {
		t.Errorf("what is older than the last sequence was restored: %s", got)
	}
	s.Restore(at(12, 0))
	if got := trailerSequence(s.Sign(seconds(11), message51, sender11)); got != at(12, 1) {
		t.Errorf("signs %s after what was restored", got)
	}
}

// TestReservationFitsTheWindow holds that a peer accepts what a sender signs right after its start.
func TestReservationFitsTheWindow(t *testing.T) {
	for window, want := range map[time.Duration]Sequence{
		time.Second: at(0, 0), 2 * time.Second: at(1, 0), 3 * time.Second: at(1, 0), 4 * time.Second: at(2, 0), 300 * time.Second: at(2, 0),
	} {
		s := newSender(t, func(c *Config) { c.Window = window })
		s.Sign(start, message51, sender11)
		if got, _ := s.Reserve(); got != want {
			t.Errorf("window %s: reserves %s, want %s", window, got, want)
		}
	}
	s := newSender(t, monotonic)
	if _, ok := s.Reserve(); ok {
		t.Error("reserves before it has signed")
	}
	s.Sign(start, message51, sender11)
	if got, _ := s.Reserve(); got != at(2, 0) {
		t.Errorf("Monotonic: reserves %s", got)
	}
}

// TestModesOfTheSender holds what is signed: with Enforce and Permissive everything, a release too.
func TestModesOfTheSender(t *testing.T) {
	release := bytes.Clone(message51)
	release[2] = vrrp.PriorityRelease
	for mode, signs := range map[Mode]bool{Enforce: true, Permissive: true, ReceiveOnly: false} {
		s := newSender(t, func(c *Config) { c.Mode = mode })
		for _, message := range [][]byte{message51, release} {
			if got := s.Sign(start, message, sender11); (got != nil) != signs {
				t.Errorf("%s: trailer %x", mode, got)
			}
		}
		if _, ok := s.Last(); ok != signs {
			t.Errorf("%s: has a last sequence: %t", mode, ok)
		}
	}
	if got := newSender(t, monotonic).Sign(start, message51[:7], sender11); got != nil {
		t.Errorf("signed what is no message: %x", got)
	}
}

// TestActiveKeySigns signs with each of two keys.
func TestActiveKeySigns(t *testing.T) {
	c := with(t, vrrp.Version3, 51, "1=K1", "255=K2")
	r, err := c.NewReceiver(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []uint8{1, 255} {
		c.Active = id
		s, err := c.NewSender()
		if err != nil {
			t.Fatal(err)
		}
		v, err := r.Verify(start, message51, s.Sign(start, message51, sender11), sender11)
		if err != nil || v.KeyID != id {
			t.Errorf("key %d: %+v, %v", id, v, err)
		}
	}
}
