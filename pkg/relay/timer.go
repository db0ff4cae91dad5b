// SPDX-License-Identifier: Apache-2.0

package relay

import "time"

// An alarm is a deadline of a connection, which may be over or later by now.
type alarm struct {
	at     time.Duration
	place  int32
	serial int32
}

// Alarms are a heap (container/heap), the earliest first.
type alarms []alarm

// Len, Less, Swap, Push and Pop are for package heap.
func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].at < a[j].at }
func (a alarms) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }

// Push appends an alarm.
func (a *alarms) Push(x any) { *a = append(*a, x.(alarm)) }

// Pop takes the last.
func (a *alarms) Pop() any {
	all := *a
	last := all[len(all)-1]
	*a = all[:len(all)-1]
	return last
}
