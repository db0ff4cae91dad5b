// SPDX-License-Identifier: Apache-2.0

package report

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/control"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/fenced"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/kubeapi"
	"github.com/harbinger-ha/harbinger/pkg/probe"
	"github.com/harbinger-ha/harbinger/pkg/proxy"
	"github.com/harbinger-ha/harbinger/pkg/vrrp/keyed"
	"github.com/harbinger-ha/harbinger/pkg/vrrpconn"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

func backend(state health.State, reason string) proxy.BackendStatus {
	return proxy.BackendStatus{
		Address: netip.MustParseAddrPort("192.0.2.1:6443"), State: state, Since: ago(time.Minute), Reason: reason,
		Healthy: state == health.Healthy || state == health.Suspect,
	}
}

// accepting returns a backend that is not healthy, but accepts connections.
func accepting(state health.State, reason string) proxy.BackendStatus {
	b := backend(state, reason)
	b.Accepts = true
	return b
}

// backup returns the facts of a node in Backup that hears its holder and lacks nothing.
func backup() Facts {
	cfg := &config.HarbingerConfiguration{VirtualAddresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.100/24")}}
	cfg.ControlPlane.ClusterName, cfg.ControlPlane.Port = "kubernetes", 6443
	cfg.Election.Mode = election.Hybrid
	cfg.Election.VRRP.VirtualRouterID, cfg.Election.VRRP.Version, cfg.Election.VRRP.Priority = 51, 3, 100
	cfg.Election.Lease.Namespace, cfg.Election.Lease.Name = "kube-system", "harbinger"
	cfg.Status.IdentityPort = 10444
	return Facts{
		Node: Node{Name: "node1", Version: "v0.1.0", Incarnation: "boot/1", Started: ago(time.Hour), Interface: "eth0", Address: netip.MustParseAddr("192.0.2.1")},
		Now:  now, Config: cfg,
		Loop: control.Status{Turned: now, Election: election.Status{
			State: election.Backup, Since: ago(time.Hour), Reason: "started", Priority: 100, AdvertisementInterval: time.Second,
			Holder: netip.MustParseAddr("192.0.2.3"), HeardAt: ago(400 * time.Millisecond), HeardPriority: 243, Arbitrated: true,
			Lease: election.Lease{Holder: "node3/boot/9", Node: "node3", Epoch: 3}, LeaseAnswered: ago(time.Second),
		}},
		Balancer: proxy.Status{PID: 42, Backends: []proxy.BackendStatus{backend(health.Healthy, "check passed")}},
		API:      &kubeapi.Status{},
		Fence:    fenced.State{Table: "harbinger-51", Timeout: 2 * time.Second, Installed: true, Links: []string{"eth0"}},
		Peers:    []Peer{says("node2", "192.0.2.2", election.Backup, 100), says("node3", "192.0.2.3", election.Active, 243)},
	}
}

// says returns a peer that is well, and said so a second ago.
func says(node, address string, state election.State, priority uint8) Peer {
	return Peer{Address: netip.MustParseAddr(address), Asked: true, Answered: ago(time.Second), Said: probe.Identity{
		Cluster: "kubernetes", Node: node, State: strings.ToLower(state.String()), Priority: priority,
		Version: "v0.1.0", Ready: true, Held: state == election.Active, SinceMs: time.Hour.Milliseconds(),
	}}
}

func TestReadiness(t *testing.T) {
	e := func(state election.State, held bool) func(*Facts) {
		return func(f *Facts) { f.Loop.Election.State, f.Loop.Held = state, held }
	}
	for _, tc := range []struct {
		name   string
		change func(*Facts)
		want   string // part of the reason, empty: ready
	}{
		{"Backup", func(*Facts) {}, ""},
		{"Active with the addresses", e(election.Active, true), ""},
		{"Leaving still serves", e(election.Leaving, true), ""},
		{"Claiming", e(election.Claiming, false), ""},
		{"Active without the addresses", e(election.Active, false), "state Active without the virtual addresses"},
		{"Backup with the addresses", e(election.Backup, true), "virtual addresses held in state Backup"},
		{"link down", e(election.Initialize, false), "virtual router in state Initialize"},
		{"foreign holder", func(f *Facts) {
			f.Loop.Election.State, f.Loop.Election.Reason = election.Conflict, "foreign holder: 02:00:00:00:09:09"
		}, "virtual router in state Conflict: foreign holder: 02:00:00:00:09:09"},
		{"a suspect backend", func(f *Facts) { f.Balancer.Backends[0] = backend(health.Suspect, "refused") }, ""},
		{"no healthy backend", func(f *Facts) { f.Balancer.Backends[0] = backend(health.Down, "refused") }, "no healthy backend"},
		{"no healthy backend, and one accepts", func(f *Facts) {
			f.Balancer.Backends = []proxy.BackendStatus{backend(health.Down, "refused"), accepting(health.NotReady, "etcd failed")}
		}, ""},
		{"no backend", func(f *Facts) { f.Balancer.Backends = nil }, "no healthy backend"},
		{"no balancer", func(f *Facts) { f.Balancer.PID = 0 }, "balancer down"},
		{"a port that is taken", func(f *Facts) { f.Closed = []string{"identity: in use"} }, "identity: in use"},
		{"an address that the kernel has lost", func(f *Facts) {
			f.Loop.Election.State, f.Loop.Held, f.Kernel.Missing = election.Active, true, []netip.Addr{netip.MustParseAddr("192.0.2.100")}
		}, "192.0.2.100 is held, but not in the kernel"},
		{"a permanent virtual address", func(f *Facts) { f.Kernel.Strays = []string{"192.0.2.100 on eth0, without a lifetime"} },
			"192.0.2.100 on eth0, without a lifetime: Harbinger has not added it here; remove it from the configuration of the network"},
		{"a kernel that does not answer", func(f *Facts) { f.Kernel.Failure = "too many open files" }, "too many open files"},
		{"clients do not reach it", func(f *Facts) {
			f.Loop.Election.State, f.Loop.Held, f.Loop.Election.Unreachable = election.Active, true, true
		}, "clients would not reach the virtual address at this node: open TCP port"},
		{"isolated", func(f *Facts) { f.Loop.Election.Isolated = true }, ""},
		{"forged advertisements", func(f *Facts) { f.Loop.Election.Forged = peer4 }, ""},
		{"failing action", func(f *Facts) { f.Loop.Failing = map[string]string{"advertise": "network is down"} }, "advertise: network is down"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := backup()
			tc.change(&f)
			s := Status(f, nil)
			ready := meta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionReady)
			if why := strings.Join(s.NotReady, "\n"); s.Ready != (tc.want == "") || s.Ready != ready || !strings.Contains(why, tc.want) {
				t.Errorf("ready %v, condition %v, because of %q", s.Ready, ready, why)
			}
		})
	}
}

