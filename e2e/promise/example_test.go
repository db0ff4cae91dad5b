// SPDX-License-Identifier: Apache-2.0

package promise_test

import (
	"fmt"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/promise"
)

// A bound is a formula: the same promise is one figure with the default interval, and another where advertisements are sent ten
// times as often.
func ExampleFormula_At() {
	dead := promise.Kill.Bounds.Kernel
	fmt.Println("two hosts answer for the address of a killed holder for at most", dead)
	for _, interval := range []time.Duration{time.Second, 100 * time.Millisecond} {
		fmt.Printf("advertisements every %s: %s\n", interval, promise.Seconds(dead.At(promise.At(interval))))
	}
	// Output:
	// two hosts answer for the address of a killed holder for at most A + 0.05 s; without a fence L + 1.1 s
	// advertisements every 1s: 1.05 s
	// advertisements every 100ms: 0.15 s
}
