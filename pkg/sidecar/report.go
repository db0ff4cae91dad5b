// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"maps"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/control"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/metrics"
	"github.com/harbinger-ha/harbinger/pkg/probe"
	"github.com/harbinger-ha/harbinger/pkg/proxy"
	"github.com/harbinger-ha/harbinger/pkg/version"
)

// drops remembers the refused packets by reason, and where the last of each came from.
type drops struct {
	mu       sync.Mutex
	byReason map[string]Drop
}

// dropped is told of every refused packet, by the control loop's goroutine.
func (s *Sidecar) dropped(reason string, from netip.Addr) {
	s.metrics.Dropped(reason)
	s.drops.mu.Lock()
	defer s.drops.mu.Unlock()
	if s.drops.byReason == nil {
		s.drops.byReason = map[string]Drop{}
	}
	d := Drop{Count: s.drops.byReason[reason].Count + 1, Last: time.Now()}
	if from.IsValid() { // the kernel's own drops have no source
		d.From = from.String()
	}
	s.drops.byReason[reason] = d
}

func (d *drops) snapshot() map[string]Drop {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.byReason)
}

// Status returns what this node says of itself now.
func (s *Sidecar) Status() Status {
	loop := s.loop.Status()
	status := Status{
		Node: s.node, Cluster: s.cfg.ControlPlane.ClusterName, Version: version.Get().Version, Incarnation: s.incarnation,
		Started: s.started, Interface: s.link.Name, VirtualAddresses: s.cfg.VirtualAddresses,
		VirtualRouter: s.virtualRouter(loop), Lease: s.lease(loop.Election), Balancer: s.balancer(), Moves: moves(loop.Moves),
	}
	status.judge()
	return status
}

func (s *Sidecar) virtualRouter(loop control.Status) VirtualRouter {
	e, v := loop.Election, s.members.now().Config.Election.VRRP
	r := VirtualRouter{
		VRID: v.VirtualRouterID, Version: uint8(v.Version), Mode: string(s.cfg.Election.Mode), Arbiter: "vrrp", Epoch: e.Epoch,
		State: e.State.String(), Since: wall(e.Since), Reason: e.Reason, Held: loop.Held, Priority: e.Priority,
		Configured: v.Priority, Distress: e.Distress, Interval: e.AdvertisementInterval.String(),
		SplitSuspected: e.SplitSuspected, Conflict: e.Conflict, Dropped: s.drops.snapshot(), Failing: loop.Failing,
	}
	if e.Arbitrated {
		r.Arbiter = "lease"
	}
	switch {
	case loop.Held:
		r.Holder = s.node
	case e.Holder.IsValid():
		heard := wall(e.HeardAt)
		r.Holder, r.HolderHeard, r.HolderPrio = e.Holder.String(), &heard, e.HeardPriority
	}
	return r
}

// wall turns a time of the loop's clock into one for people.
func wall(t time.Time) time.Time { return t.Round(0).UTC() }

func moves(in []control.Move) []Move {
	out := make([]Move, 0, len(in))
	for _, m := range in {
		move := Move{Time: m.Time.UTC(), From: m.From, To: m.To, Reason: m.Reason}
		if m.Silence > 0 {
			move.Silence = m.Silence.Round(time.Millisecond).String()
		}
		out = append(out, move)
	}
	return out
}

func (s *Sidecar) balancer() Balancer {
	p := s.supervisor.Status()
	b := Balancer{
		Up: p.PID != 0, PID: p.PID, Restarts: p.Restarts, Steering: "none",
		Active: p.Active, Accepted: p.Accepted, Refused: p.Refused, Frontends: []string{}, Backends: []Backend{},
	}
	for _, f := range s.frontends {
		b.Frontends = append(b.Frontends, f.Address().String())
	}
	if s.steering != nil {
		b.Steering, b.Steered = string(s.steering.Mode()), s.steering.Enabled()
	}
	for _, x := range p.Backends {
		b.Backends = append(b.Backends, backend(x))
	}
	return b
}

func backend(x proxy.BackendStatus) Backend {
	b := Backend{
		Address: x.Address.String(), Backup: x.Backup, Healthy: x.Healthy,
		Connections: x.Connections, Total: x.Total, Failures: x.Failures,
	}
	if !x.Healthy {
		b.Reason = x.Reason
	}
	return b
}

// balancerSample is the balancer's part of the metrics.
func (s *Sidecar) balancerSample() metrics.Balancer {
	b := s.balancer()
	out := metrics.Balancer{Up: b.Up, Restarts: b.Restarts, Steered: b.Steered, Active: b.Active, Accepted: b.Accepted, Refused: b.Refused}
	for _, x := range b.Backends {
		out.Backends = append(out.Backends, metrics.Backend{
			Address: x.Address, Healthy: x.Healthy, Connections: x.Connections, Total: x.Total, Failures: x.Failures,
		})
	}
	return out
}

// identity is what the identity endpoint answers. A process whose loop does not turn serves nobody and must not claim to.
func (s *Sidecar) identity() probe.Identity {
	e := s.loop.Status().Election
	state := strings.ToLower(e.State.String())
	if !s.loop.Alive() {
		state = "stalled"
	}
	return probe.Identity{
		Cluster: s.cfg.ControlPlane.ClusterName, Node: s.node, Incarnation: s.incarnation, State: state,
		Priority: e.Priority, Distress: e.Distress,
	}
}

func stateNames() []string {
	var names []string
	for _, st := range election.States() {
		names = append(names, st.String())
	}
	return names
}