// A reason vanishes with its cause, also where the state stays.
func TestCurrentReason(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*election.Status)
		want   string
	}{
		{"Backup, kube-vip has the addresses", func(e *election.Status) { e.Waits = "waits for kube-vip on node2" }, "waits for kube-vip on node2"},
		{"Backup, the holder is heard", func(*election.Status) {}, "hears 192.0.2.3 with priority 243"},
		{"Backup, the holder was heard", func(e *election.Status) { e.HeardAt = ago(3 * time.Second) }, "started"},
		{"Backup, the holder serves unheard", func(e *election.Status) { e.HeardAt, e.SplitSuspected = ago(time.Minute), true },
			"the holder serves or renews its Lease, but is not heard"},
		{"Backup, nobody was heard", func(e *election.Status) { e.Holder = netip.Addr{} }, "started"},
		{"Active with the Lease", func(e *election.Status) { e.State, e.Epoch = election.Active, 4 }, "holds the Lease, epoch 4"},
		{"Active without the API", func(e *election.Status) {
			e.State, e.Arbitrated, e.LeaseFailure = election.Active, false, "connection refused"
		}, "holds the virtual addresses by VRRP alone, the Lease has no answer: connection refused"},
		{"Active without a Lease", func(e *election.Status) {
			e.State, e.Arbitrated, e.Reason = election.Active, false, "no advertisement heard"
		}, "no advertisement heard"},
		{"Active in distress", func(e *election.Status) { e.State, e.Distress = election.Active, true },
			"holds the virtual addresses in distress: no backend is healthy"},
		{"Conflict", func(e *election.Status) { e.State, e.Reason = election.Conflict, "foreign holder: 02:00" }, "foreign holder: 02:00"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := backup()
			tc.change(&f.Loop.Election)
			if got := Status(f, nil).VirtualRouter.CurrentReason; got != tc.want {
				t.Errorf("current reason %q, want %q", got, tc.want)
			}
		})
	}
}

