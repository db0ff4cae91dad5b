// SPDX-License-Identifier: Apache-2.0

//go:build linux

package lab

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// How nice the processes of a lab are. Hosts are measured, so what else the
// machine does has to wait; and the observers that measure them come before
// them all. Without the right to that they are measured nevertheless.
const (
	observerNiceness = -15
	hostNiceness     = -10
)

// preferObservers gives this process, which leads a session, the precedence of
// an observer.
func preferObservers() {
	threads, _ := os.ReadDir("/proc/self/task")
	for _, thread := range threads {
		if id, err := strconv.Atoi(thread.Name()); err == nil {
			_ = unix.Setpriority(unix.PRIO_PROCESS, id, observerNiceness)
		}
	}
	preferSession(os.Getpid(), observerNiceness)
}

// yieldToObservers gives the calling thread, and what it starts from now on,
// the precedence of a host.
func yieldToObservers() { _ = unix.Setpriority(unix.PRIO_PROCESS, 0, hostNiceness) }

// preferSession does for a session what niceness does within it: the kernel may
// share the processors between sessions first.
func preferSession(leader, niceness int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/autogroup", leader), fmt.Append(nil, niceness), 0)
}
