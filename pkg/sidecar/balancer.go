// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/membership"
	"github.com/harbinger-ha/harbinger/pkg/metrics"
	"github.com/harbinger-ha/harbinger/pkg/probe"
	"github.com/harbinger-ha/harbinger/pkg/proxy"
	"github.com/harbinger-ha/harbinger/pkg/scheduling"
	"github.com/harbinger-ha/harbinger/pkg/steer"
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
	default:
		return probe.NewHTTPS(backend, check)
	}
}

// balancing is the balancer, seen from the keeper: its listening sockets, the steering of connections to them, and its
// process.
type balancing struct {
	log        logr.Logger
	metrics    *metrics.Metrics
	frontends  []*proxy.Listener
	steering   *steer.Steering // nil: the balancer has the port of the control plane to itself
	supervisor *proxy.Supervisor
	changed    chan struct{} // the health may have; a signal that is not taken yet says enough
	leftOut    []netip.AddrPort
}

// openBalancing opens the frontends, which stay open as long as the keeper lives, whatever becomes of a balancer process:
// those on a virtual address do not wait for it. The balancer starts when the parts run.
func openBalancing(log logr.Logger, m *metrics.Metrics, view membership.View, command []string, p *parts) (*balancing, error) {
	b := &balancing{log: log, metrics: m, changed: make(chan struct{}, 1)}
	for _, a := range view.Frontends() {
		ln, err := proxy.Listen(a)
		if err != nil {
			return nil, fmt.Errorf("open frontend: %w", err)
		}
		p.atEnd(ln.Close)
		b.frontends = append(b.frontends, ln)
	}
	if err := b.openSteering(view, p); err != nil {
		return nil, err
	}
	b.reportLeftOut(view)
	b.supervisor = proxy.NewSupervisor(proxy.SupervisorConfig{
		Log: log.WithName("balancer"), Command: command, Listeners: b.frontends, Settings: settings(view),
		OnStatus: func(proxy.Status) {
			select {
			case b.changed <- struct{}{}:
			default:
			}
		},
	})
	p.runs("balancer", b.supervisor.Run)
	return b, nil
}

// apply gives the balancer process new settings.
func (b *balancing) apply(view membership.View) {
	b.reportLeftOut(view)
	b.supervisor.Apply(settings(view))
}

// reportLeftOut logs which backends are not used because they lead back here, once until that changes. One goroutine calls it.
func (b *balancing) reportLeftOut(view membership.View) {
	left := view.LeftOut(ownAddresses())
	if len(left) > 0 && !slices.Equal(left, b.leftOut) {
		b.log.Error(nil, logging.MsgBackendsLeftOut, logging.KeyBackends, left)
	}
	b.leftOut = left
}

// settings are what the balancer process works with.
func settings(view membership.View) proxy.Settings {
	s := proxy.Settings{Settings: view.Config.LoadBalancer.Settings, HealthCheck: view.Config.HealthCheck}
	s.VirtualAddresses = view.VirtualAddresses()
	s.Backends = view.Backends(ownAddresses())
	return s
}

// openSteering prepares the steering and leaves it off: until a backend is healthy, VIP:port is the local apiserver's.
func (b *balancing) openSteering(view membership.View, p *parts) error {
	port, mode := view.Config.ControlPlane.Port, view.Config.LoadBalancer.Steering.Mode
	if !view.Config.ControlPlane.Shared() || mode == balance.SteeringNone {
		return nil
	}
	var fronts []steer.Frontend
	for i, vip := range view.VirtualAddresses() {
		fronts = append(fronts, steer.Frontend{VIP: netip.AddrPortFrom(vip, port), Listener: b.frontends[i]})
	}
	var err error
	b.steering, err = steer.New(steer.Config{Mode: mode, Frontends: fronts})
	if err != nil {
		return fmt.Errorf("prepare steering of port %d to the balancer (loadBalancer.steering): %w", port, err)
	}
	p.atEnd(b.steering.Close)
	return nil
}

// watch reports to the election whether a backend is healthy, and steers connections to the balancer only while it has one:
// otherwise they reach the local apiserver, or are refused by the kernel. A listening socket that stopped listening for a
// moment has lost its steering, so that it is enabled again at every change of a backend.
func (b *balancing) watch(ctx context.Context, notify notify) error {
	known, last := false, false
	for {
		healthy := b.supervisor.Status().Healthy()
		b.steer(healthy)
		if !known || healthy != last {
			known, last = true, healthy
			b.log.Info(logging.MsgAnyBackend, logging.KeyHealthy, healthy)
			notify(ctx, election.HealthChanged{Healthy: healthy})
		}
		select {
		case <-b.changed:
		case <-ctx.Done():
			return nil
		}
	}
}

func (b *balancing) steer(on bool) {
	if b.steering == nil {
		return
	}
	change := b.steering.Disable
	if on {
		change = b.steering.Enable
	}
	if err := change(); err != nil {
		b.metrics.Failed("steer")
		b.log.Error(err, logging.MsgSteeringFailed, logging.KeyKind, string(b.steering.Mode()), logging.KeyEnable, on)
	}
}

// doubt has the apiserver of a silent holder doubted: most often its whole host is dead.
func (b *balancing) doubt(holder netip.Addr) {
	b.supervisor.Doubt(holder, "its host held the virtual addresses and has fallen silent")
}

// settle waits until the sessions of the virtual addresses that exist now transfer nothing any more, for as long as they may take:
// they cannot follow the addresses to another host.
func (b *balancing) settle(ctx context.Context, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	b.supervisor.Settle(ctx)
}

// drain lets open connections end, for as long as they may take.
func (b *balancing) drain(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := b.supervisor.Drain(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("drain connections: %w", err)
	}
	return nil
}
