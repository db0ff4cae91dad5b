// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/health"
)

var backendA, backendB, backendC = netip.MustParseAddrPort("192.0.2.1:6443"), netip.MustParseAddrPort("192.0.2.2:6443"), netip.MustParseAddrPort("192.0.2.3:6443")

// What takes connections and what is dead follows from the health as it does in the balancer process.
func TestTakersAndDead(t *testing.T) {
	b := func(address netip.AddrPort, state health.State, change ...func(*BackendStatus)) BackendStatus {
		s := BackendStatus{Address: address, State: state}
		for _, c := range change {
			c(&s)
		}
		return s
	}
	accepts, deaf, backup := func(s *BackendStatus) { s.Accepts = true }, func(s *BackendStatus) { s.Deaf = true }, func(s *BackendStatus) { s.Backup = true }
	ordered := func(a balance.AdminState) func(*BackendStatus) { return func(s *BackendStatus) { s.Admin = a } }
	for name, tt := range map[string]struct {
		backends     []BackendStatus
		takers, dead []netip.AddrPort
	}{
		"one drains":            {[]BackendStatus{b(backendA, health.Healthy), b(backendB, health.Healthy, ordered(balance.Drain))}, []netip.AddrPort{backendA}, nil},
		"one in maintenance":    {[]BackendStatus{b(backendA, health.Healthy), b(backendB, health.Healthy, ordered(balance.Maintenance))}, []netip.AddrPort{backendA}, []netip.AddrPort{backendB}},
		"nothing healthy takes": {[]BackendStatus{b(backendA, health.Down), b(backendB, health.Healthy, ordered(balance.Drain))}, nil, nil},

		"all healthy":      {[]BackendStatus{b(backendA, health.Healthy), b(backendB, health.Healthy)}, []netip.AddrPort{backendA, backendB}, nil},
		"a suspect":        {[]BackendStatus{b(backendA, health.Healthy), b(backendB, health.Suspect)}, []netip.AddrPort{backendA}, nil},
		"a deaf host":      {[]BackendStatus{b(backendA, health.Healthy), b(backendB, health.Suspect, deaf)}, []netip.AddrPort{backendA}, []netip.AddrPort{backendB}},
		"one down":         {[]BackendStatus{b(backendA, health.Down), b(backendB, health.Healthy)}, []netip.AddrPort{backendB}, []netip.AddrPort{backendA}},
		"a backup waits":   {[]BackendStatus{b(backendA, health.Healthy), b(backendB, health.Healthy, backup)}, []netip.AddrPort{backendA}, nil},
		"a backup serves":  {[]BackendStatus{b(backendA, health.Down), b(backendB, health.Healthy, backup)}, []netip.AddrPort{backendB}, []netip.AddrPort{backendA}},
		"all suspect":      {[]BackendStatus{b(backendA, health.Suspect), b(backendB, health.Suspect, deaf)}, []netip.AddrPort{backendA}, nil},
		"only not ready":   {[]BackendStatus{b(backendA, health.NotReady, accepts), b(backendB, health.Down)}, []netip.AddrPort{backendA}, nil},
		"only late":        {[]BackendStatus{b(backendA, health.Down, accepts), b(backendB, health.Down)}, []netip.AddrPort{backendA}, nil},
		"all down":         {[]BackendStatus{b(backendA, health.Down), b(backendB, health.Down)}, nil, nil},
		"not ready beside": {[]BackendStatus{b(backendA, health.Healthy), b(backendB, health.NotReady, accepts)}, []netip.AddrPort{backendA}, nil},
	} {
		var settings Settings
		for _, x := range tt.backends {
			settings.Backends = append(settings.Backends, balance.Backend{Address: x.Address, Backup: x.Backup, Weight: 1})
		}
		var takers []netip.AddrPort
		for _, x := range settings.Takers(tt.backends) {
			takers = append(takers, x.Address)
		}
		if !slices.Equal(takers, tt.takers) {
			t.Errorf("%s: connections go to %v, want %v", name, takers, tt.takers)
		}
		if got := settings.Dead(tt.backends); !slices.Equal(got, tt.dead) {
			t.Errorf("%s: dead are %v, want %v", name, got, tt.dead)
		}
		settings.OnBackendDown = balance.KeepSessions
		if got := settings.Dead(tt.backends); len(got) > 0 && name != "one in maintenance" {
			t.Errorf("%s: dead are %v where sessions are kept", name, got)
		}
	}
}

// The settings say which of the healthy backends go first, and how much of all each gets.
func TestTakersHaveWeights(t *testing.T) {
	all := []BackendStatus{{Address: backendA, State: health.Healthy}, {Address: backendB, State: health.Healthy}, {Address: backendC, State: health.Healthy}}
	var settings Settings
	settings.Backends = []balance.Backend{{Address: backendA, Weight: 3}, {Address: backendB, Weight: 0}}
	if got := settings.Takers(all); len(got) != 1 || got[0].Address != backendA || got[0].Weight != 3 {
		t.Errorf("connections go to %v: one has no weight, and one is no backend", got)
	}
	settings.Backends[1].Weight, settings.Preferred = 5, []netip.AddrPort{backendB}
	if got := settings.Takers(all); len(got) != 1 || got[0].Address != backendB || got[0].Weight != 5 {
		t.Errorf("connections go to %v, want the one that is preferred", got)
	}
}

// A new balancer process that has checked nothing yet changes nothing of what is known; what it finds counts, and what is no backend any
// more is forgotten.
func TestKnown(t *testing.T) {
	before := []BackendStatus{{Address: backendA, State: health.Healthy}, {Address: backendB, State: health.Down}, {Address: backendC, State: health.Healthy}}
	fresh := Status{Backends: []BackendStatus{{Address: backendA}, {Address: backendB, Backup: true}}}
	known := fresh.Known(before)
	if len(known) != 2 || known[0].State != health.Healthy || known[1].State != health.Down || !known[1].Backup {
		t.Errorf("known is %+v", known)
	}
	fresh.Backends[0].State = health.NotReady
	if now := fresh.Known(known); now[0].State != health.NotReady || now[1].State != health.Down {
		t.Errorf("after a check %+v", now)
	}
	fresh.Backends = []BackendStatus{{Address: backendA, Admin: balance.Maintenance}}
	if now := fresh.Known(known); now[0].State != health.Unknown {
		t.Errorf("in maintenance %+v", now)
	}
	if Decided(Status{Backends: []BackendStatus{{Address: backendA}}}.Known(nil)) || !Decided(known) {
		t.Error("what no check has decided on is decided, or the other way round")
	}
}
