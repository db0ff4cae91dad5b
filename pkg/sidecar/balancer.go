// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/confine"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/membership"
	"github.com/harbinger-ha/harbinger/pkg/metrics"
	"github.com/harbinger-ha/harbinger/pkg/probe"
	"github.com/harbinger-ha/harbinger/pkg/proxy"
	"github.com/harbinger-ha/harbinger/pkg/report"
	"github.com/harbinger-ha/harbinger/pkg/scheduling"
	"github.com/harbinger-ha/harbinger/pkg/steer"
)

// RunBalancer is the balancer process: it serves on what the keeper that started it handed down, until ctx ends or the
// keeper is gone.
func RunBalancer(ctx context.Context, log logr.Logger) error {
	if err := scheduling.Normal(); err != nil { // mostly because the keeper has none but that either
		logging.Warn(log, logging.MsgBalancerScheduling, logging.KeyReason, err.Error())
	}
	conn, listeners, err := proxy.Inherited()
	if err != nil {
		return fmt.Errorf("take over from the keeper: %w", err)
	}
	_, _ = net.Interfaces() // package net remembers the zones of link-local backends: it may not ask for them again
	if err := confine.Calls(); err != nil {
		log.V(1).Info(logging.MsgCallsUnfiltered, logging.KeyReason, err.Error())
	}
	runtime.GOMAXPROCS(proxy.Workers() + 1) // the workers leave no processor of the runtime to the health checks
	balancer, err := proxy.NewBalancer(log.WithName("balancer"), conn, listeners, newChecker)
	if err != nil {
		return fmt.Errorf("start the balancer: %w", err)
	}
	return balancer.Run(ctx)
}

// newChecker connects the health checks of the balancer to the probes.
func newChecker(backend balance.Backend, check health.Config) proxy.Checker {
	header := backend.ProxyProtocol.AppendHeader(nil, netip.AddrPort{}, netip.AddrPort{})
	switch check.Scheme {
	case health.TCP:
		return probe.TCP{Address: backend.Address, Timeout: check.Timeout, Header: header}
	case health.HTTP:
		return probe.NewHTTP(backend.Address, check, header)
	default:
		return probe.NewHTTPS(backend.Address, check, header)
	}
}

// balancing is the balancer, seen from the keeper: its listening sockets, the steering of connections to them, and its
// process.
type balancing struct {
	log        logr.Logger
	metrics    *metrics.Metrics
	ports      *ownPorts
	view       membership.View // that the frontends are opened with
	supervisor *proxy.Supervisor
	kernel     *kernel
	checked    func(proxy.Status) // takes what the health checks have found
	changed    chan struct{}      // the health may have; a signal that is not taken yet says enough
	running    atomic.Bool        // the supervisor is
	unsteered  string             // why the last steering failed, for watch alone; empty: it did not

	mu        sync.Mutex
	frontends []*proxy.Listener // as many as are open; closed at the end
	leftOut   leftOut
	steering  *steer.Steering // nil: the balancer has the port of the control plane to itself, or has not all frontends yet
}

// openBalancing opens the frontends, which stay open as long as the keeper lives, whatever becomes of a balancer process:
// those on a virtual address do not wait for it. The balancer starts when the parts run and all frontends are open.
func openBalancing(s *sidecar) (*balancing, error) {
	view := s.members.now()
	vrid := view.Config.Election.VRRP.VirtualRouterID
	b := &balancing{log: s.Log, metrics: s.metrics, kernel: newKernel(s.Log, s.metrics, s.members, vrid), view: view, checked: s.checked, changed: make(chan struct{}, 1)}
	b.ports = newOwnPorts(s.Log, s.metrics, b.change)
	s.atEnd(b.close)
	s.atEnd(b.kernel.close)
	if err := b.tryFrontends(); err != nil {
		return nil, err
	}
	b.reportLeftOut(view)
	authority, _ := s.files.look(view.Config, s.File)
	b.supervisor = proxy.NewSupervisor(proxy.SupervisorConfig{
		Log: s.Log.WithName("balancer"), Command: s.Balancer, Settings: settings(view, authority), OnStatus: func(proxy.Status) { b.change() },
	})
	s.runs("balancer", b.run)
	s.runs("kernel mode", func(ctx context.Context) error { return b.kernel.follow(ctx, b.supervisor.Status) })
	s.runs("kernel mode, leave", b.kernel.dismiss)
	return b, nil
}

