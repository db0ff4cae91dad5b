// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"net/netip"
	"testing"
)

func TestDropsAreCountedByReason(t *testing.T) {
	var d drops
	d.add("checksum", netip.MustParseAddr("192.0.2.9"))
	d.add("checksum", netip.MustParseAddr("192.0.2.8"))
	d.add("vrid", netip.Addr{})
	got := d.snapshot()
	if got["checksum"].Count != 2 || got["checksum"].From != "192.0.2.8" || got["vrid"].Count != 1 {
		t.Errorf("drops %+v", got)
	}
}
