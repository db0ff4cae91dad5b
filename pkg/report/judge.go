// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/election"
)

// notReady returns why a node is not ready: the addresses are not where the state says, no backend takes connections, or an action
// on the host fails. A node that goes on with backends that are not healthy is ready: it serves what can be served, and whoever
// asks for its readiness, such as a load balancer before the nodes, would close again what it keeps open.
func notReady(kernel Kernel, s v1alpha1.HarbingerStatus) (why []string) {
	r := s.VirtualRouter
	holds := r.State == election.Active.String() || r.State == election.Leaving.String()
	switch {
	case holds && !r.Held:
		why = append(why, "state "+r.State+" without the virtual addresses")
	case !holds && r.Held:
		why = append(why, "virtual addresses held in state "+r.State)
	}
	for _, addr := range kernel.Missing {
		why = append(why, addr.String()+" is held, but not in the kernel")
	}
	for _, stray := range kernel.Strays {
		why = append(why, stray+": Harbinger has not added it here; remove it from the configuration of the network (netplan, an old keepalived)")
	}
	if kernel.Failure != "" {
		why = append(why, "the kernel does not say where the virtual addresses are: "+kernel.Failure)
	}
	if r.State == election.Initialize.String() || r.State == election.Conflict.String() {
		why = append(why, "virtual router in state "+r.State+": "+r.CurrentReason)
	}
	if deaf := deafness(r); !holds && deaf != "" {
		why = append(why, deaf)
	}
	if !holds && r.CouldNotAsk != "" {
		why = append(why, "this node could not ask who has the virtual addresses: "+r.CouldNotAsk)
	}
	if !backendAvailable(s) && !s.Balancer.Degraded {
		why = append(why, "no healthy backend")
	}
	if !s.Balancer.Up {
		why = append(why, "balancer down")
	}
	for action, err := range r.Failing {
		why = append(why, action+": "+err)
	}
	slices.Sort(why)
	return why
}

func backendAvailable(s v1alpha1.HarbingerStatus) bool {
	return slices.ContainsFunc(s.Balancer.Backends, func(b v1alpha1.Backend) bool { return b.Healthy })
}

// heardFor is how many advertisement intervals a holder is counted as heard after its last advertisement.
const heardFor = 3

// currentReason is why the election is in its state now. In the states that last, the reason for which they were entered may
// have gone: a Backup hears the holder again, or the API is back for a holder that took the addresses without it.
func currentReason(f Facts) string {
	loop, e := f.Loop, f.Loop.Election
	heard := e.Holder.IsValid() && loop.Turned.Sub(e.HeardAt) < heardFor*e.AdvertisementInterval
	switch {
	case e.State == election.Backup && heard:
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

// conditions returns the conditions of a status. One whose status is as before keeps its time.
func conditions(s v1alpha1.HarbingerStatus, before []metav1.Condition, f Facts) []metav1.Condition {
	r := s.VirtualRouter
	all := slices.Clone(before)
	set := func(kind string, status metav1.ConditionStatus, reason, message string) {
		meta.SetStatusCondition(&all, metav1.Condition{
			Type: kind, Status: status, Reason: reason, Message: message, LastTransitionTime: metav1.NewTime(wall(f.Now)),
		})
	}
	is := func(kind string, status bool, whenTrue, whenFalse, message string) {
		if status {
			set(kind, metav1.ConditionTrue, whenTrue, message)
		} else {
			set(kind, metav1.ConditionFalse, whenFalse, message)
		}
	}
	is(v1alpha1.ConditionReady, s.Ready, "Ready", "NotReady", strings.Join(s.NotReady, "; "))
	is(v1alpha1.ConditionBackendAvailable, backendAvailable(s), "BackendHealthy", "NoHealthyBackend", backendReasons(s.Balancer))
	is(v1alpha1.ConditionDegraded, s.Balancer.Degraded, "FailOpen", "NotDegraded", degraded(s.Balancer))
	foreign := "AddressClaimed"
	if r.State == election.Conflict.String() {
		foreign = "ForeignHolder"
	}
	is(v1alpha1.ConditionConflict, r.Conflict != "", foreign, "NoConflict", r.Conflict)
	split := ""
	if r.SplitSuspected {
		split = "the holder serves or renews its Lease, but is not heard: is protocol 112 filtered?"
	}
	is(v1alpha1.ConditionSplitSuspected, r.SplitSuspected, "HolderNotHeard", "HolderHeard", split)
	filtered := filterMessages(r.Filtered)
	is(v1alpha1.ConditionFiltered, filtered != "", "ChannelFiltered", "NothingFiltered", filtered)
	files, stale := staleFiles(f)
	is(v1alpha1.ConditionFilesCurrent, stale == "", "Current", stale, files)
	if s.Lease == nil {
		meta.RemoveStatusCondition(&all, v1alpha1.ConditionAPIReachable)
		return all
	}
	switch l := s.Lease; {
	case l.Failure != "":
		set(v1alpha1.ConditionAPIReachable, metav1.ConditionFalse, "NoAnswer", l.Failure)
	case l.Answered == nil && l.Credentials != "":
		set(v1alpha1.ConditionAPIReachable, metav1.ConditionFalse, "NoCredentials", l.Credentials)
	case l.Answered == nil:
		set(v1alpha1.ConditionAPIReachable, metav1.ConditionUnknown, "NotAsked", "")
	default:
		set(v1alpha1.ConditionAPIReachable, metav1.ConditionTrue, "Answered", "")
	}
	return all
}

// staleFiles says which files of the host are not in use as they are there, and in one word why not.
func staleFiles(f Facts) (message, reason string) {
	var all []string
	for path, why := range f.Unusable {
		all = append(all, path+" is not used as it is now: "+why)
		reason = "FileUnusable"
	}
	slices.Sort(all)
	for _, path := range f.Replaced {
		all = append(all, path+" was replaced on the host, and this pod sees the old one until it is started anew")
		reason = "FileReplaced"
	}
	return strings.Join(all, "; "), reason
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
