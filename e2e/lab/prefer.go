// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// The niceness of the processes of a lab: observers come first, then the hosts that they measure, then all else on the
// machine. Without the right to set it, the measurement goes on with the niceness there is.
const (
	observerNiceness = -15
	hostNiceness     = -10
)

// preferObservers gives this process, which leads a session, the precedence of an observer.
func preferObservers() {
	threads, _ := os.ReadDir("/proc/self/task")
	for _, thread := range threads {
		if id, err := strconv.Atoi(thread.Name()); err == nil {
			_ = unix.Setpriority(unix.PRIO_PROCESS, id, observerNiceness)
		}
	}
	preferSession(os.Getpid(), observerNiceness)
}

// yieldToObservers gives the calling thread, and what it starts from now on, the precedence of a host.
func yieldToObservers() { _ = unix.Setpriority(unix.PRIO_PROCESS, 0, hostNiceness) }

// preferSession does for a session what niceness does within it: the kernel may share the processors between sessions first.
func preferSession(leader, niceness int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/autogroup", leader), fmt.Append(nil, niceness), 0)
}
