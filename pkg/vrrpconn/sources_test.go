// SPDX-License-Identifier: Apache-2.0

package vrrpconn

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// A million packets, each from another source, cost no memory: neither those that are refused, nor those that are accepted and that
// the election of a Backup or of a holder takes.
func TestForgedSourcesCostNoMemory(t *testing.T) {
	vip, own := netip.MustParseAddr("192.0.2.100"), netip.MustParseAddr("192.0.2.1")
	for _, tc := range []struct {
		name       string
		mode       election.Mode
		state      election.State
		priorities []uint8
	}{
		{"Backup", election.Hybrid, election.Backup, []uint8{0, 1, 50, 239, 240, 254}},
		{"Active", election.VRRP, election.Active, []uint8{0, 1, 50, 99}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			now := time.Unix(1_800_000_000, 0)
			e := election.New(election.Config{
				Node: "a", Identity: "a/1/1", Mode: tc.mode, Version: vrrp.Version3, Priority: 100, AdvertisementInterval: time.Second, Preempt: true,
				Lease:   election.LeaseTimes{RenewInterval: time.Second, StaleAfter: 2 * time.Second, Duration: 5 * time.Second},
				Primary: []netip.Addr{own}, Known: []netip.Addr{own}, Lifetime: 2 * time.Second,
			})
			step := func(events ...election.Event) {
				for _, ev := range events {
					e.Step(now, ev)
				}
			}
			step(election.Startup{}, election.HealthChanged{Healthy: true})
			for i := 0; i < 100 && e.State() != tc.state; i++ { // nobody answers a probe
				now = now.Add(100 * time.Millisecond)
				step(election.Tick{}, election.ProbeDone{Identity: election.Nobody, Client: election.Nobody, Neighbour: election.Nobody})
			}
			if e.State() != tc.state {
				t.Fatalf("state %s, want %s", e.State(), tc.state)
			}
			dropped, accepted := 0, 0
			c := &Conn{in: newReader(), tap: &tap{delivered: map[netip.Addr]bool{}, missed: map[netip.Addr]*missed{}, senders: map[netip.Addr]string{}}}
			c.tapped.Store(true)
			c.cfg.Rules = vrrp.Rules{Version: vrrp.Version3, VRID: 51, Addresses: []netip.Addr{vip}, Own: []netip.Addr{own}, Multicast: true, MinimumTTL: 255}
			var buffer []byte
			flood := func(from, n int) {
				for i := from; i < from+n; i++ {
					var a [4]byte
					binary.BigEndian.PutUint32(a[:], 10<<24+uint32(i))
					p := &c.in.packet
					p.Source, p.Destination, p.TTL = netip.AddrFrom4(a), vrrp.GroupIPv4, 255-i%2
					message := vrrp.Advertisement{Version: vrrp.Version3, VRID: 51, Priority: tc.priorities[i/2%len(tc.priorities)], Interval: time.Second, Addresses: c.cfg.Rules.Addresses}
					var err error
					buffer, err = message.AppendBinary(buffer[:0], p.Source, p.Destination, vrrp.ChecksumPseudo)
					must(t, err)
					c.in.message = buffer
					c.delivered(p.Source)
					must(t, c.in.parse(false))
					if c.rules().Check(c.in.packet) != nil {
						dropped++
						continue
					}
					accepted++
					step(election.Received{Source: p.Source, Advertisement: p.Advertisement})
				}
			}
			const many = 1_000_000
			flood(0, 2000)
			before := heapInUse()
			flood(2000, many)
			if after := heapInUse(); after > before+64<<10 {
				t.Errorf("the heap grew from %d to %d bytes", before, after)
			}
			if dropped < many/2 || accepted < many/2 {
				t.Errorf("%d dropped, %d accepted", dropped, accepted)
			}
			if len(c.tap.delivered) > maxSenders {
				t.Errorf("%d senders are kept", len(c.tap.delivered))
			}
			if e.State() != tc.state {
				t.Errorf("state %s after the flood, want %s", e.State(), tc.state)
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
