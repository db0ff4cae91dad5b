// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/observe"
	"github.com/harbinger-ha/harbinger/e2e/promise"
)

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func outage(d time.Duration) observe.Outage { return observe.Outage{To: time.Time{}.Add(d)} }

func span(d time.Duration) observe.Span { return observe.Span{To: time.Time{}.Add(d)} }

// sample returns one of a fault with an outage of that many milliseconds.
func sample(n int) Sample { return Sample{Before: "node1", After: "node2", Outage: outage(ms(n))} }

var noLimits = promise.Limits{
	Outage: promise.Unbounded, Nobody: promise.Unbounded, Live: promise.Unbounded, Kernel: promise.Unbounded, Moves: promise.Any,
}

func TestBrokenPromises(t *testing.T) {
	second := promise.Limits{Outage: time.Second, Nobody: time.Second, Live: time.Second, Kernel: time.Second, Moves: 1}
	unmoved := noLimits
	unmoved.Moves = 0
	good := Sample{Outage: outage(time.Second), Nobody: span(time.Second), Live: span(time.Second), Kernel: span(time.Second), Moves: 1}
	for _, test := range []struct {
		name   string
		limits promise.Limits
		change func(*Sample)
		want   string // in what is broken; "" for nothing
	}{
		{"kept", second, func(*Sample) {}, ""},
		{"outage", second, func(s *Sample) { s.Outage = outage(ms(2000)) }, "outage 2.000 s, bound 1.000 s"},
		{"nobody", second, func(s *Sample) { s.Nobody = span(ms(2000)) }, "nobody had the address for 2.000"},
		{"live", second, func(s *Sample) { s.Live = span(ms(2000)) }, "two live hosts answered ARP for 2.000"},
		{"kernel", second, func(s *Sample) { s.Kernel = span(ms(2000)) }, "two hosts answered ARP for 2.000"},
		{"moves", second, func(s *Sample) { s.Moves++ }, "2 moves, bound 1"},
		{"left", second, func(s *Sample) { s.Left = true }, "left on a host"},
		{"a move where none is promised", unmoved, func(*Sample) {}, "1 moves, bound 0"},
		{"unbounded", noLimits, func(s *Sample) { s.Outage, s.Moves = outage(time.Hour), 99 }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := good
			test.change(&s)
			r := Row{Fault: Fault{Name: test.name}, Limits: test.limits, Samples: []Sample{good, s}}
			got := strings.Join(r.Broken(), "; ")
			if (test.want == "") != (got == "") || !strings.Contains(got, test.want) {
				t.Errorf("broken: %q, want %q", got, test.want)
			}
			if verdict := r.ClusterCells()[len(ClusterColumns)-1]; (verdict == "ok") != (test.want == "") {
				t.Errorf("verdict %q with %q broken", verdict, test.want)
			}
			if err := r.Check(); (err == nil) != (test.want == "") {
				t.Errorf("check: %v, with %q broken", err, test.want)
			}
		})
	}
}

func TestRowWithoutARunIsBroken(t *testing.T) {
	if len((Row{Limits: noLimits}).Broken()) == 0 {
		t.Error("a row that never ran is not broken")
	}
	r := Row{Limits: noLimits, Samples: []Sample{sample(1)}}
	r.Fail(nil)
	if len(r.Broken()) != 0 {
		t.Error("a run without an error is broken")
	}
	r.Fail(errors.New("the lab broke"))
	if err := r.Check(); err == nil || !strings.Contains(err.Error(), "the lab broke") {
		t.Errorf("check = %v, want the error of the run", err)
	}
}

func TestOutagesOfSeveralRuns(t *testing.T) {
	r := Row{Samples: []Sample{sample(10), sample(700), sample(20)}, Limits: noLimits}
	r.Limits.Outage = ms(100)
	if got, want := r.Outage(), ms(20); got != want {
		t.Errorf("outage = %v, want the median %v", got, want)
	}
	if r.Check() == nil {
		t.Error("the longest outage exceeds the bound, and the check passes")
	}
	r.Median = true
	if err := r.Check(); err != nil {
		t.Errorf("the median is judged: %v", err)
	}
	if got := (Row{}).Outage(); got != 0 {
		t.Errorf("outage of no run = %v", got)
	}
}

func TestHolderCells(t *testing.T) {
	row := Row{System: "harbinger", Fault: PlannedStop, Samples: []Sample{sample(5)}}
	row.Limits = row.Fault.Promise.In(promise.StandIns, promise.At(time.Second))
	want := []string{"planned stop", "harbinger", "0.005 s", "≤ 0.100 s", "0.000 s", "node1 → node2", "0.000 s", "0.000 s", "no"}
	if got := row.HolderCells(true); !slices.Equal(got, want) {
		t.Errorf("cells = %q, want %q", got, want)
	}
	row.Samples[0].Left = true
	if got := row.HolderCells(false); got[3] != "" || got[8] != "YES" {
		t.Errorf("cells of another system = %q: it promised nothing, and left the address behind", got)
	}
}

