// SPDX-License-Identifier: Apache-2.0

package report

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// Who passes connections on is said, and that the relay has to keeps no node from being ready.
func TestKernelBalances(t *testing.T) {
	for _, tt := range []struct {
		facts  *KernelMode
		mode   string
		status metav1.ConditionStatus // empty: there is no condition
	}{
		{nil, "Relay", ""},
		{&KernelMode{}, "Relay", metav1.ConditionUnknown},
		{&KernelMode{Decided: true, InForce: true}, "Kernel", metav1.ConditionTrue},
		{&KernelMode{Decided: true, InForce: true, Reason: "fd00::100 is relayed"}, "Kernel", metav1.ConditionTrue},
		{&KernelMode{Decided: true, Reason: "this host does not forward"}, "Relay", metav1.ConditionFalse},
	} {
		f := backup()
		f.KernelMode = tt.facts
		s := Status(f, nil)
		c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionKernelBalances)
		if (c == nil) != (tt.status == "") || c != nil && (c.Status != tt.status || c.Message != tt.facts.Reason) || s.Balancer.Mode != tt.mode || !s.Ready {
			t.Errorf("%+v: mode %s, ready %t, condition %+v", tt.facts, s.Balancer.Mode, s.Ready, c)
		}
		i := slices.IndexFunc(s.Findings, func(x v1alpha1.Finding) bool { return x.Condition == v1alpha1.ConditionKernelBalances })
		if i >= 0 != (tt.status == metav1.ConditionFalse) {
			t.Errorf("%+v: findings %+v", tt.facts, s.Findings)
		}
		if i >= 0 && (s.Findings[i].Severity != v1alpha1.SeverityWarning || s.Findings[i].Detail != tt.facts.Reason || !strings.Contains(s.Findings[i].Action, "loadBalancer.mode")) {
			t.Errorf("finding %+v", s.Findings[i])
		}
	}
}
