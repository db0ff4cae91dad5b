// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
	"github.com/harbinger-ha/harbinger/pkg/vrrpconn"
)

// expiresSoon is how long before its end a client certificate should be renewed.
const expiresSoon = 30 * 24 * time.Hour

// setter collects the conditions of one status.
type setter struct {
	all []metav1.Condition
	now metav1.Time
	set []string // their types
}

func (c *setter) put(kind string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&c.all, metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message, LastTransitionTime: c.now})
	c.set = append(c.set, kind)
}

func (c *setter) is(kind string, status bool, whenTrue, whenFalse, message string) {
	if status {
		c.put(kind, metav1.ConditionTrue, whenTrue, message)
	} else {
		c.put(kind, metav1.ConditionFalse, whenFalse, message)
	}
}

// conditions returns the conditions of a status. One whose status is as before keeps its time; one that cannot apply is left out.
func conditions(s *v1alpha1.HarbingerStatus, before []metav1.Condition, f Facts) []metav1.Condition {
	r := s.VirtualRouter
	c := &setter{all: slices.Clone(before), now: metav1.NewTime(wall(f.Now))}
	c.is(v1alpha1.ConditionReady, s.Ready, "Ready", "NotReady", strings.Join(s.NotReady, "; "))
	c.balancing(s.Balancer, f.LeftOut)
	foreign := "AddressClaimed"
	if r.State == election.Conflict.String() {
		foreign = "ForeignHolder"
	}
	c.is(v1alpha1.ConditionConflict, r.Conflict != "", foreign, "NoConflict", r.Conflict)
	split := ""
	if r.SplitSuspected {
		split = "the holder serves or renews its Lease, but is not heard: is protocol 112 filtered?"
	}
	c.is(v1alpha1.ConditionSplitSuspected, r.SplitSuspected, "HolderNotHeard", "HolderHeard", split)
	filtered := filterMessages(r.Filtered)
	c.is(v1alpha1.ConditionFiltered, filtered != "", "ChannelFiltered", "NothingFiltered", filtered)
	if faults, reason := signatureFaults(r, f.Now); r.Signing != nil {
		c.is(v1alpha1.ConditionAuthenticated, faults == "", "SignaturesAccepted", reason, faults)
	}
	isolated, unreachable, forgeries, refused := isolation(f), unreachability(f), forged(f), refusals(r, f.Now)
	c.is(v1alpha1.ConditionIsolated, isolated != "", "PeersNotReached", "NotIsolated", isolated)
	c.is(v1alpha1.ConditionUnreachable, unreachable != "", "ClientsCannotConnect", "NotUnreachable", unreachable)
	c.is(v1alpha1.ConditionForged, forgeries != "", "LeaseDoesNotConfirm", "NothingForged", forgeries)
	c.is(v1alpha1.ConditionAdvertisementsRefused, refused != "", "Refused", "NothingRefused", refused)
	files, stale := staleFiles(f)
	c.is(v1alpha1.ConditionFilesCurrent, stale == "", "Current", stale, files)
	c.is(v1alpha1.ConditionActionsSucceed, len(r.Failing) == 0, "Succeed", "ActionFailed", failures(r.Failing))
	c.fenced(f.Fence)
	c.confined(s.Balancer)
	c.kernelBalances(f.KernelMode)
	c.redundancy(s.Hosts, f)
	c.access(s)
	c.arbitration(s, f)
	return slices.DeleteFunc(c.all, func(x metav1.Condition) bool { return !slices.Contains(c.set, x.Type) })
}

// balancing sets the conditions of the balancer.
func (c *setter) balancing(b v1alpha1.Balancer, left LeftOut) {
	c.is(v1alpha1.ConditionBackendAvailable, slices.ContainsFunc(b.Backends, serves), "BackendHealthy", "NoHealthyBackend", backendReasons(b))
	c.is(v1alpha1.ConditionDegraded, b.Degraded, "FailOpen", "NotDegraded", degraded(b))
	unchecked := func(x v1alpha1.Backend) bool {
		return x.State == health.Unknown.String() && x.Admin != string(balance.Maintenance)
	}
	switch unwell := unhealthy(b); {
	case len(unwell) > 0:
		c.put(v1alpha1.ConditionBackendsHealthy, metav1.ConditionFalse, "BackendsUnwell", backendReasons(b))
	case len(b.Backends) == 0 || slices.ContainsFunc(b.Backends, unchecked):
		c.put(v1alpha1.ConditionBackendsHealthy, metav1.ConditionUnknown, "NotChecked", "")
	default:
		c.put(v1alpha1.ConditionBackendsHealthy, metav1.ConditionTrue, "AllHealthy", "")
	}
	c.is(v1alpha1.ConditionBackendsLeftOut, left.Count > 0, "NotUsable", "AllUsed", left.Reason)
}

