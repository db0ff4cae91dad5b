// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"math"

	"golang.org/x/sys/unix"
)

// Descriptors returns how many file descriptors this process may have. The runtime of Go has raised the soft limit to the hard one.
func Descriptors() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > math.MaxInt32 {
		return math.MaxInt32
	}
	return int(limit.Cur)
}

// Share returns how many connections each of several pools of clients may have: most, or as many as all of them together can have without
// the reserve of descriptors that the process keeps for its own work, and at least 1.
func Share(descriptors, reserve, pools, most int) int {
	return max(1, min(most, (descriptors-reserve)/pools))
}
