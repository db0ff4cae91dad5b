// SPDX-License-Identifier: Apache-2.0

package keyed

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

var sameAddr = cmpopts.EquateComparable(netip.Addr{})

func other(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }

// TestMulticastHas32Marks fills the table: the source that was heard longest ago gives way, but not to a packet that is refused.
func TestMulticastHas32Marks(t *testing.T) {
	r := newReceiver(t, func(*Config) {})
	for i := range mostOthers {
		if err := hear(t, r, start, at(0, 0), other(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := hear(t, r, start, at(1, 0), other(0)); err != nil { // the second one is now the least recently used
		t.Fatal(err)
	}
	forged := trailerOf(t, at(0, 0), other(100))
	forged[tagOffset]++
	if _, err := r.Verify(start, message51, forged, other(100)); !errors.Is(err, vrrp.ErrHMACInvalid) {
		t.Fatal(err)
	}
	for i := range mostOthers {
		if err := hear(t, r, start, at(0, 0), other(i)); !errors.Is(err, vrrp.ErrHMACReplay) {
			t.Errorf("source %d: %v although there is a place for each", i, err)
		}
	}
	if err := hear(t, r, start, at(0, 0), other(100)); err != nil {
		t.Fatal(err)
	}
	if len(r.Marks()) != mostOthers {
		t.Errorf("%d marks", len(r.Marks()))
	}
	for i, want := range map[int]error{0: vrrp.ErrHMACReplay, 1: nil, 2: vrrp.ErrHMACReplay, 100: vrrp.ErrHMACReplay} {
		if _, err := r.Verify(start, message51, trailerOf(t, at(0, 0), other(i)), other(i)); !errors.Is(err, want) {
			t.Errorf("source %d: %v, want %v", i, err, want)
		}
	}
}

// TestPeersHaveMarksOfTheirOwn holds that more peers than 32 keep theirs, and that nobody else is heard.
func TestPeersHaveMarksOfTheirOwn(t *testing.T) {
	r := newReceiver(t, func(*Config) {})
	var peers []netip.Addr
	for i := range 64 {
		peers = append(peers, other(i))
	}
	r.SetPeers(peers)
	for _, want := range []error{nil, vrrp.ErrHMACReplay} {
		for _, p := range peers {
			if err := hear(t, r, start, at(0, 0), p); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", p, err, want)
			}
		}
	}
	if err := hear(t, r, start, at(0, 0), other(64)); !errors.Is(err, vrrp.ErrSource) {
		t.Errorf("no peer: %v", err)
	}
	if len(r.Marks()) != 64 {
		t.Errorf("%d marks", len(r.Marks()))
	}
}

// TestMarksOutliveAChangeOfPeers takes peers away and adds them again.
func TestMarksOutliveAChangeOfPeers(t *testing.T) {
	all := []netip.Addr{other(0), other(1), other(2)}
	r := newReceiver(t, func(*Config) {}, other(0).String(), other(1).String(), other(2).String())
	for _, p := range all {
		if err := hear(t, r, start, at(0, 0), p); err != nil {
			t.Fatal(err)
		}
	}
	r.SetPeers(all[:1])
	if err := hear(t, r, start, at(1, 0), other(1)); !errors.Is(err, vrrp.ErrSource) {
		t.Errorf("of a peer that is gone: %v", err)
	}
	r.SetPeers(all)
	for _, p := range all {
		if err := hear(t, r, start, at(0, 0), p); !errors.Is(err, vrrp.ErrHMACReplay) {
			t.Errorf("%s: %v", p, err)
		}
	}
}

// TestFormerPeersAreBounded changes the peers again and again.
func TestFormerPeersAreBounded(t *testing.T) {
	r := newReceiver(t, func(*Config) {}, other(0).String())
	for i := range 200 {
		r.SetPeers([]netip.Addr{other(i), other(i + 1)})
		for j := range 2 {
			if err := hear(t, r, start, at(float64(j), 0), other(i+j)); err != nil && !errors.Is(err, vrrp.ErrHMACReplay) {
				t.Fatal(err)
			}
		}
	}
	if got := len(r.Marks()); got > mostOthers+2 {
		t.Errorf("%d marks", got)
	}
}

// TestMarksAreRestored takes the marks to another receiver, as a new process and a new configuration do.
func TestMarksAreRestored(t *testing.T) {
	before := newReceiver(t, func(*Config) {})
	for _, m := range []Mark{{other(1), at(1, 0)}, {other(2), at(2, 0)}, {other(3), at(5, 0)}, {other(1), at(3, 7)}, {other(4), at(-100, 0)}} {
		if err := hear(t, before, clockOf(m.Sequence), m.Sequence, m.Source); err != nil {
			t.Fatal(err)
		}
	}
	saved := before.Marks()
	want := []Mark{{other(2), at(2, 0)}, {other(3), at(5, 0)}, {other(1), at(3, 7)}, {other(4), at(-100, 0)}}
	if diff := cmp.Diff(want, saved, sameAddr); diff != "" {
		t.Errorf("marks (-want +got):\n%s", diff)
	}

	after := newReceiver(t, func(*Config) {})
	after.Restore(start, saved)
	if diff := cmp.Diff(want, after.Marks(), sameAddr); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
	if err := hear(t, after, seconds(3), at(3, 7), other(1)); !errors.Is(err, vrrp.ErrHMACReplay) {
		t.Errorf("recorded before the start: %v", err)
	}
	if err := hear(t, after, seconds(3), at(3, 8), other(1)); err != nil {
		t.Errorf("the next one: %v", err)
	}
	after.Restore(start, saved)
	if !slices.Contains(after.Marks(), Mark{other(1), at(3, 8)}) {
		t.Errorf("an older mark took the place of a newer one: %v", after.Marks())
	}
}

// TestMarksOfTheFutureAreNotRestored holds that a clock that was wrong before the start keeps no source out after it.
func TestMarksOfTheFutureAreNotRestored(t *testing.T) {
	saved := []Mark{{other(1), at(5, 0)}, {other(2), at(6, 0)}, {other(3), at(3600, 0)}, {other(4), at(-3600, 0)}}
	r := newReceiver(t, func(*Config) {})
	r.Restore(start, saved)
	if diff := cmp.Diff([]Mark{saved[0], saved[3]}, r.Marks(), sameAddr); diff != "" {
		t.Errorf("Time (-want +got):\n%s", diff)
	}
	r = newReceiver(t, monotonic)
	r.Restore(start, saved)
	if diff := cmp.Diff(saved, r.Marks(), sameAddr); diff != "" {
		t.Errorf("Monotonic (-want +got):\n%s", diff)
	}
}

// TestRestoreIsBounded reads a file with more marks than there are places.
func TestRestoreIsBounded(t *testing.T) {
	var saved []Mark
	for i := range 1000 {
		saved = append(saved, Mark{other(i), at(0, 0)})
	}
	r := newReceiver(t, func(*Config) {})
	r.Restore(start, saved)
	if diff := cmp.Diff(saved[1000-mostOthers:], r.Marks(), sameAddr); diff != "" {
		t.Errorf("marks (-want +got):\n%s", diff)
	}
}
