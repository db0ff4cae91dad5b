// SPDX-License-Identifier: Apache-2.0

// Package sidecar composes the keeper: it opens what the host gives (sockets, addresses, listeners), connects the adapters
// to the control loop and the balancer's supervisor, serves the status, and stops all of it in order. It decides nothing
// about the election and relays no byte.
package sidecar

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/announce"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/command"
	"github.com/harbinger-ha/harbinger/pkg/control"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/kubeapi"
	"github.com/harbinger-ha/harbinger/pkg/membership"
	"github.com/harbinger-ha/harbinger/pkg/metrics"
	"github.com/harbinger-ha/harbinger/pkg/proxy"
	"github.com/harbinger-ha/harbinger/pkg/scheduling"
	"github.com/harbinger-ha/harbinger/pkg/steer"
	"github.com/harbinger-ha/harbinger/pkg/version"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
	"github.com/harbinger-ha/harbinger/pkg/vrrpconn"
)

// linkRetry is how often a missing interface is looked for again: at boot the network may come after the kubelet.
const linkRetry = time.Second

// Options are what a Sidecar is told beside its configuration.
type Options struct {
	Log logr.Logger
	// Node is the name of this node.
	Node string
	// Balancer is the command that starts a balancer process.
	Balancer []string
	// File is where the configuration came from. Its changes are applied; empty where it came from the environment.
	File string
}

// Sidecar is one running keeper.
type Sidecar struct {
	cfg         *config.HarbingerConfiguration // that everything was opened with
	members     *members                       // with what has changed since
	file        string
	log         logr.Logger
	node        string
	incarnation string
	started     time.Time
	link        address.Link

	metrics    *metrics.Metrics
	drops      drops
	conditions conditions
	addresses  *address.Addresses
	announcer  *announce.Announcer
	frontends  []*proxy.Listener
	steering   *steer.Steering // nil: the balancer has the port of the control plane to itself
	supervisor *proxy.Supervisor
	health     chan struct{}   // the balancer's health may have changed
	api        *kubeapi.Client // nil: no use is made of the API
	loop       *control.Loop
	ports      []port
	single     net.Listener // the lock of the virtual router, which takes commands
	identities []net.Listener
	status     net.Listener

	close []func() error // what was opened, closed in reverse order
}

// Run starts a sidecar and keeps it running until ctx is cancelled, which begins the planned stop: the virtual addresses
// are handed over, then open connections drain. It returns nil after that, or the error that ended it.
func Run(ctx context.Context, cfg *config.HarbingerConfiguration, options Options) error {
	s := &Sidecar{
		cfg: cfg, file: options.File, node: options.Node, started: time.Now(), incarnation: incarnation(),
		log:    options.Log.WithValues("vrid", cfg.Election.VRRP.VirtualRouterID),
		health: make(chan struct{}, 1), // a signal that is not taken yet says enough
	}
	if err := scheduling.RealTime(); err != nil {
		s.log.Info("Running with normal scheduling", "reason", err.Error())
	}
	defer s.closeAll()
	if err := s.open(ctx, options); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	s.log.Info("Started", "version", version.Get().Version, "interface", s.link.Name, "virtualAddresses", cfg.VirtualAddresses, "priority", cfg.Election.VRRP.Priority)
	err := s.run(ctx)
	s.log.Info("Stopped")
	return err
}

// run runs all parts. The order of the stop is in its first goroutine: hand over, drain, end the rest.
func (s *Sidecar) run(stop context.Context) error {
	ctx, end := context.WithCancel(context.WithoutCancel(stop))
	defer end()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer end()
		if err := s.loop.Run(ctx); err != nil || ctx.Err() != nil {
			return err
		}
		return s.drain(ctx)
	})
	g.Go(func() error {
		select {
		case <-stop.Done():
			s.log.Info("Stopping")
			s.loop.Shutdown()
		case <-ctx.Done():
		}
		return nil
	})
	g.Go(func() error { return s.supervisor.Run(ctx) })
	if s.file != "" {
		g.Go(func() error { return s.watchFile(ctx, s.file) })
	}
	if s.api != nil {
		g.Go(func() error { return s.api.Run(ctx) })
	}
	g.Go(func() error { return s.followMembers(ctx) })
	g.Go(func() error { return command.Serve(ctx, s.single, s.handover) })
	g.Go(func() error { return s.watchHealth(ctx) })
	g.Go(func() error { return s.watchConditions(ctx) })
	g.Go(func() error { return s.watchAddresses(ctx) })
	g.Go(func() error { return s.watchClaims(ctx) })
	g.Go(func() error { return s.serveHTTP(ctx, s.status) })
	for _, ln := range s.identities {
		g.Go(func() error { return s.serveIdentity(ctx, ln) })
	}
	return g.Wait()
}

