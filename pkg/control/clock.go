// SPDX-License-Identifier: Apache-2.0

package control

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Boottime returns a clock that goes on while the host is suspended (CLOCK_BOOTTIME) and never jumps with the wall
// clock: lateness is judged by it, as a suspended holder has lost the virtual addresses.
func Boottime() func() time.Time {
	start, booted := time.Now(), sinceBoot()
	return func() time.Time { return start.Add(sinceBoot() - booted) }
}

func sinceBoot() time.Duration {
	var ts unix.Timespec
	// It never waits, and is called many times in each turn: the runtime need not know of it, and stays asleep.
	if _, _, errno := unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_BOOTTIME, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		panic("CLOCK_BOOTTIME is missing: Linux 2.6.39 or newer is needed: " + errno.Error())
	}
	return time.Duration(ts.Nano())
}