// change has the health looked at.
func (b *balancing) change() {
	b.kernel.signal()
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// tryFrontends opens the frontends that are not open, and the steering to them once all are. That a port is taken is no error:
// it will be free.
func (b *balancing) tryFrontends() error {
	for i, a := range b.view.Frontends() {
		if i < len(b.frontends) {
			continue
		}
		var ln *proxy.Listener
		if b.ports.try(ownPort{name: "frontend (" + b.portField() + ")", address: a, serves: true}, func() (err error) {
			ln, err = proxy.Listen(a)
			return err
		}) != nil {
			return nil
		}
		b.mu.Lock()
		b.frontends = append(b.frontends, ln)
		b.mu.Unlock()
	}
	return b.openSteering()
}

// portField is the field that names the port of the frontends.
func (b *balancing) portField() string {
	if b.view.Config.ControlPlane.Shared() {
		return "loadBalancer.steering.port"
	}
	return "controlPlane.port"
}

// run runs the balancer as soon as its frontends are open.
func (b *balancing) run(ctx context.Context) error {
	for len(b.frontends) < len(b.view.Frontends()) {
		select {
		case <-time.After(portRetry):
		case <-ctx.Done():
			return nil
		}
		if err := b.tryFrontends(); err != nil {
			return err
		}
	}
	b.supervisor.SetListeners(b.frontends)
	b.running.Store(true)
	return b.supervisor.Run(ctx)
}

func (b *balancing) close() error {
	var failed error
	if s := b.steers(); s != nil {
		failed = s.Close()
	}
	for _, ln := range b.frontends {
		failed = errors.Join(failed, ln.Close())
	}
	return failed
}

// steers returns the steering, or nil where there is none.
func (b *balancing) steers() *steer.Steering {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.steering
}

// listens returns the addresses of the frontends that are open.
func (b *balancing) listens() (open []netip.AddrPort) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.frontends {
		open = append(open, f.Address())
	}
	return open
}

// applyBalancer gives the balancer process new settings, with the CA file that they name: it may be another one. It is called with
// applying held.
func (s *sidecar) applyBalancer(view membership.View) {
	authority, _ := s.files.look(view.Config, s.File)
	s.balancing.reportLeftOut(view)
	s.balancing.supervisor.Apply(settings(view, authority))
	s.balancing.kernel.signal()
}

// leftOut says which backends are not used, and why.
type leftOut struct {
	now    report.LeftOut
	logged string
	at     time.Time // when it was logged
}

// leftOutEvery is how often the log says at most that other backends are not used than before: whoever writes the EndpointSlice
// may name others with each answer.
const leftOutEvery = time.Minute

// reportLeftOut logs which backends are not used and why, once until that changes.
func (b *balancing) reportLeftOut(view membership.View) {
	now := leftOutOf(view, ownAddresses())
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leftOut.now = now
	if text := now.Reason; text != "" && text != b.leftOut.logged && time.Since(b.leftOut.at) >= leftOutEvery {
		b.leftOut.logged, b.leftOut.at = text, time.Now()
		logging.Warn(b.log, logging.MsgBackendsLeftOut, logging.KeyReason, text)
	}
}

// leaves returns which backends are not used now, and why.
func (b *balancing) leaves() report.LeftOut {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.leftOut.now
}

// leftOutOf says which backends are not used and why.
func leftOutOf(view membership.View, own []netip.Addr) report.LeftOut {
	var parts []string
	for _, x := range view.LeftOut(own) {
		parts = append(parts, x.String())
	}
	count := len(parts) + view.Left.Count()
	if view.Left.Count() > 0 {
		parts = append(parts, view.Left.String())
	}
	return report.LeftOut{Count: count, Reason: strings.Join(parts, "; ")}
}

