// SPDX-License-Identifier: Apache-2.0

package scheduling_test

import (
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/scheduling"
)

// The balancer leaves the keeper's scheduling, but not the niceness that both were started with.
func TestNormalKeepsNiceness(t *testing.T) {
	runtime.LockOSThread() // and never unlocked: the thread ends with the test, and its niceness with it
	const niceness = 7
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, niceness); err != nil {
		t.Fatal(err)
	}
	for name, normal := range map[string]func() error{"process": scheduling.Normal, "thread": scheduling.NormalThread} {
		if err := scheduling.RealTime(); err != nil {
			t.Log(err) // it is not allowed everywhere
		} else if got := attributes(t, 0); got.Policy != unix.SCHED_RR || got.Priority != 1 {
			t.Errorf("policy %d with priority %d, want SCHED_RR with 1", got.Policy, got.Priority)
		}
		if err := normal(); err != nil {
			t.Fatal(err)
		}
		if got := attributes(t, 0); got.Policy != unix.SCHED_NORMAL || got.Nice != niceness {
			t.Errorf("%s: policy %d, niceness %d, want %d and %d", name, got.Policy, got.Nice, unix.SCHED_NORMAL, niceness)
		}
	}
}

// Every thread is set, not only the one that asks.
func TestAllThreads(t *testing.T) {
	runtime.LockOSThread()
	other, end := make(chan int), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		other <- unix.Gettid()
		<-end
	}()
	defer close(end)
	thread := <-other
	if err := scheduling.RealTime(); err != nil {
		t.Log(err)
	} else if got := attributes(t, thread); got.Policy != unix.SCHED_RR {
		t.Errorf("policy %d of another thread, want SCHED_RR", got.Policy)
	}
	if err := scheduling.Normal(); err != nil {
		t.Fatal(err)
	}
	if got := attributes(t, thread); got.Policy != unix.SCHED_NORMAL {
		t.Errorf("policy %d of another thread, want SCHED_NORMAL", got.Policy)
	}
}

// Without the right to it, the error says what is missing, and the thread stays as it was.
func TestRealTimeNeedsACapability(t *testing.T) {
	runtime.LockOSThread() // the thread that gives its capabilities away ends with the test
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		t.Fatal(err)
	}
	if err := scheduling.RealTime(); err == nil || !strings.Contains(err.Error(), "CAP_SYS_NICE") {
		t.Errorf("got %v", err)
	}
	if got := attributes(t, 0); got.Policy != unix.SCHED_NORMAL {
		t.Errorf("policy %d, want SCHED_NORMAL", got.Policy)
	}
}

// attributes are those of a thread; 0 is the calling one.
func attributes(t *testing.T, thread int) *unix.SchedAttr {
	t.Helper()
	attr, err := unix.SchedGetAttr(thread, 0)
	if err != nil {
		t.Fatal(err)
	}
	return attr
}