func TestReasonOfDistressNamesThePort(t *testing.T) {
	f := backup()
	f.Loop.Election.State, f.Loop.Election.Distress = election.Active, true
	f.Closed, f.Blocked = []string{"frontend: in use", "status: in use"}, "frontend: in use"
	if got := Status(f, nil).VirtualRouter.CurrentReason; got != "holds the virtual addresses in distress: frontend: in use" {
		t.Errorf("current reason %q", got)
	}
}

func TestConditions(t *testing.T) {
	const yes, no, unknown = metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown
	for _, tc := range []struct {
		name, kind      string
		change          func(*Facts)
		status          metav1.ConditionStatus
		reason, message string
	}{
		{"not isolated", v1alpha1.ConditionIsolated, func(*Facts) {}, no, "NotIsolated", ""},
		{"not unreachable", v1alpha1.ConditionUnreachable, func(*Facts) {}, no, "NotUnreachable", ""},
		{"nothing forged", v1alpha1.ConditionForged, func(f *Facts) { f.Loop.Forgery.Source = peer4 }, no, "NothingForged", ""}, // no more
		{"no conflict", v1alpha1.ConditionConflict, func(*Facts) {}, no, "NoConflict", ""},
		{"foreign holder", v1alpha1.ConditionConflict, func(f *Facts) {
			f.Loop.Election.State, f.Loop.Election.Conflict = election.Conflict, "02:00: refused"
		}, yes, "ForeignHolder", "02:00: refused"},
		{"claim", v1alpha1.ConditionConflict, func(f *Facts) { f.Loop.Election.Conflict = "192.0.2.3 claims 192.0.2.100" },
			yes, "AddressClaimed", "192.0.2.3 claims 192.0.2.100"},
		{"no split", v1alpha1.ConditionSplitSuspected, func(*Facts) {}, no, "HolderHeard", ""},
		{"split", v1alpha1.ConditionSplitSuspected, func(f *Facts) { f.Loop.Election.SplitSuspected = true },
			yes, "HolderNotHeard", "the holder serves or renews its Lease, but is not heard: is protocol 112 filtered?"},
		{"backends", v1alpha1.ConditionBackendAvailable, func(f *Facts) {
			f.Balancer.Backends = []proxy.BackendStatus{backend(health.Suspect, "reset"), backend(health.Down, "refused")}
		}, yes, "BackendHealthy", "192.0.2.1:6443 is Suspect: reset; 192.0.2.1:6443 is Down: refused"},
		{"no backend", v1alpha1.ConditionBackendAvailable, func(f *Facts) { f.Balancer.Backends[0] = backend(health.NotReady, "etcd failed") },
			no, "NoHealthyBackend", "192.0.2.1:6443 is NotReady: etcd failed"},
		{"nothing filtered", v1alpha1.ConditionFiltered, func(*Facts) {}, no, "NothingFiltered", ""},
		{"not degraded", v1alpha1.ConditionDegraded, func(*Facts) {}, no, "NotDegraded", ""},
		{"not degraded beside a healthy one", v1alpha1.ConditionDegraded, func(f *Facts) {
			f.Balancer.Backends = append(f.Balancer.Backends, accepting(health.NotReady, "etcd failed"))
		}, no, "NotDegraded", ""},
		{"nothing to go on with", v1alpha1.ConditionDegraded, func(f *Facts) { f.Balancer.Backends[0] = backend(health.Down, "refused") },
			no, "NotDegraded", ""},
		{"degraded", v1alpha1.ConditionDegraded, func(f *Facts) {
			f.Balancer.Backends = []proxy.BackendStatus{backend(health.Down, "refused"), accepting(health.NotReady, "etcd failed")}
		}, yes, "FailOpen", "no backend is healthy, connections go to those that accept them: 192.0.2.1:6443 is Down: refused; 192.0.2.1:6443 is NotReady: etcd failed"},
		{"all backends used", v1alpha1.ConditionBackendsLeftOut, func(*Facts) {}, no, "AllUsed", ""},
		{"backends left out", v1alpha1.ConditionBackendsLeftOut, func(f *Facts) { f.LeftOut = LeftOut{Count: 2, Reason: "both are virtual"} },
			yes, "NotUsable", "both are virtual"},
		{"files", v1alpha1.ConditionFilesCurrent, func(*Facts) {}, yes, "Current", ""},
		{"file not usable", v1alpha1.ConditionFilesCurrent, func(f *Facts) { f.Unusable = map[string]string{"/b": "is empty", "/a": "no such file"} },
			no, "FileUnusable", "/a is not used as it is now: no such file; /b is not used as it is now: is empty"},
		{"file replaced", v1alpha1.ConditionFilesCurrent, func(f *Facts) { f.Replaced = []string{"/a"} },
			no, "FileReplaced", "/a was replaced on the host, and this pod sees the old one until it is started anew"},
		{"API", v1alpha1.ConditionAPIReachable, func(*Facts) {}, yes, "Answered", ""},
		{"API not asked", v1alpha1.ConditionAPIReachable, func(f *Facts) { f.Loop.Election.LeaseAnswered = time.Time{} }, unknown, "NotAsked", ""},
		{"no credentials", v1alpha1.ConditionAPIReachable, func(f *Facts) {
			f.Loop.Election.LeaseAnswered, f.API.CredentialsProblem = time.Time{}, "no such file"
		}, no, "NoCredentials", "no such file"},
		{"API silent", v1alpha1.ConditionAPIReachable, func(f *Facts) { f.Loop.Election.LeaseFailure = "timeout" }, no, "NoAnswer", "timeout"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := backup()
			tc.change(&f)
			got := meta.FindStatusCondition(Status(f, nil).Conditions, tc.kind)
			if got == nil || got.Status != tc.status || got.Reason != tc.reason || got.Message != tc.message {
				t.Errorf("condition %+v, want %s, %s: %q", got, tc.status, tc.reason, tc.message)
			}
		})
	}
}

