// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// A Usage is what a process has taken from the kernel since its start.
type Usage struct {
	Resident int64         // bytes of memory now
	Busy     time.Duration // on a processor, in steps of 10 ms
	Waits    int64         // of all its threads, each for something that then woke it
}

// UsageOf reads that of a process; see proc(5).
func UsageOf(pid int) (u Usage, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // the name of the program may have anything
	fields := strings.Fields(rest)
	if len(fields) < 22 {
		return u, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	number := func(field int) int64 {
		n, parse := strconv.ParseInt(fields[field-3], 10, 64)
		err = errors.Join(err, parse)
		return n
	}
	const ticksPerSecond = 100
	u.Busy = time.Duration(number(14)+number(15)) * time.Second / ticksPerSecond
	u.Resident = number(24) * int64(os.Getpagesize())
	waits, more := waitsOf(pid)
	u.Waits = waits
	return u, errors.Join(err, more)
}

// waitsOf counts how often the threads of a process have waited. Those that have ended do not count, and are no error.
func waitsOf(pid int) (waits int64, err error) {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, t := range threads {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/status", pid, t.Name()))
		_, rest, _ := strings.Cut(string(status), "\nvoluntary_ctxt_switches:")
		number, _, _ := strings.Cut(rest, "\n")
		n, _ := strconv.ParseInt(strings.TrimSpace(number), 10, 64) // 0 where it has ended
		waits += n
	}
	return waits, err
}
