// SPDX-License-Identifier: Apache-2.0

// Package sidecar composes the keeper: it opens what the host gives (sockets, addresses, listeners), connects the adapters
// to the control loop and the balancer's supervisor, serves the status, and stops all of it in order. It decides nothing
// about the election or the members, and relays no byte. It is one package because it is one composition: each part that it opens
// is closed, followed and reported beside the others.
package sidecar

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/command"
	"github.com/harbinger-ha/harbinger/pkg/control"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/fenced"
	"github.com/harbinger-ha/harbinger/pkg/guard"
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
	link       address.Link // at the start
	applying   sync.Mutex   // guards what follows the members: bound, sockets and identities
	bound      binding
	identities identities
	metrics    *metrics.Metrics
	drops      drops
	files      files
	signing    signing
	scrape     scrape
	reception  reception
	hop        hop
	own        own
	asked      asked
	hosts      hosts
	addresses  *address.Addresses
	fenced     *fenced.Addresses // the same, as the election has them
	neighbours *neighbours
	balancing  *balancing
	ports      *ownPorts
	api        *kubeapi.Client // nil: no use is made of the API
	sockets    []advertisementSocket
	handovers  chan string // to which nodes; a request that is not taken yet says that one is under way
	loop       *control.Loop
	reporter   *reporter
	fence      time.Duration // after how long without a refresh the fence of the virtual addresses closes
	failed     chan error    // holds the first error that asks for the end
}

// Run starts a sidecar and keeps it running until ctx is cancelled, which begins the planned stop: the virtual addresses
// are handed over, then open connections drain. It returns nil after that, or the error that ended it.
func Run(ctx context.Context, cfg *config.HarbingerConfiguration, options Options) error {
	return newSidecar(cfg, options).start(ctx)
}

func newSidecar(cfg *config.HarbingerConfiguration, options Options) *sidecar {
	options.Log = options.Log.WithValues(logging.KeyVRID, cfg.Election.VRRP.VirtualRouterID)
	s := &sidecar{Options: options, cfg: cfg, handovers: make(chan string, 1), files: files{log: options.Log}, signing: signing{now: time.Now}, failed: make(chan error, 1)}
	s.scrape = newScrape(cfg.Status.Metrics)
	s.node = report.Node{Name: options.Node, Version: version.Get().Version, Incarnation: incarnation(), Started: time.Now()}
	return s
}

// start opens and runs everything.
func (s *sidecar) start(ctx context.Context) error {
	normal := scheduling.RealTime()
	s.fence = election.FenceTimeout(s.cfg.Election.VRRP.AdvertisementInterval, normal == nil)
	if normal != nil {
		logging.Warn(s.Log, logging.MsgNormalScheduling, logging.KeyReason, normal.Error(), logging.KeyFence, s.fence.String())
	}
	defer s.closeAll(s.Log)
	if err := guard.Run(func() error { return s.open(ctx) }); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		if stack := guard.Stack(err); stack != "" {
			s.Log.Error(err, logging.MsgPartFailed, logging.KeyPart, "start", logging.KeyStack, stack)
		}
		return err
	}
	s.Log.Info(logging.MsgStarted, logging.KeyVersion, s.node.Version, logging.KeyInterface, s.link.Name, logging.KeyVirtualAddresses, s.cfg.VirtualAddresses, logging.KeyPriority, s.cfg.Election.VRRP.Priority)
	err := s.run(ctx)
	s.Log.Info(logging.MsgStopped)
	return err
}

