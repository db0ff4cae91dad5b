// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"fmt"
	"testing"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// Filters that change with each look, as a host invents sources, cost few lines.
func TestFilterLinesAreBounded(t *testing.T) {
	log := &labtest.Log{}
	r := &reporter{log: log.Logger()}
	var before []v1alpha1.Filter
	for i := range 100 {
		now := []v1alpha1.Filter{{Protocol: "112", Peer: fmt.Sprint(i), Direction: "in"}}
		r.reportFilters(before, now)
		before = now
	}
	if n := log.Count("Filtered"); n == 0 || log.Count("msg") > 20 {
		t.Errorf("%d lines, %d of what is filtered:\n%s", log.Count("msg"), n, log)
	}
}
