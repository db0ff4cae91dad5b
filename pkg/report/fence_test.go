// SPDX-License-Identifier: Apache-2.0

package report

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/fenced"
)

func TestFence(t *testing.T) {
	const timeout = 400 * time.Millisecond
	links := []string{"eth0"}
	for name, tt := range map[string]struct {
		is     fenced.State
		want   v1alpha1.Fence
		status metav1.ConditionStatus
		reason string
	}{
		"held behind it": {fenced.State{Installed: true, Open: true, Links: links, PutBack: 3}, v1alpha1.Fence{State: "Open", Interfaces: links, PutBack: 3}, metav1.ConditionTrue, "Fenced"},
		"a Backup":       {fenced.State{Installed: true, Links: links}, v1alpha1.Fence{State: "Closed", Interfaces: links}, metav1.ConditionTrue, "Fenced"},
		"on a link it cannot be": {fenced.State{Installed: true, Open: true, Links: links, Reason: "no such device"},
			v1alpha1.Fence{State: "Open", Interfaces: links, Reason: "no such device"}, metav1.ConditionFalse, "NotOnEveryInterface"},
		"none":                 {fenced.State{Links: links, Reason: "no nf_tables"}, v1alpha1.Fence{State: "Absent", Reason: "no nf_tables"}, metav1.ConditionFalse, "NoFence"},
		"beside a predecessor": {fenced.State{Links: links, Spared: true}, v1alpha1.Fence{State: "Absent", Reason: spared}, metav1.ConditionUnknown, "PredecessorSpared"},
	} {
		t.Run(name, func(t *testing.T) {
			f := backup()
			f.Fence = tt.is
			f.Fence.Table, f.Fence.Timeout = "harbinger-51", timeout
			s := Status(f, nil)
			got := s.VirtualRouter.Fence
			if got.State != tt.want.State || got.Reason != tt.want.Reason || got.PutBack != tt.want.PutBack || !slices.Equal(got.Interfaces, tt.want.Interfaces) ||
				got.Table != "harbinger-51" || got.Timeout != "400ms" {
				t.Errorf("%+v", got)
			}
			c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionFenced)
			if c == nil || c.Status != tt.status || c.Reason != tt.reason || c.Status == metav1.ConditionFalse && c.Message != tt.want.Reason {
				t.Errorf("condition %+v", c)
			}
			i := slices.IndexFunc(s.Findings, func(x v1alpha1.Finding) bool { return x.Condition == v1alpha1.ConditionFenced })
			if found := i >= 0; found != (tt.status == metav1.ConditionFalse) {
				t.Errorf("findings %+v", s.Findings)
			}
			if i >= 0 && (!strings.Contains(s.Findings[i].Summary, "2.1s") || s.Findings[i].Detail != tt.want.Reason || s.Findings[i].Severity != v1alpha1.SeverityWarning) {
				t.Errorf("finding %+v", s.Findings[i])
			}
			if !s.Ready {
				t.Errorf("not ready: %q", s.NotReady) // it serves without a fence too
			}
		})
	}
}
