// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/pkg/fault"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/metrics"
	"github.com/harbinger-ha/harbinger/pkg/socket"
)

const (
	// portRetry is how often a port is tried that another socket of this host has: an outgoing connection ends some time.
	portRetry = time.Second
	// holderEvery is how often it is looked up who has the port, which reads much of /proc.
	holderEvery = 30 * time.Second
)

// ownPorts are the ports that this node listens on. One that another socket has is waited for: until then this node is a Backup
// like another one, which is not ready.
type ownPorts struct {
	log     logr.Logger
	metrics *metrics.Metrics
	changed func() // is called when a port was opened, or could not be

	mu     sync.Mutex
	closed map[string]closedPort // by what the port is for
}

// A closedPort is one that could not be opened.
type closedPort struct {
	reason  string
	serves  bool // clients or other nodes are served there
	looked  time.Time
	problem string // of the system call
}

// An ownPort is one of them.
type ownPort struct {
	name    string // what it is for, with the field that names it
	address netip.AddrPort
	serves  bool // clients or other nodes are served there, which no node should take over without
}

func newOwnPorts(log logr.Logger, m *metrics.Metrics, changed func()) *ownPorts {
	return &ownPorts{log: log, metrics: m, changed: changed, closed: map[string]closedPort{}}
}

// key names the port of an address.
func (p ownPort) key() string { return fmt.Sprintf("%s on %s", p.name, p.address) }

// try opens a port, and remembers whether that was possible.
func (o *ownPorts) try(p ownPort, open func() error) error {
	err := open()
	o.mu.Lock()
	before, was := o.closed[p.key()]
	switch {
	case err == nil && !was:
		o.mu.Unlock()
		return nil
	case err == nil:
		delete(o.closed, p.key())
	case !was || before.problem != err.Error() || time.Since(before.looked) > holderEvery:
		o.closed[p.key()] = closedPort{reason: describe(p, err), serves: p.serves, looked: time.Now(), problem: err.Error()}
	}
	now, is := o.closed[p.key()]
	o.mu.Unlock()
	switch {
	case !is:
		o.log.Info(logging.MsgPortOpened, logging.KeyAddress, p.address, logging.KeyReason, p.name)
	case now.reason != before.reason:
		o.metrics.Failed("listen")
		o.log.Error(errors.New(fault.Words(err)), logging.MsgPortTaken, logging.KeyAddress, p.address, logging.KeyReason, now.reason)
	}
	if is != was {
		o.changed()
	}
	return err
}

// forget forgets a port that is not wanted any more.
func (o *ownPorts) forget(p ownPort) {
	o.mu.Lock()
	_, was := o.closed[p.key()]
	delete(o.closed, p.key())
	o.mu.Unlock()
	if was {
		o.changed()
	}
}

// describe says why a port is not open, and who has it.
func describe(p ownPort, err error) string {
	reason := fmt.Sprintf("%s: %s", p.key(), fault.Brief(err))
	if holder := socket.Holder(p.address); holder != "" {
		reason += ": " + holder
	}
	return reason
}

// open opens a port as soon as it is free. It returns false when ctx ends before.
func (o *ownPorts) open(ctx context.Context, p ownPort, open func() error) bool {
	for o.try(p, open) != nil {
		select {
		case <-time.After(portRetry):
		case <-ctx.Done():
			return false
		}
	}
	return ctx.Err() == nil
}

// reasons says which ports are not open.
func (o *ownPorts) reasons() (reasons []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(o.closed)) {
		reasons = append(reasons, o.closed[key].reason)
	}
	return reasons
}

// blocked says what keeps this node from serving as another one can: clients by its frontends, or the probes of other nodes.
func (o *ownPorts) blocked() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(o.closed)) {
		if p := o.closed[key]; p.serves {
			return p.reason
		}
	}
	return ""
}

// An endpoint is a port on which something is served by this process.
type endpoint struct {
	ownPort
	listen func() (net.Listener, error)
	serve  func(context.Context, net.Listener) error // until the context ends; it closes the listener
	ln     net.Listener                              // open, and not served yet
}

// openEndpoint tries to open an endpoint now, so that it is open before the election begins.
func (s *sidecar) openEndpoint(e *endpoint) {
	if s.ports.try(e.ownPort, e.open) == nil {
		s.atEnd(e.ln.Close)
	}
}

func (e *endpoint) open() (err error) {
	e.ln, err = e.listen()
	return err
}

// run serves an endpoint. Where its socket fails, keep calls it again, and another one is opened.
func (s *sidecar) serveEndpoint(ctx context.Context, e *endpoint) error {
	if e.ln == nil && !s.ports.open(ctx, e.ownPort, e.open) {
		return nil
	}
	ln := e.ln
	e.ln = nil
	return e.serve(ctx, ln)
}
