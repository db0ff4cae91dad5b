// SPDX-License-Identifier: Apache-2.0

//go:build linux

package trial

import (
	"encoding/json"
	"net/http"
	"testing"

	statusv1alpha1 "github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// status asks the sidecar of a node. It is zero while none answers. The program
// would answer too, but tests ask often, and it is new each time.
func status(t *testing.T, n *Node) (s statusv1alpha1.HarbingerStatus) {
	t.Helper()
	code, body, err := tryGet(n, "/status")
	if err != nil || code != http.StatusOK {
		return s
	}
	must(t, json.Unmarshal([]byte(body), &s))
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
