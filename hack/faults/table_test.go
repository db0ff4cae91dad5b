// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"regexp"
	"testing"
	"unicode/utf8"

	"github.com/harbinger-ha/harbinger/e2e/fault"
)

func TestTableFitsItsRows(t *testing.T) {
	if len(widths) != len(fault.Columns) {
		t.Fatalf("%d widths for %d columns", len(widths), len(fault.Columns))
	}
	for i, title := range fault.Columns {
		if utf8.RuneCountInString(title) > widths[i] {
			t.Errorf("title %q is wider than its column", title)
		}
	}
	for _, row := range fault.Rows() {
		if utf8.RuneCountInString(row.Name) > widths[0] {
			t.Errorf("row %q is wider than its column", row.Name)
		}
	}
}

func TestRowsAreChosenByName(t *testing.T) {
	if got := chosen(regexp.MustCompile("^kill -9$")); len(got) != 1 || got[0].Name != "kill -9" {
		t.Errorf("chosen %v, want the kill alone", got)
	}
	if got, want := len(chosen(regexp.MustCompile(""))), len(fault.Rows()); got != want {
		t.Errorf("%d rows chosen, want all %d", got, want)
	}
}
