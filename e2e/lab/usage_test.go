// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"os"
	"testing"
)

func TestUsageOfAProcess(t *testing.T) {
	u, err := UsageOf(os.Getpid())
	if err != nil || u.Resident < 1<<20 || u.Busy < 0 {
		t.Errorf("usage %+v, error %v", u, err)
	}
	if _, err := UsageOf(0); err == nil {
		t.Error("there is a process 0")
	}
}
