// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"os"
	"runtime"
	"time"
)

const (
	// manyTurns is the longest interval between advertisements at which work that is long is not to delay the loop by its 10 ms.
	manyTurns = 100 * time.Millisecond
	// mostProcessors are as many as a keeper has a use for: one for the loop, and one for all else.
	mostProcessors = 2
)

// Processors returns how many processors the Go runtime of a keeper should use of those that it has. With more than one, each event wakes a
// second thread that looks for work, and finds none: a quarter of all that an idle keeper takes. With one, work that is long keeps the loop
// waiting until the runtime interrupts it, which is after 10 ms (package runtime): too long only where advertisements are many.
func Processors(interval time.Duration, has int) int {
	if interval > manyTurns {
		return 1
	}
	return min(mostProcessors, has)
}

// Economize has the Go runtime of this process use the processors of a keeper, unless the environment says how many (GOMAXPROCS).
func Economize(interval time.Duration) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(Processors(interval, runtime.GOMAXPROCS(0)))
	}
}
