// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"encoding/json"
	"maps"
	"testing"
)

func TestLoadCountsEachRequestOnce(t *testing.T) {
	load := Load{Other: map[string]int{}}
	for _, line := range []string{
		`{"stage":"ResponseComplete","verb":"update","objectRef":{"resource":"leases","apiGroup":"coordination.k8s.io"}}`,
		`{"stage":"ResponseComplete","verb":"get","objectRef":{"resource":"leases","apiGroup":"coordination.k8s.io"}}`,
		`{"stage":"ResponseStarted","verb":"watch","objectRef":{"resource":"leases","apiGroup":"coordination.k8s.io"}}`,
		`{"stage":"ResponseComplete","verb":"watch","objectRef":{"resource":"leases","apiGroup":"coordination.k8s.io"}}`,
		`{"stage":"ResponseComplete","verb":"list","objectRef":{"resource":"endpointslices","apiGroup":"discovery.k8s.io"}}`,
		`{"stage":"ResponseComplete","verb":"get","requestURI":"/readyz"}`,
	} {
		var event auditEvent
		must(t, json.Unmarshal([]byte(line), &event))
		load.add(event)
	}
	if load.Writes != 1 || load.Reads != 2 {
		t.Errorf("%d writes and %d reads, want 1 and 2", load.Writes, load.Reads)
	}
	if want := map[string]int{"list endpointslices": 1, "get /readyz": 1}; !maps.Equal(load.Other, want) {
		t.Errorf("other requests %v, want %v", load.Other, want)
	}
}
