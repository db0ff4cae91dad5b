// SPDX-License-Identifier: Apache-2.0

//go:build linux

package lab

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// niceness is that of a lab. Hosts are measured, so what else the machine does
// has to wait. Without the right to that they are measured nevertheless.
const niceness = -10

// prefer gives this process its niceness, and all that it starts from now on.
func prefer() {
	threads, _ := os.ReadDir("/proc/self/task")
	for _, thread := range threads {
		if id, err := strconv.Atoi(thread.Name()); err == nil {
			_ = unix.Setpriority(unix.PRIO_PROCESS, id, niceness)
		}
	}
}

// preferSession does the same for a process that leads a session: the kernel
// may share the processors between sessions first.
func preferSession(pid int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/autogroup", pid), fmt.Append(nil, niceness), 0)
}
