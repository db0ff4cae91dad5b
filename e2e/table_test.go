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

	"github.com/harbinger-ha/harbinger/e2e/fault"
)

// A finding is a line of the table that a run prints: one thing that must be true, what was measured, and its bound.
type finding struct {
	story, what, measured, bound string
	ok                           bool
}

// table collects the rows of all stories, for TestMain to print.
var table struct {
	sync.Mutex
	rows []finding
}

// check adds a row, and fails the test where it is not true.
func check(t *testing.T, ok bool, what, measured, bound string) {
	t.Helper()
	table.Lock()
	table.rows = append(table.rows, finding{root(t), what, measured, bound, ok})
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

var columns = []fault.Column{{Title: "story", Width: 14}, {Title: "what", Width: 84}, {Title: "bound", Width: 24}, {Width: 16}, {Title: "measured"}}

func printTable(w io.Writer) {
	report := fault.Report{Out: w, Columns: columns}
	fmt.Fprintln(w)
	report.Titles()
	for _, r := range table.rows {
		verdict := "ok"
		if !r.ok {
			verdict = "FAILED"
		}
		report.Cells(r.story, r.what, r.bound, verdict, strings.ReplaceAll(r.measured, "\n", "; "))
	}
}
