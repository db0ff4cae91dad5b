// SPDX-License-Identifier: Apache-2.0

// Package report says what a node shows of itself: its status, whether it is ready and why not, and what it answers to the
// probes of the other nodes. It works on what the parts of the keeper report and reads nothing itself.
package report

import (
	"net/netip"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/control"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/kubeapi"
	"github.com/harbinger-ha/harbinger/pkg/probe"
	"github.com/harbinger-ha/harbinger/pkg/proxy"
)

// Node is what does not change while a process runs.
type Node struct {
	Name        string
	Version     string // of the program
	Incarnation string // of the process
	Started     time.Time
	Interface   string
	StartedOn   string // the interface at the start; empty: the same
	Frontends   []netip.AddrPort
	Steering    string // empty: none is needed
}

// Kernel is where the virtual addresses are on this host.
type Kernel struct {
	Missing []netip.Addr // held and not there
	Strays  []string     // there, and not from here
	Failure string       // why the kernel could not be asked
}

// Facts are what the parts of the keeper report at one moment.
type Facts struct {
	Node     Node
	Now      time.Time                      // wall clock
	Config   *config.HarbingerConfiguration // as it is in use
	Loop     control.Status
	Kernel   Kernel
	Balancer proxy.Status
	Steered  bool
	API      *kubeapi.Status // nil: no use is made of the API
	Dropped  map[string]v1alpha1.Drop
	Unusable map[string]string // files of the host, and why they are not used as they are now
	Blocked  string            // what keeps this node from serving but its backends
	Closed   []string          // ports of this node that another socket has, and which
	Replaced []string          // files of the host that the pod sees as they were before
	Reception
}

// Status returns the status. Conditions are those of the status before, whose times last while nothing changes.
func Status(f Facts, before []metav1.Condition) v1alpha1.HarbingerStatus {
	s := v1alpha1.HarbingerStatus{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion, Kind: v1alpha1.Kind},
		Node:     f.Node.Name, Cluster: f.Config.ControlPlane.ClusterName, Version: f.Node.Version, Incarnation: f.Node.Incarnation,
		Started: wall(f.Node.Started), Interface: f.Node.Interface, StartedOn: f.Node.StartedOn, VirtualAddresses: f.Config.VirtualAddresses,
		VirtualRouter: virtualRouter(f), API: api(f.API), Balancer: balancer(f), Moves: moves(f.Loop.Moves),
	}
	if s.API != nil && f.Config.Election.Mode != election.VRRP {
		s.Lease = lease(f, *s.API)
	}
	s.NotReady = append(notReady(f.Kernel, s), f.Closed...)
	s.Ready = len(s.NotReady) == 0
	s.Conditions = conditions(s, before, f)
	return s
}

func virtualRouter(f Facts) v1alpha1.VirtualRouter {
	e, v := f.Loop.Election, f.Config.Election.VRRP
	r := v1alpha1.VirtualRouter{
		VRID: v.VirtualRouterID, Version: uint8(v.Version), Mode: string(f.Config.Election.Mode), Arbiter: "vrrp", Epoch: e.Epoch,
		State: e.State.String(), Since: wall(e.Since), Reason: e.Reason, CurrentReason: currentReason(f), Held: f.Loop.Held,
		Priority: e.Priority, Configured: v.Priority, Distress: e.Distress, Interval: e.AdvertisementInterval.String(),
		Conflict: e.Conflict, SplitSuspected: e.SplitSuspected, Filtered: filters(f), CouldNotAsk: e.CouldNotAsk, Dropped: f.Dropped, Failing: f.Loop.Failing,
	}
	if e.Arbitrated {
		r.Arbiter = "lease"
	}
	switch {
	case f.Loop.Held:
		r.Holder = f.Node.Name
	case e.Holder.IsValid():
		r.Holder, r.HolderHeard, r.HolderPriority = e.Holder.String(), known(e.HeardAt), e.HeardPriority
	}
	if host := (v1alpha1.Host{HardwareAddress: e.ConflictOwner}); e.Conflict != "" {
		if e.ConflictPeer.IsValid() {
			host.Address = e.ConflictPeer.String()
		}
		r.ConflictWith = &host
	}
	return r
}

func api(access *kubeapi.Status) *v1alpha1.API {
	if access == nil {
		return nil
	}
	a := &v1alpha1.API{Credentials: access.CredentialsProblem, Expires: known(access.Expires)}
	for _, b := range access.Backends {
		a.APIServers = append(a.APIServers, v1alpha1.APIServer{Address: b.Address.String(), Answered: known(b.OKAt), Failure: b.Error})
	}
	return a
}

func lease(f Facts, access v1alpha1.API) *v1alpha1.Lease {
	e, l := f.Loop.Election, f.Config.Election.Lease
	return &v1alpha1.Lease{
		Name: l.Namespace + "/" + l.Name, Holder: e.Lease.Holder, Node: e.Lease.Node, Epoch: e.Lease.Epoch,
		Answered: known(e.LeaseAnswered), Failure: e.LeaseFailure, API: access,
	}
}

func balancer(f Facts) v1alpha1.Balancer {
	p := f.Balancer
	b := v1alpha1.Balancer{
		Up: p.PID != 0, PID: p.PID, Restarts: p.Restarts, Steering: "none", Steered: f.Steered,
		Degraded: p.Degraded(), Active: p.Active, Accepted: p.Accepted, Refused: p.Refused, Frontends: []string{}, Backends: []v1alpha1.Backend{},
	}
	if f.Node.Steering != "" {
		b.Steering = f.Node.Steering
	}
	for _, frontend := range f.Node.Frontends {
		b.Frontends = append(b.Frontends, frontend.String())
	}
	for _, x := range p.Backends {
		backend := v1alpha1.Backend{
			Address: x.Address.String(), Backup: x.Backup, State: x.State.String(), Since: wall(x.Since), Healthy: x.Healthy, Accepts: x.Accepts,
			Connections: x.Connections, Total: x.Total, Failures: x.Failures,
		}
		if x.State != health.Healthy {
			backend.Reason = x.Reason
		}
		b.Backends = append(b.Backends, backend)
	}
	return b
}

func moves(in []control.Move) []v1alpha1.Move {
	out := make([]v1alpha1.Move, 0, len(in))
	for _, m := range in {
		move := v1alpha1.Move{Time: wall(m.Time), From: m.From, To: m.To, Reason: m.Reason}
		if m.Silence > 0 {
			move.Silence = m.Silence.Round(time.Millisecond).String()
		}
		out = append(out, move)
	}
	return out
}

// wall turns a time into one for people: without the monotonic reading, in UTC.
func wall(t time.Time) time.Time { return t.Round(0).UTC() }

// known is a time, or nil for the zero time.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	w := wall(t)
	return &w
}

// Identity returns what the identity endpoint answers. A process whose loop is not alive serves no client and must not say
// that it does.
func Identity(n Node, cluster string, e election.Status, alive bool) probe.Identity {
	state := strings.ToLower(e.State.String())
	if !alive {
		state = "stalled"
	}
	return probe.Identity{
		Cluster: cluster, Node: n.Name, Incarnation: n.Incarnation, State: state, Epoch: uint64(e.Epoch), Priority: e.Priority, Distress: e.Distress,
	}
}
