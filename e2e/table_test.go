// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// A row of the table that a run prints: one thing that must be true, what was measured, and its bound.
type row struct {
	story, what, measured, bound string
	ok                           bool
}

// table collects the rows of all stories, for TestMain to print.
var table struct {
	sync.Mutex
	rows []row
}

// check adds a row, and fails the test where it is not true.
func check(t *testing.T, ok bool, what, measured, bound string) {
	t.Helper()
	table.Lock()
	table.rows = append(table.rows, row{root(t), what, measured, bound, ok})
	table.Unlock()
	if ok {
		t.Logf("%s: %s (bound: %s)", what, measured, bound)
	} else {
		t.Errorf("%s: %s (bound: %s)", what, measured, bound)
	}
}

// reached adds a row for what the test would have ended before, had it not come to be.
func reached(t *testing.T, what, measured string) {
	t.Helper()
	check(t, true, what, measured, "reached")
}

// root returns the name of the story that a test is part of.
func root(t *testing.T) string {
	name, _, _ := strings.Cut(t.Name(), "/")
	return name
}

// checkTime is check for a time that has a bound.
func checkTime(t *testing.T, what string, measured, bound time.Duration) {
	t.Helper()
	check(t, measured <= bound, what, seconds(measured), seconds(bound))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func printTable(w io.Writer) {
	const format = "%-14s %-84s %-24s %-16s %s\n"
	fmt.Fprintf(w, "\n"+format, "story", "what", "bound", "", "measured")
	for _, r := range table.rows {
		verdict := "ok"
		if !r.ok {
			verdict = "FAILED"
		}
		fmt.Fprintf(w, format, r.story, r.what, r.bound, verdict, strings.ReplaceAll(r.measured, "\n", "; "))
	}
}
