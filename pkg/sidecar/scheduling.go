// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// realTimePriority is the lowest of SCHED_RR: above every normal process, below whatever the host runs in real time.
const realTimePriority = 1

// scheduleRealTime puts every thread of the process in SCHED_RR; threads made later inherit it. A loaded host then delays
// a timer by milliseconds instead of hundreds of them. It needs CAP_SYS_NICE; the error says so.
func scheduleRealTime() error {
	err := schedule(unix.SchedAttr{Policy: unix.SCHED_RR, Priority: realTimePriority})
	if err != nil {
		return fmt.Errorf("set SCHED_RR (CAP_SYS_NICE and real-time run time of the cgroup are needed): %w", err)
	}
	return nil
}

// scheduleNormal undoes for a child process what it inherited of scheduleRealTime: relaying must never delay an advertisement.
// The niceness that the keeper was started with stays.
func scheduleNormal() error {
	niceness, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return fmt.Errorf("get niceness: %w", err)
	}
	// The system call returns 20 less the niceness, which is never negative.
	if err := schedule(unix.SchedAttr{Policy: unix.SCHED_NORMAL, Nice: int32(20 - niceness)}); err != nil {
		return fmt.Errorf("set SCHED_OTHER: %w", err)
	}
	return nil
}

// schedule sets the scheduling of every thread. It looks twice: a thread that was set may have come from one that was not.
func schedule(attr unix.SchedAttr) error {
	attr.Size = unix.SizeofSchedAttr
	for range 2 {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("list threads: %w", err)
		}
		for _, thread := range threads {
			id, err := strconv.Atoi(thread.Name())
			if err != nil {
				return fmt.Errorf("thread %q: %w", thread.Name(), err)
			}
			if err := unix.SchedSetAttr(id, &attr, 0); err != nil && err != unix.ESRCH {
				return err
			}
		}
	}
	return nil
}
