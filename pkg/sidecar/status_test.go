// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"net/netip"
	"strings"
	"testing"
)

func TestReadinessTellsTheTruth(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Status)
		want   string // part of the reason, empty: ready
	}{
		{"Backup", func(*Status) {}, ""},
		{"Active with the addresses", func(s *Status) { s.VirtualRouter.State, s.VirtualRouter.Held = "Active", true }, ""},
		{"Leaving still serves", func(s *Status) { s.VirtualRouter.State, s.VirtualRouter.Held = "Leaving", true }, ""},
		{"Active without the addresses", func(s *Status) { s.VirtualRouter.State = "Active" }, "without the virtual addresses"},
		{"Backup with the addresses", func(s *Status) { s.VirtualRouter.Held = true }, "held in state Backup"},
		{"link down", func(s *Status) { s.VirtualRouter.State = "Initialize" }, "Initialize"},
		{"foreign holder", func(s *Status) { s.VirtualRouter.State, s.VirtualRouter.Reason = "Conflict", "foreign holder: 02:00" }, "02:00"},
		{"no healthy backend", func(s *Status) { s.Balancer.Backends[0].Healthy = false }, "no healthy backend"},
		{"no balancer", func(s *Status) { s.Balancer.Up = false }, "balancer down"},
		{"failing action", func(s *Status) { s.VirtualRouter.Failing = map[string]string{"advertise": "network is down"} }, "network is down"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := Status{VirtualRouter: VirtualRouter{State: "Backup"}, Balancer: Balancer{Up: true, Backends: []Backend{{Healthy: true}}}}
			tc.change(&s)
			s.judge()
			if s.Ready != (tc.want == "") || !strings.Contains(strings.Join(s.NotReady, "\n"), tc.want) {
				t.Errorf("ready %v, because of %q", s.Ready, s.NotReady)
			}
		})
	}
}

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
