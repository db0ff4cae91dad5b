// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// Use is what the kernel shows of the threads of a process at one moment.
type Use struct {
	Runnable bool // a thread runs, or waits for a CPU
	Stopped  bool // a thread is stopped, by a signal or a debugger
	threads  map[string]thread
}

// A thread is what the kernel counts of one thread since it began.
type thread struct {
	ran    time.Duration // on a CPU
	waited time.Duration // runnable, for a CPU; what it waits now is added when it gets one
}

// UseOf returns what the kernel shows of the process with that ID.
func UseOf(pid int) (Use, error) {
	u := Use{threads: make(map[string]thread)}
	dir := fmt.Sprintf("/proc/%d/task", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return u, fmt.Errorf("list threads: %w", err)
	}
	for _, entry := range entries {
		stat, err := os.ReadFile(dir + "/" + entry.Name() + "/stat")
		if err != nil {
			continue // it has just ended
		}
		state, t := parseStat(stat)
		u.Runnable = u.Runnable || state == 'R'
		u.Stopped = u.Stopped || state == 'T' || state == 't'
		if exact, err := os.ReadFile(dir + "/" + entry.Name() + "/schedstat"); err == nil { // some kernels are built without
			t = parseSchedstat(exact, t)
		}
		u.threads[entry.Name()] = t
	}
	return u, nil
}

// userTick is the unit of times in /proc/PID/stat on every Linux.
const userTick = 10 * time.Millisecond

// Fields of /proc/PID/stat, counted from the state, which comes after the name of the program in parentheses.
const (
	stateField = 0
	utimeField = 11
	stimeField = 12
)

func parseStat(raw []byte) (state byte, t thread) {
	fields := bytes.Fields(raw[bytes.LastIndexByte(raw, ')')+1:])
	if len(fields) <= stimeField {
		return 0, t
	}
	return fields[stateField][0], thread{ran: userTick * time.Duration(number(fields[utimeField])+number(fields[stimeField]))}
}

// parseSchedstat returns the times of /proc/PID/schedstat in nanoseconds: on a CPU, and waiting for one.
func parseSchedstat(raw []byte, otherwise thread) thread {
	fields := bytes.Fields(raw)
	if len(fields) < 2 || number(fields[0]) == 0 {
		return otherwise
	}
	return thread{ran: time.Duration(number(fields[0])), waited: time.Duration(number(fields[1]))}
}

func number(field []byte) int64 {
	n, err := strconv.ParseInt(string(field), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Since returns for how long all threads together have run since an earlier moment, and for how long the one of them that waited
// longest had to wait for a CPU. A thread that has ended meanwhile is left out.
func (u Use) Since(before Use) (ran, waited time.Duration) {
	for id, now := range u.threads {
		then := before.threads[id]
		ran += now.ran - then.ran
		waited = max(waited, now.waited-then.waited)
	}
	return ran, waited
}
