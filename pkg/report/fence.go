// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/fenced"
)

// The states of a fence.
const (
	fenceOpen   = "Open"
	fenceClosed = "Closed"
	fenceAbsent = "Absent"
)

// spared is why there is no fence beside a predecessor.
const spared = "the predecessor may have the virtual addresses on this host, and its clients are not to be kept out"

func fence(f Facts) *v1alpha1.Fence {
	x := f.Fence
	if x.Table == "" {
		return nil
	}
	fence := &v1alpha1.Fence{State: fenceAbsent, Table: x.Table, Timeout: x.Timeout.String(), Reason: x.Reason, PutBack: x.PutBack}
	switch {
	case x.Open:
		fence.State = fenceOpen
	case x.Installed:
		fence.State = fenceClosed
	case x.Spared:
		fence.Reason = spared
	}
	if x.Installed {
		fence.Interfaces = x.Links
	}
	return fence
}

// fenced sets whether there is a fence.
func (c *setter) fenced(x fenced.State) {
	switch {
	case x.Table == "":
	case x.Installed && x.Reason == "":
		c.put(v1alpha1.ConditionFenced, metav1.ConditionTrue, "Fenced", "")
	case x.Installed:
		c.put(v1alpha1.ConditionFenced, metav1.ConditionFalse, "NotOnEveryInterface", x.Reason)
	case x.Spared:
		c.put(v1alpha1.ConditionFenced, metav1.ConditionUnknown, "PredecessorSpared", spared)
	default:
		c.put(v1alpha1.ConditionFenced, metav1.ConditionFalse, "NoFence", x.Reason)
	}
}

func sayFenced(j subject) words {
	longest := election.Lifetime(j.f.Config.Election.VRRP.AdvertisementInterval) + election.KernelSlack
	lacks := "there is no fence"
	if j.f.Fence.Installed {
		lacks = "the fence is not on every interface"
	}
	return words{
		summary: fmt.Sprintf("If Harbinger is killed or frozen while it holds %s, this host goes on answering for up to %s: %s.", j.vips, longest.Round(100*time.Millisecond), lacks),
		detail:  j.condition.Message,
		action:  "Remove what the detail names: load nf_tables, give the pod the capabilities NET_ADMIN and NET_RAW, or take away the tc filter that redirects what arrives.",
		commands: []string{
			"modprobe nf_tables", "nft list table netdev " + j.f.Fence.Table, "tc filter show dev " + j.s.Interface + " ingress", preflight,
		},
	}
}
