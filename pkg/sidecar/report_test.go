// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"net/netip"
	"testing"
)

func TestDropsAreCountedByReason(t *testing.T) {
	s := &Sidecar{}
	s.dropped("checksum", netip.MustParseAddr("192.0.2.9"))
	s.dropped("checksum", netip.MustParseAddr("192.0.2.8"))
	s.dropped("vrid", netip.Addr{})
	got := s.drops.snapshot()
	if got["checksum"].Count != 2 || got["checksum"].From != "192.0.2.8" || got["vrid"].Count != 1 {
		t.Errorf("drops %+v", got)
	}
}