func TestConditionKeepsItsTime(t *testing.T) {
	f := backup()
	at := func(s v1alpha1.HarbingerStatus) time.Time {
		return meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionBackendAvailable).LastTransitionTime.UTC()
	}
	first := Status(f, nil)
	f.Now = now.Add(time.Minute)
	second := Status(f, first.Conditions)
	f.Balancer.Backends = nil
	third := Status(f, second.Conditions)
	if at(first) != now || at(second) != now || at(third) != f.Now {
		t.Errorf("transitions at %s, %s, %s, want the first time while nothing changes", at(first), at(second), at(third))
	}

	f.Config.Election.Mode = election.VRRP
	s := Status(f, third.Conditions)
	if s.Lease != nil || s.API == nil || meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionAPIReachable) != nil {
		t.Errorf("in mode VRRP: Lease %v, API %v, conditions %v; want the API that discovery asks alone", s.Lease, s.API, s.Conditions)
	}
	f.API = nil
	if s := Status(f, nil); s.API != nil {
		t.Errorf("API %v of a node that makes no use of it", s.API)
	}
}

// holder returns the facts of a node with something in each field.
func holder() Facts {
	f := backup()
	f.Node.Frontends, f.Node.Steering, f.Steered = []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:16443")}, "BPF", true
	f.Node.StartedOn = "eth1"
	f.Loop.Held = true
	f.Fence = fenced.State{Table: "harbinger-51", Timeout: 2 * time.Second, Installed: true, Open: true, Links: []string{"eth0", "eth1"}, PutBack: 2, Reason: "no such device"}
	e := &f.Loop.Election
	e.State, e.Reason, e.Epoch, e.Priority, e.SplitSuspected = election.Active, "no advertisement heard, virtual address free", 4, 244, true
	e.Unheard, e.CouldNotAsk = election.Unheard{Advertisements: true, Peer: netip.MustParseAddr("192.0.2.3")}, "identity port (too many open files)"
	e.Distress = true // together with the rest only here, to have each field
	e.Conflict, e.ConflictOwner, e.ConflictPeer = "192.0.2.3 claims 192.0.2.100", "02:00:00:00:00:03", netip.MustParseAddr("192.0.2.3")
	peers := []netip.Addr{netip.MustParseAddr("192.0.2.2"), peer4}
	f.Asked = Asked{Peers: peers, Gateway: netip.MustParseAddr("192.0.2.254")}
	e.Reach, e.ReachAt = election.PeersDone{Reached: peers, Gateway: election.Answers, Witnesses: peers, Unreachable: peers[1:]}, ago(time.Second)
	e.Isolated, e.Unreachable, e.Forged = true, true, netip.MustParseAddr("192.0.2.9")
	e.Witness = election.Witness{Holder: peer4, Failures: 3, At: ago(2 * time.Second)}
	f.Loop.Forgery = control.Forgery{Source: e.Forged, HardwareAddress: "02:00:00:00:09:09", At: ago(time.Second)}
	e.Lease, e.LeaseFailure = election.Lease{Holder: "node1/boot/1", Node: "node1", Epoch: 4}, "timeout"
	f.Loop.Moves = []control.Move{
		{Time: ago(time.Hour), From: "Initialize", To: "Backup", Reason: "started"},
		{Time: ago(time.Minute), From: "Claiming", To: "Active", Reason: e.Reason, Silence: 3609 * time.Millisecond, Unserved: 3612 * time.Millisecond,
			Cause: election.Cause(e.Reason), Evidence: "identity port Nobody, client port Nobody, ARP or neighbour discovery Nobody; 12 of 12 questions to other neighbours answered; peers that answer: 2; Lease claimed with epoch 4"},
	}
	f.Loop.Failing = map[string]string{"announce": "network is down"}
	f.Dropped = map[string]v1alpha1.Drop{"checksum": {Count: 7, Last: ago(time.Second), From: "192.0.2.9"}}
	signs(&f, vrrpconn.Heard{Source: netip.MustParseAddr("192.0.2.3")}, vrrpconn.Heard{Unsigned: 9}, vrrpconn.Heard{
		Source: netip.MustParseAddr("192.0.2.2"), SignedAt: ago(time.Second), KeyID: 1, Skew: 3100 * time.Millisecond, Skewed: true, Unsigned: 4,
	})
	f.Signing.Clock = true
	f.API = &kubeapi.Status{
		CredentialsProblem: "expires soon", Expires: now.AddDate(1, 0, 0),
		Backends: []kubeapi.BackendStatus{{Address: netip.MustParseAddrPort("127.0.0.1:6443"), OKAt: ago(time.Second), Error: "timeout"}},
	}
	suspect := backend(health.Suspect, "connection refused")
	suspect.Address, suspect.Backup, suspect.Connections, suspect.Total, suspect.Failures = netip.MustParseAddrPort("192.0.2.2:6443"), true, 3, 9, 1
	f.Balancer = proxy.Status{
		PID: 42, Restarts: 1, Active: 5, Accepted: 10, Refused: 2, Backends: []proxy.BackendStatus{backend(health.Healthy, "check passed"), suspect},
	}
	return f
}

