// SPDX-License-Identifier: Apache-2.0

package report

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// confined sets whether the balancer process has no more than it needs.
func (c *setter) confined(b v1alpha1.Balancer) {
	switch {
	case !b.Up:
		c.put(v1alpha1.ConditionConfined, metav1.ConditionUnknown, "NotRunning", "")
	case b.Keeps != "":
		c.put(v1alpha1.ConditionConfined, metav1.ConditionFalse, "KeepsPrivileges", b.Keeps)
	default:
		c.put(v1alpha1.ConditionConfined, metav1.ConditionTrue, "Confined", "")
	}
}

func sayConfined(j subject) words {
	return words{
		summary: "The balancer process, which reads what any client sends, may do more than it needs.", detail: j.condition.Message,
		action:   "Write ha.yaml anew: the pod lacks the capabilities with which Harbinger takes everything from that process.",
		commands: []string{preflight, showLog},
	}
}
