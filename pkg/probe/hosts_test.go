// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"strings"
	"testing"
)

// What a host says of itself is no longer than names are, whatever it sends.
func TestIdentitiesAreBounded(t *testing.T) {
	long := strings.Repeat("é", 2000)
	id := Identity{Cluster: "kubernetes", Node: long, State: long, Version: long, Finding: long, Severity: long, Incarnation: long}.bounded()
	for _, text := range []string{id.Node, id.State, id.Version, id.Finding, id.Severity, id.Incarnation} {
		if len(text) > longestName || !strings.HasPrefix(text, "éé") {
			t.Errorf("%d bytes: %q", len(text), text)
		}
	}
	if id.Cluster != "kubernetes" {
		t.Errorf("cluster %q", id.Cluster)
	}
}