// settings are what the balancer process works with.
func settings(view membership.View, authority health.Authority) proxy.Settings {
	s := proxy.Settings{Settings: view.Config.LoadBalancer.Settings, HealthCheck: view.Config.HealthCheck, Authority: authority}
	s.VirtualAddresses = view.VirtualAddresses()
	own := ownAddresses()
	s.Backends = view.Backends(own)
	s.Preferred = view.Preferred(s.Backends, own)
	return s
}

// openSteering prepares the steering and leaves it off: until a backend is healthy, VIP:port is the local apiserver's.
func (b *balancing) openSteering() error {
	port, mode := b.view.Config.ControlPlane.Port, b.view.Config.LoadBalancer.Steering.Mode
	if !b.view.Config.ControlPlane.Shared() || mode == balance.SteeringNone {
		return nil
	}
	var fronts []steer.Frontend
	for i, vip := range b.view.VirtualAddresses() {
		fronts = append(fronts, steer.Frontend{VIP: netip.AddrPortFrom(vip, port), Listener: b.frontends[i]})
	}
	steering, err := steer.New(steer.Config{Mode: mode, Frontends: fronts})
	if err != nil {
		return fmt.Errorf("prepare steering of port %d to the balancer (loadBalancer.steering): %w", port, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.steering = steering
	return nil
}

// watch reports to the election whether this node can serve: a backend is healthy, and no other socket has its ports. It steers
// connections to the balancer only while a backend takes them, healthy or, where none is, one that at least accepts them: otherwise
// they reach the local apiserver, or are refused by the kernel. A listening socket that stopped listening for a
// moment has lost its steering, so that it is enabled again at every change of a backend.
func (b *balancing) watch(ctx context.Context, notify notify) error {
	known, last, degraded := false, false, false
	for {
		status := b.supervisor.Status()
		b.checked(status)
		b.steer(status.Healthy() || status.Degraded())
		if status.Degraded() != degraded {
			degraded = !degraded
			log := b.log.WithValues(logging.KeyDegraded, degraded)
			if degraded {
				log.Error(nil, logging.MsgDegraded, logging.KeyReason, reasons(status))
			} else {
				log.Info(logging.MsgDegraded)
			}
		}
		healthy := status.Healthy() && b.ports.blocked() == ""
		if !known || healthy != last {
			log := b.log.WithValues(logging.KeyHealthy, healthy)
			if last { // and is not any more; at the start nothing has been checked yet
				log.Error(nil, logging.MsgAnyBackend, logging.KeyReason, cmp.Or(b.ports.blocked(), reasons(status)))
			} else {
				log.Info(logging.MsgAnyBackend)
			}
			known, last = true, healthy
			notify(ctx, election.HealthChanged{Healthy: healthy})
		}
		select {
		case <-b.changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// reasons says what is wrong with the backends that are not healthy, or were ordered out.
func reasons(status proxy.Status) string {
	var all []string
	for _, x := range status.Backends {
		switch {
		case !x.Admin.Takes():
			all = append(all, fmt.Sprintf("%v is in %s by command", x.Address, x.Admin))
		case !x.Healthy:
			all = append(all, fmt.Sprintf("%v is %v: %s", x.Address, x.State, x.Reason))
		}
	}
	return strings.Join(all, "; ")
}

func (b *balancing) steer(on bool) {
	steering := b.steers()
	if steering == nil {
		return
	}
	change := steering.Disable
	if on {
		change = steering.Enable
	}
	err := change()
	if err == nil {
		b.unsteered = ""
		return
	}
	b.metrics.Failed("steer")
	if problem := fmt.Sprintf("%t: %v", on, err); problem != b.unsteered {
		b.unsteered = problem
		b.log.Error(err, logging.MsgSteeringFailed, logging.KeyKind, string(steering.Mode()), logging.KeyEnable, on)
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
	if !b.running.Load() {
		return nil // nobody was served
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := b.supervisor.Drain(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("drain connections: %w", err)
	}
	return nil
}