// signs has a node sign its advertisements, with what it has accepted.
func signs(f *Facts, heard ...vrrpconn.Heard) {
	f.Config.Election.VRRP.HMAC = config.HMAC{
		Keys: []config.KeyFile{{ID: 2}, {ID: 1}}, ActiveKey: 2, Mode: keyed.Permissive, AntiReplay: keyed.Time, TimeWindow: 5 * time.Second,
	}
	f.Signing = &Signing{Heard: heard}
}

// unwell returns the facts of a holder whose backends are all unwell.
func unwell() Facts {
	f := backup()
	f.Loop.Held, f.Loop.Election.State, f.Loop.Election.Distress = true, election.Active, true
	late := accepting(health.Down, "time out")
	late.Address = netip.MustParseAddrPort("192.0.2.2:6443")
	f.Balancer.Backends = []proxy.BackendStatus{accepting(health.NotReady, "etcd failed"), late}
	signs(&f, vrrpconn.Heard{Source: netip.MustParseAddr("192.0.2.2"), SignedAt: ago(time.Second), KeyID: 1})
	f.Balancer.Backends[0].Proved = true
	f.Balancer.Limit, f.Balancer.Lowered = 462, "20000 are configured, and the process has 1024 file descriptors (RLIMIT_NOFILE), of which each takes two"
	f.LeftOut = LeftOut{Count: 2936, Reason: "2936 of the 3000 apiservers that the API names are not used, as there are at most 64 backends"}
	return f
}

