// SPDX-License-Identifier: Apache-2.0

// Package scheduling says how the kernel schedules the threads of a process: those of the keeper come before every normal
// process, those of the balancer do not.
package scheduling

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// realTimePriority is the lowest of SCHED_RR: above every normal process, below whatever the host runs in real time.
const realTimePriority = 1

// RealTime puts every thread of the process in SCHED_RR; threads made later inherit it. A loaded host then delays a timer by
// milliseconds instead of hundreds of them. It needs CAP_SYS_NICE; the error says so.
func RealTime() error {
	err := setAll(unix.SchedAttr{Policy: unix.SCHED_RR, Priority: realTimePriority})
	if err != nil {
		return fmt.Errorf("set SCHED_RR (CAP_SYS_NICE and real-time run time of the cgroup are needed): %w", err)
	}
	return nil
}

// Normal undoes for a child process what it inherited of RealTime: relaying must never delay an advertisement. The niceness
// that the keeper was started with stays.
func Normal() error { return normal(setAll) }

// NormalThread does the same for the calling thread alone, and so for the processes that it starts.
func NormalThread() error {
	return normal(func(attr unix.SchedAttr) error { return set(0, attr) })
}

func normal(apply func(unix.SchedAttr) error) error {
	niceness, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return fmt.Errorf("get niceness: %w", err)
	}
	// The system call returns 20 less the niceness, which is never negative.
	if err := apply(unix.SchedAttr{Policy: unix.SCHED_NORMAL, Nice: int32(20 - niceness)}); err != nil {
		return fmt.Errorf("set SCHED_OTHER: %w", err)
	}
	return nil
}

// setAll sets the scheduling of every thread. It looks twice: a thread that was set may have come from one that was not.
func setAll(attr unix.SchedAttr) error {
	for range 2 {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("list threads: %w", err)
		}
		for _, thread := range threads {
			id, err := strconv.Atoi(thread.Name())
			if err == nil {
				err = set(id, attr)
			}
			if err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("thread %s: %w", thread.Name(), err)
			}
		}
	}
	return nil
}

// set sets the scheduling of one thread; 0 is the calling one.
func set(thread int, attr unix.SchedAttr) error {
	attr.Size = unix.SizeofSchedAttr
	return unix.SchedSetAttr(thread, &attr, 0)
}
