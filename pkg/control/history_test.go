// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestHistory(t *testing.T) {
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(seconds float64) time.Time { return begin.Add(time.Duration(seconds * float64(time.Second))) }
	a, b := HolderSpan{Holder: netip.MustParseAddr("192.0.2.1")}, HolderSpan{Holder: netip.MustParseAddr("192.0.2.2")}
	own := HolderSpan{Own: true, Reason: "no advertisement heard"}
	span := func(s HolderSpan, from, seen float64, unserved time.Duration) HolderSpan {
		s.From, s.Seen, s.Unserved = at(from), at(seen), unserved
		return s
	}
	type seen struct {
		holder HolderSpan
		at     float64
	}
	for _, tc := range []struct {
		name string
		seen []seen
		want []HolderSpan
	}{
		{"nobody", nil, nil},
		{"one that advertises", []seen{{a, 0}, {a, 1}, {a, 2}}, []HolderSpan{span(a, 0, 2, 0)}},
		{"what was seen before is no news", []seen{{a, 1}, {a, 1}, {b, 0}}, []HolderSpan{span(a, 1, 1, 0)}},
		{"lost advertisements", []seen{{a, 0}, {a, 4}}, []HolderSpan{span(a, 0, 4, 0)}},
		{"a planned move", []seen{{a, 0}, {a, 1}, {b, 1.1}, {b, 2}}, []HolderSpan{span(a, 0, 1, 0), span(b, 1.1, 2, 0)}},
		{"this node takes over from one that died", []seen{{a, 0}, {own, 3.6}, {own, 4}}, []HolderSpan{span(a, 0, 0, 0), span(own, 3.6, 4, 3600*time.Millisecond)}},
		{"the same one after an outage", []seen{{a, 0}, {a, 60}}, []HolderSpan{span(a, 0, 0, 0), span(a, 60, 60, time.Minute)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var h history
			for _, s := range tc.seen {
				h.see(s.holder, at(s.at), time.Second)
			}
			if diff := cmp.Diff(tc.want, h.spans, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Only the last ones are kept, and what was handed out stays as it was.
func TestHistoryIsBounded(t *testing.T) {
	var h history
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := range 3 * keptSpans {
		before := h.spans
		var copied []HolderSpan
		copied = append(copied, before...)
		h.see(HolderSpan{Holder: netip.AddrFrom4([4]byte{192, 0, 2, byte(i % 2)})}, now.Add(time.Duration(i)*time.Second), time.Second)
		if !cmp.Equal(before, copied, cmpopts.EquateComparable(netip.Addr{})) {
			t.Fatalf("what was handed out has changed with span %d", i)
		}
	}
	if len(h.spans) != keptSpans || !h.spans[keptSpans-1].From.Equal(now.Add((3*keptSpans-1)*time.Second)) {
		t.Errorf("%d spans, the last from %s", len(h.spans), h.spans[len(h.spans)-1].From)
	}
}

// The loop follows who holds the addresses: another node, then this one, after the time in which nobody did.
func TestStatusHasTheHolders(t *testing.T) {
	running(t, asItIs, func(t *testing.T, h *host, l *Loop, stop func()) {
		for range 3 {
			h.advertised("192.0.2.9", 200)
			time.Sleep(time.Second)
		}
		time.Sleep(10 * time.Second)
		spans := l.Status().Holders
		if len(spans) != 2 || spans[0].Holder != netip.MustParseAddr("192.0.2.9") || !spans[1].Own || spans[1].Reason == "" {
			t.Fatalf("holders %+v", spans)
		}
		if gap := spans[1].Unserved; gap < 3*time.Second || gap > 5*time.Second || gap != spans[1].From.Sub(spans[0].Seen) {
			t.Errorf("unserved for %s", gap)
		}
		gap := spans[1].Unserved.Round(time.Millisecond).String()
		const series = `{interface="eth0",reason="no_advertisement",vrid="51"`
		h.wantMetrics(t, "vip_unserved_seconds_count"+series+"} 1", "vip_unserved_seconds_bucket"+series+`,le="2"} 0`, "vip_unserved_seconds_bucket"+series+`,le="5"} 1`)
		h.wantLines(t, "Virtual addresses added and announced", `"unserved":"`+gap+`","evidence":"identity port `)
		said := "; nobody served for " + gap + " as far as this host knows"
		if !slices.ContainsFunc(h.notices, func(n string) bool { return strings.HasPrefix(n, "StateActive: ") && strings.HasSuffix(n, said) }) {
			t.Errorf("no Event says %q: %q", said, h.notices)
		}
		move := l.Status().Moves[len(l.Status().Moves)-1]
		if move.Unserved != spans[1].Unserved || move.Cause != "no_advertisement" || !strings.HasPrefix(move.Evidence, "identity port ") {
			t.Errorf("the move is %+v", move)
		}
		if last := spans[1]; last.Seen.Sub(last.From) < 5*time.Second {
			t.Errorf("this node was seen from %s to %s", last.From, last.Seen)
		}
		stop()
	})
}
