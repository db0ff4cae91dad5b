// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"maps"
	"net/netip"
	"sync"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/control"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/kubeapi"
	"github.com/harbinger-ha/harbinger/pkg/metrics"
	"github.com/harbinger-ha/harbinger/pkg/probe"
	"github.com/harbinger-ha/harbinger/pkg/report"
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
	balancing *balancing
	api       *kubeapi.Client // nil: no use is made of the API
	metrics   *metrics.Metrics
	drops     *drops
	files     *files
	reception *reception
	log       logr.Logger

	mu         sync.Mutex
	conditions []metav1.Condition // of the last status
}

func (s *sidecar) newReporter() *reporter {
	r := &reporter{
		node: s.node, startedOn: s.link.Name, members: s.members, loop: s.loop, addresses: s.addresses, balancing: s.balancing, api: s.api, metrics: s.metrics, drops: &s.drops,
		files: &s.files, reception: &s.reception, log: s.Log,
	}
	s.metrics.WatchStatus(func() (status v1alpha1.HarbingerStatus) { // in a goroutine of the registry's
		_ = s.guarded("metrics", func() error { status = r.status(); return nil })
		return status
	}, names(health.States()))
	return r
}

// status returns what this node says of itself now.
func (r *reporter) status() v1alpha1.HarbingerStatus {
	r.mu.Lock() // first: the conditions must not follow older facts after newer ones
	defer r.mu.Unlock()
	node := r.node
	node.Interface, node.Frontends = r.members.link().Name, r.balancing.listens()
	if node.Interface != r.startedOn {
		node.StartedOn = r.startedOn
	}
	steering := r.balancing.steers()
	if steering != nil {
		node.Steering = string(steering.Mode())
	}
	facts := report.Facts{
		Node: node, Now: time.Now(), Config: r.members.now().Config, Loop: r.loop.Status(), Balancer: r.balancing.supervisor.Status(),
		Steered: steering != nil && steering.Enabled(), Dropped: r.drops.snapshot(), Reception: r.reception.last(),
		Closed: r.balancing.ports.reasons(), Blocked: r.balancing.ports.blocked(),
	}
	facts.Unusable, facts.Replaced = r.files.state()
	facts.Kernel = r.kernel()
	if r.api != nil {
		access := r.api.Status()
		facts.API = &access
	}
	status := report.Status(facts, r.conditions)
	r.conditions = status.Conditions
	return status
}

// kernel asks the kernel where the virtual addresses are.
func (r *reporter) kernel() report.Kernel {
	missing, strays, err := r.addresses.Kernel()
	k := report.Kernel{Missing: missing}
	if err != nil {
		k.Failure = err.Error()
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
	var filtered []v1alpha1.Filter
	for {
		r.reception.look(time.Now(), r.loop.Status())
		now := r.status().VirtualRouter.Filtered
		r.reportFilters(filtered, now)
		filtered = now
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (r *reporter) identity() probe.Identity {
	return report.Identity(r.node, r.members.now().Config.ControlPlane.ClusterName, r.loop.Status().Election, r.loop.Alive())
}
