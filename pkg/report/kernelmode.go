// SPDX-License-Identifier: Apache-2.0

package report

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// KernelMode is whether the kernel passes connections on, where that is configured.
type KernelMode struct {
	Decided bool // a backend was checked, so that there can be rules
	InForce bool
	Reason  string // why it does not, or what it leaves to the relay
}

// kernelBalances sets whether the kernel passes connections on. Without mode Kernel there is nothing to say.
func (c *setter) kernelBalances(k *KernelMode) {
	switch {
	case k == nil:
	case !k.Decided:
		c.put(v1alpha1.ConditionKernelBalances, metav1.ConditionUnknown, "NotChecked", "")
	case k.InForce:
		c.put(v1alpha1.ConditionKernelBalances, metav1.ConditionTrue, "RulesInForce", k.Reason)
	default:
		c.put(v1alpha1.ConditionKernelBalances, metav1.ConditionFalse, "Relayed", k.Reason)
	}
}

func sayKernelBalances(j subject) words {
	return words{
		summary: "The kernel does not pass connections on as loadBalancer.mode asks for: the balancer process relays them.", detail: j.condition.Message,
		action:   "Give the kernel what it lacks, or set loadBalancer.mode to Relay.",
		commands: []string{preflight, showLog},
	}
}

// passedBy says who passes connections on.
func passedBy(k *KernelMode) string {
	if k != nil && k.InForce {
		return "Kernel"
	}
	return "Relay"
}
