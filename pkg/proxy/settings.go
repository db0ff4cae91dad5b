// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

// Settings are all that a Balancer needs to know. The keeper sends them as JSON, at start and on every change.
type Settings struct {
	balance.Settings
	HealthCheck health.Config `json:"healthCheck"`
	// Authority is what the keeper has read of the CA file of the checks, which the balancer may not read.
	Authority health.Authority `json:"authority"`
	// Preferred are the backends that are on this node, where they go before the others.
	Preferred []netip.AddrPort `json:"preferred"`
	// VirtualAddresses are those whose sessions end when the addresses move.
	VirtualAddresses []netip.Addr `json:"virtualAddresses"`
}

// A Checker makes one health check at a time. An error that says there was no answer at all (time out, refused, reset)
// counts as unreachable, any other as not ready.
type Checker interface {
	Check(ctx context.Context) error
	Close() error
}

// A Prover is a Checker that can say of a check that has just passed whether the backend has proved that it belongs to the cluster.
type Prover interface{ Proved() bool }

// A Truster is a Checker that verifies by an authority, which may change while a check is under way.
type Truster interface{ Trust(health.Authority) }

// Status is what a Balancer and its Supervisor report.
type Status struct {
	PID      int             `json:"pid"`      // of the balancer process; 0: none is running
	Restarts uint64          `json:"restarts"` // of the balancer process
	Backends []BackendStatus `json:"backends"`
	Kept     string          `json:"kept"`     // what the balancer process may do that it does not need, and why; empty: nothing. The Supervisor finds that
	Accepted uint64          `json:"accepted"` // connections, by this balancer process
	Refused  uint64          `json:"refused"`  // of those, reset for want of a backend or because of a limit
	Active   int             `json:"active"`   // connections now
	Limit    int             `json:"limit"`    // of Active, in force; 0: not known yet
	Lowered  string          `json:"lowered"`  // why Limit is lower than what is configured; empty: it is not
	// The figures below are of this balancer process, through every change of its settings.
	RefusedBy map[session.Cause]uint64 `json:"refusedBy"` // every reason, also where it did not occur
	Peak      int                      `json:"peak"`      // of Active
	Rate      int                      `json:"rate"`      // connections accepted in the last second
	PeakRate  int                      `json:"peakRate"`  // of Rate
	Received  uint64                   `json:"received"`  // bytes from clients, passed on to backends
	Sent      uint64                   `json:"sent"`      // bytes to clients

	Settle   int `json:"settle"`   // number of the newest command to settle
	Settling int `json:"settling"` // sessions that it waits for
	End      int `json:"end"`      // number of the newest command to end the sessions of the virtual addresses
	List     int `json:"list"`     // number of the newest command to list the connections
}

// BackendStatus is the part of Status about one backend.
type BackendStatus struct {
	Address     netip.AddrPort     `json:"address"`
	Backup      bool               `json:"backup"`
	Admin       balance.AdminState `json:"admin"` // what was ordered of it by hand
	State       health.State       `json:"state"`
	Since       time.Time          `json:"since"`
	Reason      string             `json:"reason"`      // of the last change of state
	Proved      bool               `json:"proved"`      // a check has proved that it belongs to the cluster, since it is a backend
	Healthy     bool               `json:"healthy"`     // a Suspect too: a check decides soon, and what clients see does not move an address
	Accepts     bool               `json:"accepts"`     // not healthy, but accepts connections: takes them where no backend is healthy
	Deaf        bool               `json:"deaf"`        // its host answers no SYN: all sessions with it are dead
	Connections int                `json:"connections"` // now
	Total       uint64             `json:"total"`       // connections, by this balancer process
	Peak        int                `json:"peak"`        // of Connections
	Failures    uint64             `json:"failures"`    // dials that failed, by this balancer process
	Sent        uint64             `json:"sent"`        // bytes to it, by this balancer process
	Received    uint64             `json:"received"`    // bytes from it, by this balancer process
	Sessions    session.Figures    `json:"sessions"`    // of this balancer process
	health.Figures
}

// Healthy reports whether a balancer process runs and has a healthy backend that was not ordered out.
func (s Status) Healthy() bool {
	for _, b := range s.Backends {
		if s.PID != 0 && b.Healthy && b.Admin.Takes() {
			return true
		}
	}
	return false
}

// gone is the status after the process has ended: nobody has a connection through it. What it counted stands until the next one reports.
func (s Status) gone() Status {
	s.PID, s.Active, s.Rate, s.Kept, s.Backends = 0, 0, 0, "", slices.Clone(s.Backends)
	for i := range s.Backends {
		s.Backends[i].Connections = 0
	}
	return s
}

// Checks returns how long the checks of each backend took.
func (s Status) Checks() map[string]health.Durations {
	checks := map[string]health.Durations{}
	for _, b := range s.Backends {
		checks[b.Address.String()] = b.Checks
	}
	return checks
}

// Sessions returns what the sessions of each backend came to.
func (s Status) Sessions() map[string]session.Figures {
	sessions := map[string]session.Figures{}
	for _, b := range s.Backends {
		sessions[b.Address.String()] = b.Sessions
	}
	return sessions
}

// Degraded reports whether a balancer process runs that has no healthy backend, and goes on with those that accept connections.
func (s Status) Degraded() bool {
	return s.PID != 0 && !s.Healthy() && slices.ContainsFunc(s.Backends, func(b BackendStatus) bool { return b.Accepts && b.Admin.Takes() })
}
