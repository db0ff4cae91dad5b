// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// The balancer leaves the keeper's scheduling, but not the niceness that both were started with.
func TestScheduleNormalKeepsNiceness(t *testing.T) {
	const child = "HARBINGER_TEST_NICE_CHILD"
	if os.Getenv(child) == "" {
		cmd := exec.Command("nice", "-n", "7", os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), child+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return
	}
	before, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if before.Nice == 0 {
		t.Fatal("the process has niceness 0, which would show nothing")
	}
	if err := scheduleRealTime(); err != nil {
		t.Log(err) // it is not allowed everywhere
	}
	if err := scheduleNormal(); err != nil {
		t.Fatal(err)
	}
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if attr.Policy != unix.SCHED_NORMAL || attr.Nice != before.Nice {
		t.Errorf("policy %d, niceness %d, want %d and %d", attr.Policy, attr.Nice, unix.SCHED_NORMAL, before.Nice)
	}
}
