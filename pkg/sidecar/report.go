// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/control"
	"github.com/harbinger-ha/harbinger/pkg/fault"
	"github.com/harbinger-ha/harbinger/pkg/fenced"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/kubeapi"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/metrics"
	"github.com/harbinger-ha/harbinger/pkg/probe"
	"github.com/harbinger-ha/harbinger/pkg/report"
	"github.com/harbinger-ha/harbinger/pkg/session"
)

// drops remembers the refused packets by reason, and where the last of each came from.
type drops struct {
	metrics *metrics.Metrics

	mu       sync.Mutex
	byReason map[string]v1alpha1.Drop
}

// add counts a refused packet. The control loop's goroutine calls it.
func (d *drops) add(reason string, from netip.Addr) {
	d.metrics.Dropped(reason)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byReason == nil {
		d.byReason = map[string]v1alpha1.Drop{}
	}
	drop := v1alpha1.Drop{Count: d.byReason[reason].Count + 1, Last: time.Now().UTC()}
	if from.IsValid() { // the kernel's own drops have no source
		drop.From = from.String()
	}
	d.byReason[reason] = drop
}

func (d *drops) snapshot() map[string]v1alpha1.Drop {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.byReason)
}

// reporter says what this node shows of itself.
type reporter struct {
	node      report.Node
	startedOn string // name of the interface
	members   *members
	loop      *control.Loop
	addresses *address.Addresses
	fenced    *fenced.Addresses
	balancing *balancing
	api       *kubeapi.Client // nil: no use is made of the API
	metrics   *metrics.Metrics
	drops     *drops
	files     *files
	reception *reception
	asked     *asked
	signing   *signing
	hosts     *hosts
	log       logr.Logger

	filterLines logging.Budget // of the goroutine that watches

	mu         sync.Mutex
	conditions []metav1.Condition // of the last status
	last       atomic.Pointer[report.Summary]
}

func (s *sidecar) newReporter() *reporter {
	r := &reporter{
		node: s.node, startedOn: s.link.Name, members: s.members, loop: s.loop, addresses: s.addresses, fenced: s.fenced, balancing: s.balancing, api: s.api, metrics: s.metrics, drops: &s.drops,
		files: &s.files, reception: &s.reception, asked: &s.asked, signing: &s.signing, hosts: &s.hosts, log: s.Log,
	}
	s.metrics.WatchStatus(func() (status v1alpha1.HarbingerStatus) { // in a goroutine of the registry's
		_ = s.guarded("metrics", func() error { status = r.status(); return nil })
		return status
	}, names(health.States()))
	s.metrics.WatchChecks(func() map[string]health.Durations { return s.balancing.supervisor.Status().Checks() })
	s.metrics.WatchSessions(func() map[string]session.Figures { return s.balancing.supervisor.Status().Sessions() })
	return r
}

// status returns what this node says of itself now.
func (r *reporter) status() v1alpha1.HarbingerStatus {
	r.mu.Lock() // first: the conditions must not follow older facts after newer ones
	defer r.mu.Unlock()
	node := r.node
	view := r.members.now()
	node.Address = view.Primary(view.VirtualAddresses()[0])
	node.Interface, node.Frontends = r.members.link().Name, r.balancing.listens()
	if node.Interface != r.startedOn {
		node.StartedOn = r.startedOn
	}
	steering := r.balancing.steers()
	if steering != nil {
		node.Steering = string(steering.Mode())
	}
	facts := report.Facts{
		Node: node, Now: time.Now(), Config: view.Config, Loop: r.loop.Status(), Balancer: r.balancing.supervisor.Status(),
		Steered: steering != nil && steering.Enabled(), KernelMode: r.balancing.kernel.state(), Dropped: r.drops.snapshot(), Reception: r.reception.last(),
		Asked: r.asked.now(), Peers: r.hosts.now(), Signing: r.signing.look(), LeftOut: r.balancing.leaves(), Closed: r.balancing.ports.reasons(), Blocked: r.balancing.ports.blocked(),
	}
	facts.Unusable, facts.Replaced = r.files.state()
	facts.Kernel, facts.Fence = r.kernel(), r.fenced.State()
	if r.api != nil {
		access := r.api.Status()
		facts.API = &access
	}
	status := report.Status(facts, r.conditions)
	r.conditions = status.Conditions
	summary := report.Summarise(status)
	r.last.Store(&summary)
	return status
}

// kernel asks the kernel where the virtual addresses are.
func (r *reporter) kernel() report.Kernel {
	missing, strays, err := r.addresses.Kernel()
	k := report.Kernel{Missing: missing}
	if err != nil {
		k.Failure = fault.Words(err)
	}
	for _, s := range strays {
		k.Strays = append(k.Strays, s.String())
	}
	return k
}

// lookEvery is how often the status is looked at.
const lookEvery = time.Second

// watch looks at the status once a second, so that a condition has the time of its change where no client asks for the
// status, and reports what is filtered.
func (r *reporter) watch(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var before v1alpha1.VirtualRouter
	changed := statusLog{log: r.log}
	for {
		r.reception.look(time.Now(), r.loop.Status(), r.members.now().Nodes())
		status := r.status()
		changed.follow(status, time.Now())
		now := status.VirtualRouter
		r.reportFilters(before.Filtered, now.Filtered)
		r.reportSigning(before, now)
		before = now
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (r *reporter) identity() probe.Identity {
	var last report.Summary
	if known := r.last.Load(); known != nil {
		last = *known
	}
	return report.Identity(r.node, last, r.members.now().Config.ControlPlane.ClusterName, r.loop.Status().Election, r.loop.Alive(), r.loop.Now())
}