func TestClusterCells(t *testing.T) {
	r := Row{
		Fault: Fault{Name: "several"}, Median: true,
		Limits: promise.Limits{Outage: 2 * time.Second, Nobody: promise.Unbounded, Live: ms(1050), Kernel: ms(3100), Moves: 1},
		Samples: []Sample{
			{Outage: outage(3 * time.Second), Moves: 1, EpochBefore: 1, EpochAfter: 2},
			{Outage: outage(time.Second), Live: span(2 * time.Second), EpochBefore: 2, EpochAfter: 2},
			{Outage: outage(2 * time.Second), EpochBefore: 2, EpochAfter: 3},
		},
	}
	want := []string{"several", "2.000", "≤ 2", "0.000", "2.000 ≤ 1.05", "0.000 ≤ 3.1", "1 ≤ 1", "1→3", "BROKEN"}
	if got := r.ClusterCells(); !slices.Equal(got, want) {
		t.Errorf("cells %q, want %q", got, want)
	}
}

func TestDeathCells(t *testing.T) {
	r := Row{
		Fault: Fault{Name: "kill -9"}, Median: true, System: "harbinger",
		Limits:  promise.Limits{Outage: time.Second, Nobody: promise.Unbounded, Live: ms(50), Kernel: ms(250), Moves: 1},
		Samples: []Sample{{Outage: outage(ms(700)), Moves: 1, Pause: ms(7), Served: ms(9)}, {Outage: outage(ms(1100)), Had: span(time.Second), Served: ms(6)}, {Outage: outage(ms(600))}},
	}
	peer := Row{System: "keepalived", Samples: []Sample{{Outage: outage(ms(800)), Kernel: span(2 * time.Second)}}}
	want := []string{"kill -9", "defaults", "0.600 0.700 1.100", "≤ 1", "≤ 1", "2/3", "0.009 0.009", "0.000 ≤ 0.25", "0.000 ≤ 0.05", "1.000", "1",
		"0.007", "0.800 0.800 0.800", "2.000", "ok"}
	if got := r.DeathCells("defaults", time.Second, peer); !slices.Equal(got, want) || len(got) != len(DeathColumns) {
		t.Errorf("cells %q, want %q", got, want)
	}
	if got := r.DeathCells("defaults", time.Second, Row{}); got[12] != "" || got[13] != "" {
		t.Errorf("cells without another system %q", got)
	}
	r.Limits.Outage = ms(100)
	if got := r.DeathCells("defaults", ms(600), peer); got[5] != "1/3" || got[14] != "BROKEN" {
		t.Errorf("cells beyond the bound %q", got)
	}
}

// TestColumnsFit holds that each title and each name of a fault fits its column, so that the columns line up.
func TestColumnsFit(t *testing.T) {
	var b strings.Builder
	Report{Out: &b, Columns: HolderColumns}.Titles()
	Report{Out: &b, Columns: HolderColumns}.Cells("kill -9", "harbinger", "3.100 s", "≤ 4.000 s", "0.000 s", "node1 → node2", "0.000 s", "0.000 s", "no")
	head, line, _ := strings.Cut(b.String(), "\n")
	for title, cell := range map[string]string{"bound": "≤", "two live": "0.000 s", "left behind": "no"} {
		before, _, _ := strings.Cut(head, title)
		if rest := string([]rune(line)[len([]rune(before)):]); !strings.HasPrefix(rest, cell) {
			t.Errorf("under %q stands %q, want %q", title, rest, cell)
		}
	}
	for columns, faults := range map[*[]Column][]Fault{&HolderColumns: OfTheHolder(), &ClusterColumns: OfKubernetes(), &DeathColumns: OfDeaths()} {
		for _, c := range *columns {
			if len([]rune(c.Title)) > c.Width {
				t.Errorf("title %q is wider than its column", c.Title)
			}
		}
		for _, f := range faults {
			if len([]rune(f.Name)) > (*columns)[0].Width {
				t.Errorf("the name %q is wider than its column", f.Name)
			}
		}
	}
}

func TestMarkdown(t *testing.T) {
	var b strings.Builder
	r := Report{Out: &b, Markdown: true, Columns: []Column{{Title: "a"}, {Title: "b"}}}
	r.Titles()
	r.Cells("1", "2")
	r.Lines("one\ntwo\n", "three")
	if want := "| a | b |\n|---|---|\n| 1 | 2 |\n    one\n    two\n    three\n"; b.String() != want {
		t.Errorf("report %q, want %q", b.String(), want)
	}
}
