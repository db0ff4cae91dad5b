// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/health"
)

// Settings is all that a Balancer is told. The keeper sends it as JSON, at start and on every change.
type Settings struct {
	Backends    []Backend      `json:"backends"`
	Policy      balance.Policy `json:"policy"`
	SlowStart   time.Duration  `json:"slowStart"`
	HealthCheck HealthCheck    `json:"healthCheck"`
	Limits      Limits         `json:"limits"`
	Timeouts    Timeouts       `json:"timeouts"`
	// KeepSessions leaves the connections to a backend alone that cannot be reached any more. They hang until the
	// client gives up.
	KeepSessions bool `json:"keepSessions"`
}

// A Backend is a server that connections are relayed to.
type Backend struct {
	Address  netip.AddrPort `json:"address"`
	Backup   bool           `json:"backup"`
	Draining bool           `json:"draining"`
}

// HealthCheck says how backends are checked. All but schedule and thresholds is for the Checker.
type HealthCheck struct {
	Scheme             health.Scheme `json:"scheme"`
	Path               string        `json:"path"`
	CAFile             string        `json:"caFile"`
	ServerName         string        `json:"serverName"`
	InsecureSkipVerify bool          `json:"insecureSkipVerify"`
	Interval           time.Duration `json:"interval"`
	Timeout            time.Duration `json:"timeout"`
	SuccessThreshold   int           `json:"successThreshold"`
	FailureThreshold   int           `json:"failureThreshold"`
}

// Limits bounds the number of connections; 0 means no bound but that of file descriptors.
type Limits struct {
	Total      int `json:"total"`
	PerBackend int `json:"perBackend"`
}

// Timeouts bounds how long a connection waits. There is none for idle connections: watches live for hours.
type Timeouts struct {
	Connect    time.Duration `json:"connect"`    // for one backend to accept
	KeepAlive  time.Duration `json:"keepAlive"`  // of silence before the other host is asked whether it lives; 0: never
	HalfClosed time.Duration `json:"halfClosed"` // of silence after one side has finished; 0: for ever
}

// A Checker makes one health check at a time. An error that says there was no answer at all (time out, refused, reset)
// counts as unreachable, any other as not ready.
type Checker interface {
	Check(ctx context.Context) error
	Close() error
}

// Status is what a Balancer and its Supervisor report.
type Status struct {
	PID      int             `json:"pid"`      // of the balancer process; 0: none is running
	Restarts uint64          `json:"restarts"` // of the balancer process
	Backends []BackendStatus `json:"backends"`
	Accepted uint64          `json:"accepted"` // connections, by this balancer process
	Refused  uint64          `json:"refused"`  // of those, reset for want of a backend or because of a limit
	Active   int             `json:"active"`   // connections now
}

// BackendStatus is the part of Status about one backend.
type BackendStatus struct {
	Address     netip.AddrPort `json:"address"`
	Backup      bool           `json:"backup"`
	Draining    bool           `json:"draining"`
	State       health.State   `json:"state"`
	Since       time.Time      `json:"since"`
	Reason      string         `json:"reason"`      // of the last change of state
	Healthy     bool           `json:"healthy"`     // a Suspect too: a check decides soon, and what clients see does not move an address
	Connections int            `json:"connections"` // now
	Total       uint64         `json:"total"`       // connections, by this balancer process
	Failures    uint64         `json:"failures"`    // dials that failed, by this balancer process
}

// Healthy reports whether a balancer process runs and has a healthy backend.
func (s Status) Healthy() bool {
	for _, b := range s.Backends {
		if s.PID != 0 && b.Healthy && !b.Draining {
			return true
		}
	}
	return false
}
