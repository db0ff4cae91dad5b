// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// A program that watches a node decodes the answer of http://127.0.0.1:10443/status.
func Example() {
	answer, err := os.Open("testdata/holder.json")
	if err != nil {
		panic(err)
	}
	defer answer.Close()
	var s v1alpha1.HarbingerStatus
	if err := json.NewDecoder(answer).Decode(&s); err != nil {
		panic(err)
	}
	fmt.Printf("%s is %s: %s\n", s.Node, s.VirtualRouter.State, s.VirtualRouter.CurrentReason)
	for _, b := range s.Balancer.Backends {
		fmt.Printf("%s: %s %q\n", b.Address, b.State, b.Reason)
	}
	if c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionConflict); c != nil && c.Status == "True" {
		fmt.Printf("%s: %s (%s)\n", c.Reason, c.Message, s.VirtualRouter.ConflictWith.HardwareAddress)
	}
	// Output:
	// node1 is Active: holds the virtual addresses in distress: no backend is healthy
	// 192.0.2.1:6443: Healthy ""
	// 192.0.2.2:6443: Suspect "connection refused"
	// AddressClaimed: 192.0.2.3 claims 192.0.2.100 (02:00:00:00:00:03)
}
