// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// decode reads an answer of http://127.0.0.1:10443/status.
func decode(answer string) (s v1alpha1.HarbingerStatus) {
	text, err := os.ReadFile(answer)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		panic(err)
	}
	return s
}

// A program that watches a node decodes the answer of http://127.0.0.1:10443/status.
func Example() {
	s := decode("testdata/holder.json")
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

// The last check of a backend shows what its state does not yet: here one that is Healthy, but too slow.
func ExampleBackend() {
	s := decode("testdata/busy.json")
	for _, b := range s.Balancer.Backends {
		switch {
		case b.Checked == nil:
			fmt.Printf("%s was not checked yet\n", b.Address)
		case b.CheckFailure != "":
			fmt.Printf("%s is %s, and its last check failed after %s: %s\n", b.Address, b.State, b.CheckTook, b.CheckFailure)
		case b.Downs > 0:
			fmt.Printf("%s is %s again, and was down %d times, for %s in all\n", b.Address, b.State, b.Downs, b.Downtime)
		}
	}
	fmt.Println("refused because backends failed:", s.Balancer.RefusedByReason["BackendFailed"])
	// Output:
	// 192.0.2.2:6443 is Healthy, and its last check failed after 900ms: no answer within 900ms
	// 192.0.2.3:6443 is Healthy again, and was down 2 times, for 17m4.3s in all
	// 192.0.2.4:6443 was not checked yet
	// refused because backends failed: 41
}
