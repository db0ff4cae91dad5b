// SPDX-License-Identifier: Apache-2.0

package election_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/election"
)

const ms = time.Millisecond

func TestFenceTimeout(t *testing.T) {
	for _, test := range []struct {
		interval         time.Duration
		realTime, normal time.Duration
	}{
		{10 * ms, 20 * ms, time.Second},
		{20 * ms, 40 * ms, time.Second},
		{200 * ms, 400 * ms, time.Second},
		{500 * ms, time.Second, time.Second},
		{990 * ms, time.Second, time.Second},
		{time.Second, 2 * time.Second, 2 * time.Second},
		{40950 * ms, 2 * time.Second, 2 * time.Second},
	} {
		t.Run(fmt.Sprint(test.interval), func(t *testing.T) {
			if got := election.FenceTimeout(test.interval, true); got != test.realTime {
				t.Errorf("with real-time scheduling %v, want %v", got, test.realTime)
			}
			if got := election.FenceTimeout(test.interval, false); got != test.normal {
				t.Errorf("without %v, want %v", got, test.normal)
			}
		})
	}
}

// A fence closes before another node may take the address, and outlives two refreshes that were missed.
func TestFenceTimeoutLeavesRoom(t *testing.T) {
	for interval := 10 * ms; interval <= 40950*ms; interval += 10 * ms {
		refresh := election.RefreshInterval(interval, election.Lifetime(interval))
		realTime, normal := election.FenceTimeout(interval, true), election.FenceTimeout(interval, false)
		if realTime >= 3*interval || realTime > normal || realTime < 2*refresh+refresh/2 {
			t.Fatalf("%v: the fence closes after %v, or %v with normal scheduling; refreshed every %v", interval, realTime, normal, refresh)
		}
	}
}
