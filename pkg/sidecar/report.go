// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/probe"
	"github.com/harbinger-ha/harbinger/pkg/report"
	"github.com/harbinger-ha/harbinger/pkg/version"
)

// drops remembers the refused packets by reason, and where the last of each came from.
type drops struct {
	mu       sync.Mutex
	byReason map[string]v1alpha1.Drop
}

// dropped counts a refused packet. The control loop's goroutine calls it.
func (s *Sidecar) dropped(reason string, from netip.Addr) {
	s.metrics.Dropped(reason)
	s.drops.mu.Lock()
	defer s.drops.mu.Unlock()
	if s.drops.byReason == nil {
		s.drops.byReason = map[string]v1alpha1.Drop{}
	}
	d := v1alpha1.Drop{Count: s.drops.byReason[reason].Count + 1, Last: time.Now().UTC()}
	if from.IsValid() { // the kernel's own drops have no source
		d.From = from.String()
	}
	s.drops.byReason[reason] = d
}

func (d *drops) snapshot() map[string]v1alpha1.Drop {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.byReason)
}

// conditions are those of the last status.
type conditions struct {
	mu   sync.Mutex
	last []metav1.Condition
}

// Status returns what this node says of itself now.
func (s *Sidecar) Status() v1alpha1.HarbingerStatus {
	facts := report.Facts{
		Node: s.describe(), Now: time.Now(), Config: s.members.now().Config, Loop: s.loop.Status(), Balancer: s.supervisor.Status(),
		Steered: s.steering != nil && s.steering.Enabled(), Dropped: s.drops.snapshot(),
	}
	if s.api != nil {
		access := s.api.Status()
		facts.API = &access
	}
	s.conditions.mu.Lock()
	defer s.conditions.mu.Unlock()
	status := report.Status(facts, s.conditions.last)
	s.conditions.last = status.Conditions
	return status
}

func (s *Sidecar) describe() report.Node {
	n := report.Node{
		Name: s.node, Version: version.Get().Version, Incarnation: s.incarnation, Started: s.started, Interface: s.link.Name,
	}
	for _, f := range s.frontends {
		n.Frontends = append(n.Frontends, f.Address())
	}
	if s.steering != nil {
		n.Steering = string(s.steering.Mode())
	}
	return n
}

// watchConditions looks at the status once a second, so that a condition has the time of its change where no client
// asks for the status.
func (s *Sidecar) watchConditions(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		s.Status()
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *Sidecar) identity() probe.Identity {
	return report.Identity(s.describe(), s.cfg.ControlPlane.ClusterName, s.loop.Status().Election, s.loop.Alive())
}

// names returns the names of states.
func names[T fmt.Stringer](all []T) (out []string) {
	for _, x := range all {
		out = append(out, x.String())
	}
	return out
}