// open takes what the host gives, in the order that the safety of the election asks for: alone on the host, without
// leftover addresses, and only then with a socket that could send.
func (s *sidecar) open(ctx context.Context) error {
	err := s.awaitSecrets(ctx)
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
	s.metrics = newMetrics(vrid, s.link.Name)
	if err := s.openAddresses(); err != nil {
		return err
	}
	if s.balancing, err = openBalancing(s); err != nil {
		return err
	}
	s.ports = s.balancing.ports
	endpoints := s.openEndpoints()
	s.openAPI()
	if err := s.openLoop(); err != nil {
		return err
	}
	s.reporter = s.newReporter()
	s.runs("commands", s.serveCommands(commands))
	s.runs("handovers", s.handOver)
	s.runs("health of the backends", func(ctx context.Context) error { return s.balancing.watch(ctx, s.loop.Notify) })
	s.runs("watch of the neighbours", func(ctx context.Context) error { return s.neighbours.watch(ctx, s.loop.Notify) })
	s.runs("watch of the addresses", s.watchLink)
	s.runs("look at the fence", s.checkFence)
	s.runs("members", s.followMembers)
	s.runs("files", s.followFiles)
	s.runs("state of the signatures", s.keepSigned)
	if s.File != "" {
		s.runs("configuration file", s.followFile)
	}
	s.runEndpoints(endpoints)
	s.runs("identity on new addresses", func(ctx context.Context) error { return s.identities.serve(ctx, s) })
	s.runs("conditions", s.reporter.watch)
	s.runs("questions to the other hosts", s.askHosts)
	return nil
}

// runEndpoints serves what this node shows of itself.
func (s *sidecar) runEndpoints(endpoints []*endpoint) {
	for _, e := range endpoints {
		s.runs(e.key(), func(ctx context.Context) error { return s.serveEndpoint(ctx, e) })
	}
	if s.scrape.Served() {
		s.runs("metrics for other hosts", s.serveScrape)
	}
}

// newMetrics returns the metrics of a virtual router on an interface.
func newMetrics(vrid uint8, iface string) *metrics.Metrics {
	known := metrics.Known{States: names(election.States()), DropReasons: append(vrrp.Reasons(), vrrpconn.ReasonOverflow), Alarms: names(election.AlarmKinds())}
	known.Acquired, known.Released = election.Causes()
	return metrics.New(fmt.Sprint(vrid), iface, known)
}

// run runs all parts. The order of the stop is in its first goroutine: hand over, drain, end the rest. An error of a part
// begins the stop as a signal does.
func (s *sidecar) run(stop context.Context) error {
	ctx, end := context.WithCancel(context.WithoutCancel(stop))
	defer end()
	g, ctx := guard.WithContext(ctx)
	var drain atomic.Int64 // what is left of it when the addresses have moved
	drain.Store(int64(s.members.now().Config.LoadBalancer.Drain.Timeout))
	g.Go(func() error {
		defer end()
		err := s.loop.Run(ctx)
		if ctx.Err() != nil {
			return err
		}
		return errors.Join(err, s.balancing.drain(ctx, time.Duration(drain.Load())))
	})
	g.Go(func() error {
		select {
		case <-stop.Done():
			s.Log.Info(logging.MsgStopping)
			drain.Store(int64(s.settle(ctx))) // an error of the election may end the wait
			s.loop.Shutdown()
		case <-ctx.Done():
		}
		return nil
	})
	for _, p := range s.running {
		g.Go(func() error { return s.keep(ctx, p) })
	}
	err := g.Wait()
	select {
	case failed := <-s.failed:
		return errors.Join(failed, err)
	default:
		return err
	}
}

// relockTimeout bounds the wait for a lock that was lost: another instance may have it now.
const relockTimeout = time.Second

// serveCommands takes commands on the socket given, and where that fails on another one.
func (s *sidecar) serveCommands(ln net.Listener) func(context.Context) error {
	return func(ctx context.Context) error {
		if ln == nil {
			bounded, cancel := context.WithTimeout(ctx, relockTimeout)
			defer cancel()
			var err error
			if ln, err = command.Listen(bounded, s.Log, s.link.Name, s.cfg.Election.VRRP.VirtualRouterID); err != nil {
				return err
			}
		}
		defer func() { ln = nil }()
		return command.Serve(ctx, ln, command.Handlers{Handover: s.handover, Order: s.order, Connections: s.connections})
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
