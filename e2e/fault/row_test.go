// SPDX-License-Identifier: Apache-2.0

//go:build linux

package fault

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestBrokenPromises(t *testing.T) {
	good := sample{outage: time.Second, gone: time.Second, held: time.Second, answered: time.Second, moves: 1, before: 3, after: 4}
	kept := promise{time.Second, time.Second, time.Second, time.Second, 1}
	for _, test := range []struct {
		name    string
		promise promise
		change  func(*sample)
		want    string // in what is broken; "" for nothing
	}{
		{"kept", kept, func(*sample) {}, ""},
		{"outage", kept, func(s *sample) { s.outage *= 2 }, "outage 2.000"},
		{"gone", kept, func(s *sample) { s.gone *= 2 }, "nobody had the address for 2.000"},
		{"held", kept, func(s *sample) { s.held *= 2 }, "two live hosts had the address for 2.000"},
		{"answered", kept, func(s *sample) { s.answered *= 2 }, "two hosts answered ARP for 2.000"},
		{"moves", kept, func(s *sample) { s.moves++ }, "2 moves, bound 1"},
		{"a move where none is promised", promise{unbounded, unbounded, unbounded, unbounded, 0}, func(*sample) {}, "1 moves, bound 0"},
		{"unbounded", promise{unbounded, unbounded, unbounded, unbounded, unbounded}, func(s *sample) { s.outage, s.moves = time.Hour, 99 }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := good
			test.change(&s)
			r := Result{Row: Row{Name: test.name, promise: test.promise}, samples: []sample{s}}
			got := strings.Join(r.Broken(), "; ")
			if (test.want == "") != (got == "") || !strings.Contains(got, test.want) {
				t.Errorf("broken: %q, want %q", got, test.want)
			}
			if verdict := r.Cells()[len(Columns)-1]; (verdict == "ok") != (test.want == "") {
				t.Errorf("verdict %q with %q broken", verdict, test.want)
			}
		})
	}
}

// The outage is a median, and everything else the worst run.
func TestResultOfSeveralRuns(t *testing.T) {
	r := Result{
		Row: Row{Name: "several", promise: takeover(2 * time.Second)},
		samples: []sample{
			{outage: 3 * time.Second, moves: 1, before: 1, after: 2},
			{outage: time.Second, held: 2 * time.Second, before: 2, after: 2},
			{outage: 2 * time.Second, before: 2, after: 3},
		},
	}
	want := []string{"several", "2.000", "≤ 2", "0.000", "2.000 ≤ 1.05", "0.000 ≤ 3.1", "1 ≤ 1", "1→3", "BROKEN"}
	if got := r.Cells(); !slices.Equal(got, want) {
		t.Errorf("cells %q, want %q", got, want)
	}
}

func TestRowWithoutARunIsBroken(t *testing.T) {
	if len((Result{}).Broken()) == 0 {
		t.Error("a row that never ran is not broken")
	}
}

func TestNamesOfRowsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range Rows() {
		if seen[row.Name] {
			t.Errorf("two rows are called %q", row.Name)
		}
		seen[row.Name] = true
	}
}
