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

// What the balancer process keeps is said, and keeps no node from being ready.
func TestConfined(t *testing.T) {
	for _, tt := range []struct {
		pid    int
		kept   string
		status metav1.ConditionStatus
	}{
		{42, "", metav1.ConditionTrue}, {42, "user 0: not permitted", metav1.ConditionFalse}, {0, "", metav1.ConditionUnknown},
	} {
		f := backup()
		f.Balancer.PID, f.Balancer.Kept = tt.pid, tt.kept
		s := Status(f, nil)
		c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionConfined)
		if c == nil || c.Status != tt.status || c.Message != tt.kept || s.Balancer.Keeps != tt.kept {
			t.Errorf("process %d keeps %q: condition %+v", tt.pid, tt.kept, c)
		}
		i := slices.IndexFunc(s.Findings, func(x v1alpha1.Finding) bool { return x.Condition == v1alpha1.ConditionConfined })
		if i >= 0 != (tt.kept != "") {
			t.Errorf("findings %+v", s.Findings)
		}
		if i >= 0 && (s.Findings[i].Severity != v1alpha1.SeverityWarning || s.Findings[i].Detail != tt.kept || !strings.Contains(s.Findings[i].Action, "ha.yaml")) {
			t.Errorf("finding %+v", s.Findings[i])
		}
		if s.Ready != (tt.pid != 0) {
			t.Errorf("ready %v, %q", s.Ready, s.NotReady)
		}
	}
}

// The limit of connections in force is said, with why it is lower than what is configured.
func TestConnectionLimit(t *testing.T) {
	f := backup()
	f.Balancer.Limit, f.Balancer.Lowered = 462, "20000 are configured"
	if b := Status(f, nil).Balancer; b.Limit != 462 || b.Lowered != "20000 are configured" {
		t.Errorf("%+v", b)
	}
}
