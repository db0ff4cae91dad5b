// SPDX-License-Identifier: Apache-2.0

package logging

import "time"

// budgetOfMinute is how many lines of one kind a minute has at most.
const budgetOfMinute = 20

// Budget bounds the lines whose number other hosts determine: who invents sources or repeats itself gives rise to a line with each
// look. The zero value is a full one. It is not safe for concurrent use.
type Budget struct {
	since time.Time
	lines int
}

// Admit reports whether one more line may be written.
func (b *Budget) Admit(now time.Time) bool {
	if now.Sub(b.since) >= time.Minute {
		*b = Budget{since: now}
	}
	b.lines++
	return b.lines <= budgetOfMinute
}
