// SPDX-License-Identifier: Apache-2.0

package load

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ProcessTime returns for how long the threads of a process were on a processor, those that have ended too. It is that of the kernel's
// scheduler, in nanoseconds: what the kernel does for others in an interrupt of a thread counts as the thread's.
func ProcessTime(pid int) (time.Duration, error) {
	const scheduler = 2 // clocks of processes are ~pid and three bits: CPUCLOCK_SCHED of linux/posix-timers.h
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduler), &t); err != nil {
		return 0, fmt.Errorf("processor time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// MachineTime returns for how long the processors of this machine were busy, or taken by its hypervisor; see proc_stat(5).
func MachineTime() (time.Duration, error) {
	content, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(content), "\n")
	return busy(first)
}

// busy adds what the first line of /proc/stat has of user, nice, system, irq, softirq and steal.
func busy(line string) (time.Duration, error) {
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	var ticks int64
	var errs []error
	for _, i := range []int{1, 2, 3, 6, 7, 8} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		ticks, errs = ticks+n, append(errs, err)
	}
	const tick = 10 * time.Millisecond
	return time.Duration(ticks) * tick, errors.Join(errs...)
}

// An account is the processor time of some processes and of the machine, at a moment.
type account struct {
	at      time.Time
	groups  map[string]time.Duration
	machine time.Duration
}

// read reads the time of groups of processes.
func readAccount(groups map[string][]int) (a account, err error) {
	a = account{at: time.Now(), groups: map[string]time.Duration{}}
	for name, pids := range groups {
		for _, pid := range pids {
			t, failed := ProcessTime(pid)
			a.groups[name] += t
			err = errors.Join(err, failed)
		}
	}
	var failed error
	a.machine, failed = MachineTime()
	return a, errors.Join(err, failed)
}

// Processors is what was used of the processors in some time.
type Processors struct {
	Took   time.Duration            // the time
	Groups map[string]time.Duration // by each group of processes
	Others float64                  // what all other processes, and the hypervisor, had of all processors: from 0 to 1
}

// since returns what was used since another account.
func (a account) since(before account) Processors {
	p := Processors{Took: a.at.Sub(before.at), Groups: map[string]time.Duration{}}
	others := a.machine - before.machine
	for name, t := range a.groups {
		p.Groups[name] = t - before.groups[name]
		others -= p.Groups[name]
	}
	all := p.Took * time.Duration(runtime.NumCPU())
	p.Others = max(0, others.Seconds()/all.Seconds())
	return p
}
