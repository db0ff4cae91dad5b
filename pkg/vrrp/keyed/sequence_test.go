// SPDX-License-Identifier: Apache-2.0

package keyed

import (
	"testing"
	"time"
)

func TestSequenceAt(t *testing.T) {
	tests := []struct {
		name string
		at   time.Time
		want Sequence
	}{
		{"1970", time.Unix(0, 0), 0},
		{"a whole second", time.Unix(1795874600, 0), 0x6b0adf28_0000_0000},
		{"half a second", time.Unix(1, 500_000_000), 0x1_8000_0000},
		{"the fraction is cut", time.Unix(0, 15_258), 0},
		{"its first step", time.Unix(0, 15_259), 0x1_0000},
		{"its last step", time.Unix(0, 999_999_999), 0xffff_0000},
		{"the last second", time.Unix(1<<32-1, 0), 0xffffffff_0000_0000},
		{"the second after it", time.Unix(1<<32, 0), 0},
		{"in another time zone", time.Unix(1, 0).In(time.FixedZone("", 3600)), 0x1_0000_0000},
	}
	for _, tt := range tests {
		if got := SequenceAt(tt.at); got != tt.want {
			t.Errorf("%s: %016x, want %016x", tt.name, uint64(got), uint64(tt.want))
		}
	}
}

func TestAfter(t *testing.T) {
	tests := []struct {
		name  string
		s, o  Sequence
		after bool
	}{
		{"the same", 5, 5, false},
		{"one more", 6, 5, true},
		{"one less", 5, 6, false},
		{"past the end of the numbers", 0, 1<<64 - 1, true},
		{"back before it", 1<<64 - 1, 0, false},
		{"2^63-1 ahead", 1<<63 - 1, 0, true},
		{"2^63 ahead is neither", 1 << 63, 0, false},
		{"2^63 behind is neither", 0, 1 << 63, false},
		{"2^63+1 ahead is behind", 1<<63 + 1, 0, false},
	}
	for _, tt := range tests {
		if got := tt.s.After(tt.o); got != tt.after {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}

func TestSub(t *testing.T) {
	at := time.Unix(1<<32-1, 0) // a second before the seconds begin again
	for _, d := range []time.Duration{
		0, time.Second, -time.Second, 2500 * time.Millisecond, -2500 * time.Millisecond, 24 * time.Hour, -24 * time.Hour, 250 * time.Millisecond,
	} {
		s, o := SequenceAt(at.Add(d)), SequenceAt(at)
		if got := s.Sub(o); got != d {
			t.Errorf("%s, want %s", got, d)
		}
		if got, want := s.secondsAhead(o), time.Duration(at.Add(d).Unix()-at.Unix())*time.Second; got != want {
			t.Errorf("%s ahead in whole seconds, want %s", got, want)
		}
	}
	if got := (Sequence(1<<64 - 1)).String(); got != "4294967295.65535.65535" {
		t.Error(got)
	}
}