// drain lets open connections end, as long as the configuration allows.
func (s *Sidecar) drain(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, s.members.now().Config.LoadBalancer.Drain.Timeout)
	defer cancel()
	if err := s.supervisor.Drain(bounded); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("drain connections: %w", err)
	}
	return nil
}

// open takes what the host gives, in the order that the safety of the election asks for: alone on the host, without
// leftover addresses, and only then with a socket that could send.
func (s *Sidecar) open(ctx context.Context, options Options) error {
	var err error
	if s.link, err = s.findLink(ctx); err != nil {
		return err
	}
	s.members = newMembers(membership.View{Config: s.cfg, Link: s.link})
	vrid := s.cfg.Election.VRRP.VirtualRouterID
	if s.single, err = command.Listen(ctx, s.log, s.link.Name, vrid); err != nil {
		return err
	}
	s.atEnd(s.single.Close)
	s.metrics = metrics.New(fmt.Sprint(vrid), s.link.Name, names(election.States()), append(vrrp.Reasons(), vrrpconn.ReasonOverflow))
	if err := s.openAddresses(); err != nil {
		return err
	}
	if err := s.openListeners(); err != nil {
		return err
	}
	if err := s.openSteering(); err != nil {
		return err
	}
	s.supervisor = proxy.NewSupervisor(proxy.SupervisorConfig{
		Log: s.log.WithName("balancer"), Command: options.Balancer, Listeners: s.frontends,
		Settings: settings(s.members.now(), ownAddresses()), OnStatus: func(proxy.Status) { s.healthChanged() },
	})
	s.openAPI()
	if err := s.openLoop(); err != nil {
		return err
	}
	s.metrics.WatchStatus(s.Status, names(health.States()))
	return nil
}

func (s *Sidecar) openAddresses() error {
	var err error
	s.addresses, err = address.New(address.Config{
		Link: s.link, Addresses: s.cfg.VirtualAddresses, Lifetime: lifetime(s.cfg), Now: control.Boottime(),
	})
	if err != nil {
		return err
	}
	s.atEnd(func() error { s.addresses.Close(); return nil })
	if err := s.addresses.Release(); err != nil {
		return fmt.Errorf("remove leftover virtual addresses: %w", err)
	}
	s.announcer, err = announce.New(announce.Link{Name: s.link.Name, Index: s.link.Index, MAC: s.link.MAC})
	if err != nil {
		return err
	}
	s.atEnd(s.announcer.Close)
	return nil
}

func (s *Sidecar) openLoop() error {
	ports, err := s.openPorts()
	if err != nil {
		return err
	}
	s.loop = control.New(control.Config{
		Log: s.log.WithName("election"), Metrics: s.metrics, Election: election.New(s.electionConfig()),
		Ports: ports, VirtualAddresses: s.members.now().VirtualAddresses(), Addresses: s.addresses, Announcer: s.announcer,
		Prober: s.prober(), Arbiter: s.arbiter(), Notice: s.notice, Silent: s.silent, Interval: s.cfg.Election.VRRP.AdvertisementInterval,
	})
	return nil
}

// silent has the apiserver of a silent holder doubted: most often its whole host is dead.
func (s *Sidecar) silent(holder netip.Addr) {
	s.supervisor.Doubt(holder, "its host held the virtual addresses and has fallen silent")
}

// findLink waits for the interface of the virtual addresses.
func (s *Sidecar) findLink(ctx context.Context) (address.Link, error) {
	for last := ""; ; {
		links, err := address.Links()
		if err == nil {
			var link address.Link
			if link, err = address.Find(links, s.cfg.Interface, s.cfg.VirtualAddresses); err == nil {
				return link, nil
			}
		}
		if err.Error() != last {
			last = err.Error()
			s.log.Info("Waiting for the interface of the virtual addresses", "reason", last)
		}
		select {
		case <-ctx.Done():
			return address.Link{}, ctx.Err()
		case <-time.After(linkRetry):
		}
	}
}

// handover begins a planned move of the addresses to another node.
func (s *Sidecar) handover(ctx context.Context, to string) error {
	if err := command.CheckHandover(s.loop.Status().Election, s.node, to); err != nil {
		return err
	}
	s.log.Info("Handing over", "to", to)
	s.loop.Notify(ctx, election.Handover{To: to})
	return nil
}

func (s *Sidecar) atEnd(f func() error) { s.close = append(s.close, f) }

func (s *Sidecar) closeAll() {
	for i := len(s.close) - 1; i >= 0; i-- {
		if err := s.close[i](); err != nil && !errors.Is(err, net.ErrClosed) {
			s.log.Error(err, "Close failed")
		}
	}
}

// incarnation names this process of this boot: a node that came back is not the one that left.
func incarnation() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		boot = []byte("unknown-boot")
	}
	return fmt.Sprintf("%s/%d", strings.TrimSpace(string(boot)), time.Now().UnixNano())
}
