// SPDX-License-Identifier: Apache-2.0

// Package sidecar composes the keeper: it opens what the host gives (sockets, addresses, listeners), connects the adapters
// to the control loop and the balancer's supervisor, serves the status, and stops all of it in order. It decides nothing
// about the election or the members, and relays no byte.
package sidecar

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/command"
	"github.com/harbinger-ha/harbinger/pkg/control"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/kubeapi"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/membership"
	"github.com/harbinger-ha/harbinger/pkg/metrics"
	"github.com/harbinger-ha/harbinger/pkg/report"
	"github.com/harbinger-ha/harbinger/pkg/scheduling"
	"github.com/harbinger-ha/harbinger/pkg/version"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
	"github.com/harbinger-ha/harbinger/pkg/vrrpconn"
)

// Options are what a sidecar needs in addition to its configuration.
type Options struct {
	Log logr.Logger
	// Node is the name of this node.
	Node string
	// Balancer is the command that starts a balancer process.
	Balancer []string
	// File is where the configuration came from. Its changes are applied; empty where it came from the environment.
	File string
}

// sidecar is one running keeper.
type sidecar struct {
	Options
	parts
	cfg        *config.HarbingerConfiguration // that everything was opened with
	members    *members                       // with what has changed since
	node       report.Node
	link       address.Link
	metrics    *metrics.Metrics
	drops      drops
	files      files
	addresses  *address.Addresses
	neighbours *neighbours
	balancing  *balancing
	api        *kubeapi.Client // nil: no use is made of the API
	sockets    []advertisementSocket
	loop       *control.Loop
}

// Run starts a sidecar and keeps it running until ctx is cancelled, which begins the planned stop: the virtual addresses
// are handed over, then open connections drain. It returns nil after that, or the error that ended it.
func Run(ctx context.Context, cfg *config.HarbingerConfiguration, options Options) error {
	options.Log = options.Log.WithValues(logging.KeyVRID, cfg.Election.VRRP.VirtualRouterID)
	s := &sidecar{Options: options, cfg: cfg, files: files{log: options.Log}}
	s.node = report.Node{Name: options.Node, Version: version.Get().Version, Incarnation: incarnation(), Started: time.Now()}
	if err := scheduling.RealTime(); err != nil {
		s.Log.Info(logging.MsgNormalScheduling, logging.KeyReason, err.Error())
	}
	defer s.closeAll(s.Log)
	if err := s.open(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	s.Log.Info(logging.MsgStarted, logging.KeyVersion, s.node.Version, logging.KeyInterface, s.link.Name, logging.KeyVirtualAddresses, cfg.VirtualAddresses, logging.KeyPriority, cfg.Election.VRRP.Priority)
	err := s.run(ctx)
	s.Log.Info(logging.MsgStopped)
	return err
}

// open takes what the host gives, in the order that the safety of the election asks for: alone on the host, without
// leftover addresses, and only then with a socket that could send.
func (s *sidecar) open(ctx context.Context) error {
	err := s.awaitPassword(ctx)
	if err != nil {
		return err
	}
	if s.link, err = findLink(ctx, s.Log, s.cfg); err != nil {
		return err
	}
	s.warnOfRouting()
	s.members = newMembers(membership.View{Config: s.cfg, Link: s.link})
	vrid := s.cfg.Election.VRRP.VirtualRouterID
	commands, err := command.Listen(ctx, s.Log, s.link.Name, vrid)
	if err != nil {
		return err
	}
	s.atEnd(commands.Close)
	s.metrics = metrics.New(fmt.Sprint(vrid), s.link.Name, names(election.States()), append(vrrp.Reasons(), vrrpconn.ReasonOverflow))
	s.drops.metrics = s.metrics
	if err := s.openAddresses(); err != nil {
		return err
	}
	if s.balancing, err = openBalancing(s.Log, s.metrics, s.members.now(), s.Balancer, &s.parts); err != nil {
		return err
	}
	endpoints, err := openEndpoints(s.members.now(), &s.parts)
	if err != nil {
		return err
	}
	s.openAPI()
	if err := s.openLoop(); err != nil {
		return err
	}
	s.runs(func(ctx context.Context) error { return command.Serve(ctx, commands, s.handover) })
	s.runs(func(ctx context.Context) error { return s.balancing.watch(ctx, s.loop.Notify) })
	s.runs(func(ctx context.Context) error { return s.neighbours.watch(ctx, s.loop.Notify) })
	s.runs(s.watchAddresses)
	s.runs(s.followMembers)
	s.runs(s.followFiles)
	if s.File != "" {
		s.runs(s.followFile)
	}
	endpoints.serve(s.newReporter(), &s.parts)
	return nil
}

// run runs all parts. The order of the stop is in its first goroutine: hand over, drain, end the rest.
func (s *sidecar) run(stop context.Context) error {
	ctx, end := context.WithCancel(context.WithoutCancel(stop))
	defer end()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer end()
		if err := s.loop.Run(ctx); err != nil || ctx.Err() != nil {
			return err
		}
		return s.balancing.drain(ctx, s.members.now().Config.LoadBalancer.Drain.Timeout)
	})
	g.Go(func() error {
		select {
		case <-stop.Done():
			s.Log.Info(logging.MsgStopping)
			s.loop.Shutdown()
		case <-ctx.Done():
		}
		return nil
	})
	for _, run := range s.running {
		g.Go(func() error { return run(ctx) })
	}
	return g.Wait()
}

// handover begins a planned move of the addresses to another node.
func (s *sidecar) handover(ctx context.Context, to string) error {
	if err := command.CheckHandover(s.loop.Status().Election, s.Node, to); err != nil {
		return err
	}
	s.Log.Info(logging.MsgHandingOver, logging.KeyTo, to)
	s.loop.Notify(ctx, election.Handover{To: to})
	return nil
}

// parts are what was opened and what runs.
type parts struct {
	closers []func() error // closed in reverse order
	running []func(context.Context) error
}

// atEnd has f called when everything has ended.
func (p *parts) atEnd(f func() error) { p.closers = append(p.closers, f) }

// runs has f run in a goroutine of its own. It must return when its context ends.
func (p *parts) runs(f func(context.Context) error) { p.running = append(p.running, f) }

func (p *parts) closeAll(log logr.Logger) {
	for i := len(p.closers) - 1; i >= 0; i-- {
		if err := p.closers[i](); err != nil && !errors.Is(err, net.ErrClosed) {
			log.Error(err, logging.MsgCloseFailed)
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

// names returns the names of states.
func names[T fmt.Stringer](all []T) (out []string) {
	for _, x := range all {
		out = append(out, x.String())
	}
	return out
}
