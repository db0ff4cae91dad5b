// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"

	"github.com/go-logr/logr"
)

// SupervisorConfig describes a Supervisor.
type SupervisorConfig struct {
	Log       logr.Logger
	Command   []string // starts a balancer process
	Listeners []*Listener
	Settings  Settings
	// OnStatus is called on every change of process or health, one call at a time. It must not block.
	OnStatus func(Status)
}

// A Supervisor keeps one balancer process running.
type Supervisor struct {
	cfg SupervisorConfig
}

// NewSupervisor returns a Supervisor that has started nothing yet.
func NewSupervisor(cfg SupervisorConfig) *Supervisor { return &Supervisor{cfg: cfg} }

// Run keeps a balancer process running until ctx is cancelled or Drain has finished.
func (s *Supervisor) Run(ctx context.Context) error { return nil }

// Apply changes the settings. Established connections stay.
func (s *Supervisor) Apply(settings Settings) {}

// Drain stops accepting connections for good, and returns when the last one has ended or ctx is done. Then Run returns
// as well.
func (s *Supervisor) Drain(ctx context.Context) error { return nil }

// Status returns the newest status.
func (s *Supervisor) Status() Status { return Status{} }
