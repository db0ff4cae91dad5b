// SPDX-License-Identifier: Apache-2.0

// Package report says what a node shows of itself: its status, whether it is ready and why not, and what it answers to the
// probes of the other nodes. It works on what the parts of the keeper report and reads nothing itself. It is one package because a
// finding is judged by all of it: the same facts make the fields of the status, its conditions and what is said of them.
package report

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/control"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/fenced"
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
	StartedOn   string     // the interface at the start; empty: the same
	Address     netip.Addr // by which the other nodes know it
	Frontends   []netip.AddrPort
	Steering    string // empty: none is needed
}

// LeftOut are the apiservers that the configuration or the API name and that are not used.
type LeftOut struct {
	Count  int
	Reason string // which, and why
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
	// KernelMode is nil where the relay is configured.
	KernelMode *KernelMode
	API        *kubeapi.Status // nil: no use is made of the API
	Dropped    map[string]v1alpha1.Drop
	Unusable   map[string]string // files of the host, and why they are not used as they are now
	Blocked    string            // what keeps this node from serving but its backends
	LeftOut    LeftOut
	Closed     []string // ports of this node that another socket has, and which
	Replaced   []string // files of the host that the pod sees as they were before
	Signing    *Signing // nil: advertisements are not signed
	Fence      fenced.State
	Reception
	Asked Asked
	Peers []Peer // the other hosts, and what they said of themselves
}

// Status returns the status. Conditions are those of the status before, whose times last while nothing changes.
func Status(f Facts, before []metav1.Condition) v1alpha1.HarbingerStatus {
	s := v1alpha1.HarbingerStatus{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion, Kind: v1alpha1.Kind},
		Node:     f.Node.Name, Cluster: f.Config.ControlPlane.ClusterName, Version: f.Node.Version, Incarnation: f.Node.Incarnation,
		Started: wall(f.Node.Started), Interface: f.Node.Interface, StartedOn: f.Node.StartedOn, VirtualAddresses: f.Config.VirtualAddresses,
		VirtualRouter: virtualRouter(f), API: api(f.API), Balancer: balancer(f), Moves: moves(f.Loop.Moves), Holders: holders(f),
	}
	if s.API != nil && f.Config.Election.Mode != election.VRRP {
		s.Lease = lease(f, *s.API)
	}
	why := append(notReady(f.Kernel, s), closed(f)...)
	why = append(why, proofs(f)...)
	for _, x := range why {
		s.NotReady = append(s.NotReady, x.text)
	}
	slices.Sort(s.NotReady)
	s.Ready = len(s.NotReady) == 0
	s.Hosts = hosts(f, &s)
	s.Conditions = conditions(&s, before, f)
	s.Findings = findings(f, &s, why)
	s.Hosts[0].Finding, s.Hosts[0].Severity = worst(&s)
	return s
}

func virtualRouter(f Facts) v1alpha1.VirtualRouter {
	e, v := f.Loop.Election, f.Config.Election.VRRP
	r := v1alpha1.VirtualRouter{
		VRID: v.VirtualRouterID, Version: uint8(v.Version), Mode: string(f.Config.Election.Mode), Arbiter: "vrrp", Epoch: e.Epoch,
		State: e.State.String(), Since: wall(e.Since), Reason: e.Reason, CurrentReason: currentReason(f), Held: f.Loop.Held,
		Priority: e.Priority, Configured: v.Priority, Distress: e.Distress, Interval: e.AdvertisementInterval.String(),
		Conflict: e.Conflict, SplitSuspected: e.SplitSuspected, Filtered: filters(f), CouldNotAsk: e.CouldNotAsk, Dropped: f.Dropped, Failing: f.Loop.Failing,
		Signing: signing(f), Fence: fence(f),
		Reach: reach(f), Isolated: e.Isolated, Unreachable: e.Unreachable, Witness: witness(e), Forged: forgery(f),
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

func moves(in []control.Move) []v1alpha1.Move {
	out := make([]v1alpha1.Move, 0, len(in))
	for _, m := range in {
		move := v1alpha1.Move{Time: wall(m.Time), From: m.From, To: m.To, Reason: m.Reason, Cause: m.Cause, Evidence: m.Evidence}
		if m.Silence > 0 {
			move.Silence = m.Silence.Round(time.Millisecond).String()
		}
		if m.Unserved > 0 {
			move.Unserved = m.Unserved.Round(time.Millisecond).String()
		}
		out = append(out, move)
	}
	return out
}

// holders says who held the virtual addresses. The last one holds them still while it is seen.
func holders(f Facts) (all []v1alpha1.HolderSpan) {
	patience := heardFor * f.Loop.Election.AdvertisementInterval
	for i, span := range f.Loop.Holders {
		h := v1alpha1.HolderSpan{Holder: f.Node.Name, Node: f.Node.Name, From: wall(span.From), Reason: span.Reason}
		if !span.Own {
			h.Holder, h.Node = span.Holder.String(), f.nameOf(span.Holder)
		}
		if i < len(f.Loop.Holders)-1 || f.Loop.Turned.Sub(span.Seen) > patience || span.Own && !f.Loop.Held {
			h.Until = known(span.Seen)
		}
		if span.Unserved > 0 {
			h.Unserved = span.Unserved.Round(time.Millisecond).String()
		}
		all = append(all, h)
	}
	return all
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

// Summary is what other hosts are shown of the status.
type Summary struct {
	Ready, Held       bool
	Finding, Severity string // of the worst finding
}

// Summarise returns what other hosts are shown of a status.
func Summarise(s v1alpha1.HarbingerStatus) Summary {
	condition, severity := worst(&s)
	return Summary{Ready: s.Ready, Held: s.VirtualRouter.Held, Finding: condition, Severity: severity}
}

// Identity returns what the identity endpoint answers. A process whose loop is not alive serves no client and must not say
// that it does, and what it found of others is old. Now is the time of the clock that the times of the election are of.
func Identity(n Node, last Summary, cluster string, e election.Status, alive bool, now time.Time) probe.Identity {
	id := probe.Identity{
		Cluster: cluster, Node: n.Name, Incarnation: n.Incarnation, State: "stalled", Epoch: uint64(e.Epoch), Priority: e.Priority, Distress: e.Distress,
		Version: n.Version,
	}
	if !alive {
		return id
	}
	id.State = strings.ToLower(e.State.String())
	id.Ready, id.Held, id.Finding, id.Severity, id.SinceMs = last.Ready, last.Held, last.Finding, last.Severity, max(0, now.Sub(e.Since).Milliseconds())
	if w := e.Witness; w.Holder.IsValid() {
		id.Witness = probe.Witness{Holder: w.Holder.WithZone(""), Failures: w.Failures, AgeMs: now.Sub(w.At).Milliseconds(), Silent: e.Silent(now)}
	}
	return id
}
