// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"net/netip"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/probe"
)

// The last answer of a host stays while it is silent, and a host that is no peer any more is forgotten.
func TestHostsKeepTheLastAnswer(t *testing.T) {
	a, b := netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var h hosts
	h.keep([]netip.Addr{a, b})
	if got := h.now(); len(got) != 2 || got[0].Asked {
		t.Fatalf("before the first question: %+v", got)
	}
	h.note(a, probe.Identity{Node: "node2"}, "", at)
	h.note(a, probe.Identity{}, "192.0.2.2:10444 refuses connections", at.Add(time.Minute))
	h.keep([]netip.Addr{b, a})
	if got := h.now()[1]; got.Said.Node != "node2" || !got.Answered.Equal(at) || got.Failure == "" || !got.Asked {
		t.Errorf("a silent host is %+v", got)
	}
	h.note(a, probe.Identity{Node: "node2"}, "", at.Add(time.Hour))
	if got := h.now()[1]; got.Failure != "" || !got.Answered.Equal(at.Add(time.Hour)) {
		t.Errorf("a host that answers again is %+v", got)
	}
	h.keep([]netip.Addr{b})
	h.note(a, probe.Identity{Node: "node2"}, "", at)
	if got := h.now(); len(got) != 1 || got[0].Address != b {
		t.Errorf("a host that is no peer is kept: %+v", got)
	}
}
