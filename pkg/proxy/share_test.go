// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"maps"
	"net/netip"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/balance"
)

// shares dials some times and returns which backends took how many.
func (b *testBalancer) shares(t *testing.T, dials int) map[string]int {
	t.Helper()
	count := map[string]int{}
	for range dials {
		count[greeting(t, dial(t, b.address))]++
	}
	return count
}

// What the settings say of the shares of backends is what their clients see.
func TestSharesOfBackends(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Settings)
		want   map[string]int
	}{
		"weights":          {func(s *Settings) { s.Backends[0].Weight, s.Backends[1].Weight = 1, 2 }, map[string]int{"a": 3, "b": 6}},
		"no weight":        {func(s *Settings) { s.Backends[0].Weight, s.Backends[1].Weight = 1, 0 }, map[string]int{"a": 9}},
		"that of the node": {func(s *Settings) { s.Preferred = []netip.AddrPort{s.Backends[1].Address} }, map[string]int{"b": 9}},
		"both of the node": {func(s *Settings) { s.Preferred = []netip.AddrPort{s.Backends[0].Address, s.Backends[1].Address} }, map[string]int{"a": 3, "b": 6}},
		"none of the node": {func(s *Settings) { s.Preferred = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.9:6443")} }, map[string]int{"a": 3, "b": 6}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, v, settings := twoGreeters(t)
			settings.Backends[0].Weight, settings.Backends[1].Weight = 10, 20
			c.change(&settings)
			b := newBalancer(t, v, settings)
			b.untilStates(t, "Healthy", "Healthy")
			if got := b.shares(t, 9); !maps.Equal(got, c.want) {
				t.Errorf("backends got %v, want %v", got, c.want)
			}
		})
	}
}

// While the apiserver of the node is not ready, the others serve. It takes over again when it is back.
func TestTheOthersServeWhereTheLocalOneDoesNot(t *testing.T) {
	local, _, v, settings := twoGreeters(t)
	settings.Backends[0].Weight, settings.Backends[1].Weight = balance.DefaultWeight, balance.DefaultWeight
	settings.Preferred = []netip.AddrPort{local.address}
	b := newBalancer(t, v, settings)
	for _, c := range []struct {
		verdict     error
		state, want string
	}{{nil, "Healthy", "a"}, {errNotReady, "NotReady", "b"}, {nil, "Healthy", "a"}} {
		v.set(local.address, c.verdict)
		b.untilStates(t, c.state, "Healthy")
		if got := b.shares(t, 4); got[c.want] != 4 {
			t.Errorf("%s: backends got %v, want all to go to %s", c.state, got, c.want)
		}
	}
}
