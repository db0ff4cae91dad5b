// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"time"
)

// pollInterval is much shorter than every time that the lab measures.
const pollInterval = 5 * time.Millisecond

// Until waits for a condition. Its error says that the condition did not come true in time: what completes "waited 5s until
// …".
func Until(timeout time.Duration, what string, condition func() bool) error {
	deadline := time.Now().Add(timeout)
	for !condition() {
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %v until %s", timeout, what)
		}
		time.Sleep(pollInterval)
	}
	return nil
}
