// SPDX-License-Identifier: Apache-2.0

package observe_test

import (
	"fmt"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/observe"
)

// What the hosts reported, in any order, becomes a line of spans: who had the address, when nobody had it, and when two had it.
func ExampleNewTimeline() {
	begin := time.Date(2026, time.November, 28, 12, 0, 0, 0, time.UTC)
	at := func(seconds float64) time.Time { return begin.Add(time.Duration(seconds * float64(time.Second))) }
	line := observe.NewTimeline([]observe.Change{
		{At: at(0), Host: "cp1", Has: true},
		{At: at(5), Host: "cp1", Has: false}, // killed
		{At: at(7.5), Host: "cp2", Has: true},
		{At: at(9), Host: "cp1", Has: true}, // back, before cp2 has heard it
		{At: at(9.2), Host: "cp2", Has: false},
	}, begin, at(12))
	fmt.Println("at 6 s:", line.At(at(6)))
	fmt.Println("nobody:", line.Vacant().Total())
	fmt.Println("two:", line.Shared().Total())
	fmt.Println("moves:", line.Gained())
	// Output:
	// at 6 s: []
	// nobody: 2.5s
	// two: 200ms
	// moves: 2
}

// An outage is what a client sees: from the last answer before it to the first one after it.
func ExampleLog_Outages() {
	begin := time.Date(2026, time.November, 28, 12, 0, 0, 0, time.UTC)
	at := func(seconds float64) time.Time { return begin.Add(time.Duration(seconds * float64(time.Second))) }
	log := observe.Log{
		{Start: at(0), Took: 10 * time.Millisecond, Op: observe.Version, OK: true},
		{Start: at(1), Took: time.Second, Op: observe.Version, Err: "timeout"},
		{Start: at(2), Took: time.Millisecond, Op: observe.Version, Err: "connection refused"},
		{Start: at(3), Took: 10 * time.Millisecond, Op: observe.Version, OK: true},
		{Start: at(3.5), Took: 10 * time.Millisecond, Op: observe.Version, OK: true},
	}
	for _, outage := range log.Outages(observe.Version, at(0), at(4), time.Second) {
		fmt.Printf("%s, %d requests failed, first: %s\n", outage.Length(), outage.Failed, outage.First)
	}
	// Output:
	// 3s, 2 requests failed, first: timeout
}
