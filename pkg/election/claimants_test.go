// SPDX-License-Identifier: Apache-2.0

package election

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// forged returns one of very many addresses.
func forged(i int) netip.Addr {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], 10<<24+uint32(i))
	return netip.AddrFrom4(a)
}

func TestClaimantsAreBounded(t *testing.T) {
	var c claimants
	c.note(upper, 240, true)
	for i := range 10000 {
		c.note(forged(i), 241, false)
	}
	if len(c) != maxClaimants+1 || cap(c) > 4*maxClaimants {
		t.Errorf("%d claimants are remembered, with room for %d; want %d", len(c), cap(c), maxClaimants+1)
	}
	if c.claim(upper) != 240 {
		t.Error("other hosts have displaced a known peer")
	}
	if c.claim(forged(9999)) != 241 || c.claim(forged(9999-maxClaimants)) != 0 {
		t.Error("the hosts that are remembered are not the last ones")
	}
	c.note(upper, 242, true)
	c.forget(forged(9999))
	c.forget(forged(1))
	if len(c) != maxClaimants || c.claim(upper) != 242 {
		t.Errorf("%d claimants, the peer claims %d; want %d and 242", len(c), c.claim(upper), maxClaimants)
	}
}

// A million hosts that nobody knows cost a node no memory, whatever they advertise and whatever its state. It is not
// parallel to others, whose memory would count.
func TestForgedSourcesCostNoMemory(t *testing.T) {
	for _, tc := range []struct {
		name  string
		start func() *router
		to    State
	}{
		{"Backup", func() *router { return started(t, hybrid) }, Backup},
		{"Active", func() *router { return active(t) }, Active},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := tc.start()
			if r.e.State() != tc.to {
				r.until(tc.to, 10*time.Second)
			}
			flood := func(n int) {
				for i := range n {
					p := []uint8{vrrp.PriorityRelease, 1, 50, 239, 240, 254}[i%6]
					if tc.to == Active {
						p %= 50 // what it does not yield to
					}
					r.e.Step(r.now, Received{Source: forged(i), Advertisement: vrrp.Advertisement{Priority: p, Interval: time.Second}})
				}
			}
			flood(1000)
			before := heapInUse()
			flood(500_000)
			if after := heapInUse(); after > before+64<<10 {
				t.Errorf("the heap grew from %d to %d bytes", before, after)
			}
		})
	}
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
