// SPDX-License-Identifier: Apache-2.0

package logging

import (
	"testing"
	"time"
)

func TestBudget(t *testing.T) {
	var b Budget
	begin := time.Unix(1_800_000_000, 0)
	written := map[int]int{} // lines by the minute
	for i := range 300 {
		if b.Admit(begin.Add(time.Duration(i) * time.Second)) {
			written[i/60]++
		}
	}
	for minute := range 5 {
		if written[minute] != budgetOfMinute {
			t.Errorf("minute %d: %d lines, want %d", minute, written[minute], budgetOfMinute)
		}
	}
	if !b.Admit(begin.Add(time.Hour)) {
		t.Error("nothing is logged any more")
	}
}
