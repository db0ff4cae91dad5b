// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"testing"

	statusv1alpha1 "github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// status returns that of the sidecar of a node, zero while it does not answer.
func status(t *testing.T, n *Node) (s statusv1alpha1.HarbingerStatus) {
	t.Helper()
	s, _ = n.Status()
	return s
}

// dropped returns how many packets a node has refused, by reason.
func dropped(t *testing.T, n *Node) map[string]uint64 {
	t.Helper()
	counts := make(map[string]uint64)
	for reason, drop := range status(t, n).VirtualRouter.Dropped {
		counts[reason] = drop.Count
	}
	return counts
}
