// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/control"
	"github.com/harbinger-ha/harbinger/pkg/election"
)

// because is one reason for which a node is not ready.
type because struct {
	text      string
	condition string // that says the same while it is bad. Empty: none
}

// notReady returns why a node is not ready: the addresses are not where the state says, no backend takes connections, or an action
// on the host fails. A node that goes on with backends that are not healthy is ready: it serves what can be served, and whoever
// asks for its readiness, such as a load balancer before the nodes, would close again what it keeps open.
func notReady(kernel Kernel, s v1alpha1.HarbingerStatus) (all []because) {
	r := s.VirtualRouter
	holds := r.State == election.Active.String() || r.State == election.Leaving.String()
	why := func(condition, format string, args ...any) {
		all = append(all, because{condition: condition, text: fmt.Sprintf(format, args...)})
	}
	switch {
	case holds && !r.Held:
		why("", "state %s without the virtual addresses", r.State)
	case !holds && r.Held:
		why("", "virtual addresses held in state %s", r.State)
	}
	for _, addr := range kernel.Missing {
		why("", "%s is held, but not in the kernel", addr)
	}
	for _, stray := range kernel.Strays {
		why("", "%s: Harbinger has not added it here; remove it from the configuration of the network (netplan, an old keepalived)", stray)
	}
	if kernel.Failure != "" {
		why("", "the kernel does not say where the virtual addresses are: %s", kernel.Failure)
	}
	if r.State == election.Initialize.String() || r.State == election.Conflict.String() {
		why(v1alpha1.ConditionConflict, "virtual router in state %s: %s", r.State, r.CurrentReason)
	}
	if deaf := deafness(r); !holds && deaf != "" {
		why(v1alpha1.ConditionFiltered, "%s", deaf)
	}
	if !holds && r.CouldNotAsk != "" {
		why("", "this node could not ask who has the virtual addresses: %s", r.CouldNotAsk)
	}
	if !backendAvailable(s) && !s.Balancer.Degraded {
		why(v1alpha1.ConditionBackendAvailable, "no healthy backend")
	}
	if !s.Balancer.Up {
		why(v1alpha1.ConditionBackendAvailable, "balancer down")
	}
	for action, err := range r.Failing {
		why(v1alpha1.ConditionActionsSucceed, "%s: %s", action, err)
	}
	return all
}

func backendAvailable(s v1alpha1.HarbingerStatus) bool {
	return slices.ContainsFunc(s.Balancer.Backends, serves)
}

// heardFor is how many advertisement intervals a holder is counted as heard after its last advertisement.
const heardFor = 3

// heard reports whether another holder is heard now.
func heard(loop control.Status) bool {
	e := loop.Election
	return e.Holder.IsValid() && loop.Turned.Sub(e.HeardAt) < heardFor*e.AdvertisementInterval
}

// currentReason is why the election is in its state now. In the states that last, the reason for which they were entered may
// have gone: a Backup hears the holder again, or the API is back for a holder that took the addresses without it.
func currentReason(f Facts) string {
	e := f.Loop.Election
	switch {
	case e.State == election.Backup && e.Waits != "":
		return e.Waits
	case e.State == election.Backup && heard(f.Loop):
		return fmt.Sprintf("hears %s with priority %d", e.Holder, e.HeardPriority)
	case e.State == election.Backup && e.SplitSuspected:
		return e.Unheard.Holder() + " serves or renews its Lease, but is not heard"
	case e.State == election.Active && e.Distress && f.Blocked != "":
		return "holds the virtual addresses in distress: " + f.Blocked
	case e.State == election.Active && e.Distress:
		return "holds the virtual addresses in distress: no backend is healthy"
	case e.State == election.Active && e.Arbitrated:
		return fmt.Sprintf("holds the Lease, epoch %d", e.Epoch)
	case e.State == election.Active && e.LeaseFailure != "":
		return "holds the virtual addresses by VRRP alone, the Lease has no answer: " + e.LeaseFailure
	}
	return e.Reason
}

// backendReasons says what is wrong with the backends that are not Healthy.
func backendReasons(b v1alpha1.Balancer) string {
	var reasons []string
	for _, x := range b.Backends {
		if x.Reason != "" {
			reasons = append(reasons, x.Address+" is "+x.State+": "+x.Reason)
		}
	}
	return strings.Join(reasons, "; ")
}

// degraded says what a balancer goes on with that has no healthy backend.
func degraded(b v1alpha1.Balancer) string {
	if !b.Degraded {
		return ""
	}
	return "no backend is healthy, connections go to those that accept them: " + backendReasons(b)
}

// closed are the reasons for which a node is not ready that its own ports give.
func closed(f Facts) (why []because) {
	for _, text := range f.Closed {
		why = append(why, because{text: text})
	}
	return why
}