func TestHolderWhoIsNotThisNode(t *testing.T) {
	r := Status(backup(), nil).VirtualRouter
	if r.Holder != "192.0.2.3" || r.HolderHeard == nil || !r.HolderHeard.Equal(ago(400*time.Millisecond)) || r.HolderPriority != 243 {
		t.Errorf("holder %q, heard at %v with priority %d", r.Holder, r.HolderHeard, r.HolderPriority)
	}
	f := backup()
	f.Loop.Election.Conflict, f.Loop.Election.ConflictOwner = "a foreign host", "02:00:00:00:09:09"
	if with := Status(f, nil).VirtualRouter.ConflictWith; with == nil || *with != (v1alpha1.Host{HardwareAddress: "02:00:00:00:09:09"}) {
		t.Errorf("conflict with %+v, want an unknown host", with)
	}
}

func TestIdentity(t *testing.T) {
	e := election.Status{State: election.Active, Since: time.Unix(90, 0), Epoch: 7, Priority: 247, Distress: true}
	n := Node{Name: "node1", Incarnation: "boot/1", Version: "v1"}
	last := Summary{Ready: true, Held: true, Finding: "Redundant", Severity: "Warning"}
	want := probe.Identity{Cluster: "kubernetes", Node: "node1", Incarnation: "boot/1", State: "active", Epoch: 7, Priority: 247, Distress: true,
		Version: "v1", Ready: true, Held: true, SinceMs: 10000, Finding: "Redundant", Severity: "Warning"}
	at := time.Unix(100, 0)
	if got := Identity(n, last, "kubernetes", e, true, at); got != want {
		t.Errorf("identity %+v, want %+v", got, want)
	}
	e.State, want.State = election.Backup, "backup"
	e.Witness = election.Witness{Holder: netip.MustParseAddr("fe80::3%eth0"), Failures: 3, At: at}
	e.HeardAt, e.AdvertisementInterval = at, time.Second
	want.Witness = probe.Witness{Holder: linkLocal, Failures: 3, AgeMs: 500}
	want.SinceMs = 10500
	if got := Identity(n, last, "kubernetes", e, true, at.Add(500*time.Millisecond)); got != want {
		t.Errorf("identity %+v of a witness, want %+v", got, want)
	}
	if got := Identity(n, last, "kubernetes", e, true, at.Add(2*time.Second)); !got.Witness.Silent {
		t.Errorf("identity %+v of a witness that has not heard the holder for two intervals", got)
	}
	want.State, want.Witness = "stalled", probe.Witness{}
	want.Ready, want.Held, want.SinceMs, want.Finding, want.Severity = false, false, 0, "", ""
	if got := Identity(n, last, "kubernetes", e, false, at); got != want {
		t.Errorf("identity %+v of a loop that does not turn, want %+v", got, want)
	}
}

// A holder has its name where it is known, and an end once it is not seen any more.
func TestHolders(t *testing.T) {
	spans := Status(normal(), nil).Holders
	if len(spans) != 2 || spans[0].Node != "node2" || spans[0].Until == nil || spans[1].Node != "node1" || spans[1].Until != nil || spans[1].Unserved != "3.609s" {
		t.Errorf("holders %+v", spans)
	}
	released := normal()
	released.Loop.Held = false
	if last := Status(released, nil).Holders[1]; last.Until == nil || !last.Until.Equal(now) {
		t.Errorf("this node has released the addresses, and holds them until %v", last.Until)
	}
	for _, tc := range []struct {
		address string
		silent  time.Duration
		node    string
		over    bool
	}{
		{"192.0.2.2", time.Second, "node2", false},
		{"192.0.2.7", time.Second, "", false},
		{"192.0.2.2", time.Minute, "node2", true},
	} {
		f := normal()
		f.Loop.Holders = []control.HolderSpan{{Holder: netip.MustParseAddr(tc.address), From: ago(time.Hour), Seen: ago(tc.silent)}}
		if h := Status(f, nil).Holders[0]; h.Holder != tc.address || h.Node != tc.node || (h.Until != nil) != tc.over {
			t.Errorf("%+v: %+v", tc, h)
		}
	}
	f := normal()
	f.Peers, f.Loop.Election.Lease = nil, election.Lease{Holder: "node2/boot/1", Node: "node2", Address: netip.MustParseAddr("192.0.2.2")}
	if h := Status(f, nil).Holders[0]; h.Node != "node2" {
		t.Errorf("the Lease does not name %+v", h)
	}
}
