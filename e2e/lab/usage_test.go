// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"os"
	"testing"
	"time"
)

func TestUsageOfAProcess(t *testing.T) {
	u, err := UsageOf(os.Getpid())
	if err != nil || u.Resident < 1<<20 || u.Busy < 0 {
		t.Errorf("usage %+v, error %v", u, err)
	}
	const times = 50
	for range times {
		time.Sleep(time.Millisecond)
	}
	if later, err := UsageOf(os.Getpid()); err != nil || later.Waits < u.Waits+times/2 {
		t.Errorf("%d waits, and %d after %d more; error %v", u.Waits, later.Waits, times, err)
	}
	if _, err := UsageOf(0); err == nil {
		t.Error("there is a process 0")
	}
}
