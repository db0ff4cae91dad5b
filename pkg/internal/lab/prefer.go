// SPDX-License-Identifier: Apache-2.0

//go:build linux

package lab

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// niceness is that of all that runs in a host. Hosts are measured, so what else
// the machine does has to wait. Without the right to that they are measured
// nevertheless.
const niceness = -10

// prefer gives the calling thread its niceness, and what is started from it.
func prefer() {
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, niceness)
}

// preferSession does the same for a process that leads a session, where the
// kernel shares the processors between sessions first.
func preferSession(pid int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/autogroup", pid), fmt.Append(nil, niceness), 0)
}
