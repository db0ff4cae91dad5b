// SPDX-License-Identifier: Apache-2.0

// Package proxy relays TCP connections to the backends that balance and health choose. The Balancer does so, in a
// process of its own; the Supervisor runs in the keeper, owns the listening sockets and keeps a balancer process alive.
// The package terminates no TLS and reads nothing of what it relays.
package proxy

import (
	"context"
	"net"

	"github.com/go-logr/logr"
)

// A Balancer is the body of the balancer process.
type Balancer struct{}

// NewBalancer returns a Balancer that is told what to do over conn.
func NewBalancer(log logr.Logger, conn *net.UnixConn, listeners []*net.TCPListener, newChecker func(Backend, HealthCheck) Checker) *Balancer {
	return &Balancer{}
}

// Run serves until ctx is cancelled, the keeper is gone, or it asked to drain and the last connection has ended.
func (b *Balancer) Run(ctx context.Context) error { return nil }

// Inherited returns what a Supervisor hands down to its balancer process: the arguments of NewBalancer.
func Inherited() (*net.UnixConn, []*net.TCPListener, error) { return nil, nil, nil }