// serves reports whether a backend is healthy, and was not ordered out.
func serves(x v1alpha1.Backend) bool { return x.Healthy && x.Admin == "" }

// unhealthy returns the backends that were found to be unwell.
func unhealthy(b v1alpha1.Balancer) (unwell []v1alpha1.Backend) {
	for _, x := range b.Backends {
		if !x.Healthy && x.State != health.Unknown.String() {
			unwell = append(unwell, x)
		}
	}
	return unwell
}

// access sets the conditions of the API.
func (c *setter) access(s *v1alpha1.HarbingerStatus) {
	if s.API != nil && s.API.Expires != nil {
		left := s.API.Expires.Sub(c.now.Time)
		switch at := s.API.Expires.Format(time.RFC3339); {
		case left <= 0:
			c.put(v1alpha1.ConditionCredentialsCurrent, metav1.ConditionFalse, reasonExpired, "the client certificate of the kubeconfig expired at "+at)
		case left < expiresSoon:
			c.put(v1alpha1.ConditionCredentialsCurrent, metav1.ConditionFalse, "ExpiresSoon", "the client certificate of the kubeconfig expires at "+at)
		default:
			c.put(v1alpha1.ConditionCredentialsCurrent, metav1.ConditionTrue, "Current", "")
		}
	}
	if s.Lease != nil {
		status, reason, message := reachable(s.Lease)
		c.put(v1alpha1.ConditionAPIReachable, status, reason, message)
	}
}

// reasonExpired is the reason of CredentialsCurrent with a certificate that is no good any more.
const reasonExpired = "Expired"

// arbitration sets whether the Lease decides.
func (c *setter) arbitration(s *v1alpha1.HarbingerStatus, f Facts) {
	switch e := f.Loop.Election; {
	case s.Lease == nil:
	case e.Arbitrated:
		c.put(v1alpha1.ConditionArbitrated, metav1.ConditionTrue, "LeaseDecides", "")
	case e.LeaseFailure != "":
		c.put(v1alpha1.ConditionArbitrated, metav1.ConditionFalse, "NoAnswer", "the Lease has no answer: "+e.LeaseFailure)
	case s.Lease.Answered == nil && s.Lease.Credentials == "":
		c.put(v1alpha1.ConditionArbitrated, metav1.ConditionUnknown, "NotAsked", "")
	case s.Lease.Answered == nil:
		c.put(v1alpha1.ConditionArbitrated, metav1.ConditionFalse, "NoCredentials", s.Lease.Credentials)
	default:
		c.put(v1alpha1.ConditionArbitrated, metav1.ConditionFalse, "NotConfirmed", fmt.Sprintf("the Lease was not confirmed since %s", s.Lease.Answered.Format(time.RFC3339)))
	}
}

// reachable says whether the API answers for the Lease.
func reachable(l *v1alpha1.Lease) (status metav1.ConditionStatus, reason, message string) {
	switch {
	case l.Failure != "":
		return metav1.ConditionFalse, "NoAnswer", l.Failure
	case l.Answered == nil && l.Credentials != "":
		return metav1.ConditionFalse, "NoCredentials", l.Credentials
	case l.Answered == nil:
		return metav1.ConditionUnknown, "NotAsked", ""
	}
	return metav1.ConditionTrue, "Answered", ""
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

// failures says which actions on the host fail, and why.
func failures(failing map[string]string) string {
	var all []string
	for action, err := range failing {
		all = append(all, action+": "+err)
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

// elsewhere are the reasons to refuse a packet that say nothing of the virtual router of this node: it is another one's, or the kernel
// has thrown it away unread.
var elsewhere = []string{vrrp.Reason(vrrp.ErrVRID), vrrpconn.ReasonOverflow}

// refusals says which advertisements of this virtual router were refused in the last minute. Those whose signature was are another
// condition's.
func refusals(r v1alpha1.VirtualRouter, now time.Time) string {
	var all []string
	for label, d := range r.Dropped {
		signature := r.Signing != nil && strings.HasPrefix(label, SignaturePrefix)
		if signature || slices.Contains(elsewhere, label) || now.Sub(d.Last) >= RefusedFor {
			continue
		}
		all = append(all, fmt.Sprintf("%s: %s", d.From, vrrp.Meaning(label)))
	}
	slices.Sort(all)
	if len(all) == 0 {
		return ""
	}
	return fmt.Sprintf("advertisements with virtual router ID %d are refused, the last of %s", r.VRID, strings.Join(all, "; of "))
}
