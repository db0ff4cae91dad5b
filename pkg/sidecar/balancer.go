// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/probe"
	"github.com/harbinger-ha/harbinger/pkg/proxy"
	"github.com/harbinger-ha/harbinger/pkg/scheduling"
)

// RunBalancer is the balancer process: it serves on what the keeper that started it handed down, until ctx ends or the
// keeper is gone.
func RunBalancer(ctx context.Context, log logr.Logger) error {
	if err := scheduling.Normal(); err != nil {
		return err
	}
	conn, listeners, err := proxy.Inherited()
	if err != nil {
		return fmt.Errorf("take over from the keeper: %w", err)
	}
	return proxy.NewBalancer(log.WithName("balancer"), conn, listeners, newChecker).Run(ctx)
}

// newChecker connects the health checks of the balancer to the probes.
func newChecker(backend netip.AddrPort, check health.Config) proxy.Checker {
	switch check.Scheme {
	case health.TCP:
		return probe.TCP{Address: backend, Timeout: check.Timeout}
	case health.HTTP:
		return probe.NewHTTP(backend, check)
	}
	return probe.NewHTTPS(backend, check)
}
