// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net/netip"
	"slices"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/health"
)

// Known returns the backends of a status, each that was not checked yet as it was known before: a new balancer process begins with no
// knowledge, and what passes connections on without it goes on meanwhile. What comes back from maintenance is to be checked first.
func (s Status) Known(before []BackendStatus) []BackendStatus {
	known := slices.Clone(s.Backends)
	for i, b := range known {
		j := slices.IndexFunc(before, func(x BackendStatus) bool { return x.Address == b.Address })
		if b.State == health.Unknown && b.Admin != balance.Maintenance && j >= 0 {
			known[i] = before[j]
			known[i].Backup, known[i].Admin = b.Backup, b.Admin
		}
	}
	return known
}

// Decided reports whether a check has decided on a backend.
func Decided(backends []BackendStatus) bool {
	return slices.ContainsFunc(backends, func(b BackendStatus) bool { return b.State != health.Unknown })
}

// Takers returns the backends that take new connections, with the weights of the settings.
func (s Settings) Takers(backends []BackendStatus) []balance.Backend {
	var cfg balance.Config
	for _, b := range backends {
		i := slices.IndexFunc(s.Backends, func(x balance.Backend) bool { return x.Address == b.Address })
		if i < 0 { // it is none any more
			continue
		}
		c := candidate(s.Backends[i], b.Admin, b.State, b.Accepts)
		c.Undecided, c.Preferred = c.Undecided && !b.Deaf, slices.Contains(s.Preferred, b.Address)
		cfg.Backends = append(cfg.Backends, c)
	}
	return balance.New(cfg).First()
}

// Dead returns the backends whose connections are to end: those in maintenance, those that are down, and those whose host is. The latter
// two only where another one is healthy: the connections could not come back anywhere otherwise, and a backend that is just too slow
// may recover.
func (s Settings) Dead(backends []BackendStatus) (dead []netip.AddrPort) {
	closes := s.OnBackendDown != balance.KeepSessions && slices.ContainsFunc(backends, func(b BackendStatus) bool {
		return b.State == health.Healthy && b.Admin.Takes()
	})
	for _, b := range backends {
		if b.Admin == balance.Maintenance || closes && (b.State == health.Down || b.Deaf) {
			dead = append(dead, b.Address)
		}
	}
	return dead
}
