// SPDX-License-Identifier: Apache-2.0

//go:build linux

package trial

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/observe"
)

// result returns one of a fault with an outage of that many milliseconds.
func result(outage int) Result {
	return Result{Before: "node1", After: "node2", Outage: observe.Outage{To: time.Time{}.Add(time.Duration(outage) * time.Millisecond)}}
}

func lasting(d time.Duration) observe.Span {
	return observe.Span{To: time.Time{}.Add(d)}
}

func TestRowTellsTheMedian(t *testing.T) {
	row := Row{Results: []Result{result(10), result(700), result(20)}}
	if got, want := row.Outage(), 20*time.Millisecond; got != want {
		t.Errorf("outage = %v, want %v", got, want)
	}
	if got := (Row{}).Outage(); got != 0 {
		t.Errorf("outage of no run = %v", got)
	}
}

func TestRowChecksEveryPromise(t *testing.T) {
	good := result(90)
	held, answered, left := good, good, good
	held.Held = lasting(1200 * time.Millisecond)
	answered.Answered = lasting(3200 * time.Millisecond)
	left.Left = true
	tests := []struct {
		name string
		row  Row
		want string // in the error; none if empty
	}{
		{"kept", Row{Results: []Result{good, result(100), good}}, ""},
		{"outage", Row{Results: []Result{good, result(110), good}}, "outage 0.110 s, bound 0.100 s"},
		{"two held", Row{Results: []Result{good, held, good}}, "two live hosts had the address for 1.200 s"},
		{"two answered", Row{Results: []Result{answered}}, "two hosts answered ARP for 3.200 s"},
		{"left", Row{Results: []Result{left}}, "left on a host"},
		{"failed", Row{Err: errors.New("the lab broke")}, "the lab broke"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.row.Fault, test.row.Interval = PlannedStop, time.Second
			err := test.row.Check()
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("check = %v, want %q", err, test.want)
			}
		})
	}
}

func TestRowWithFastAdverts(t *testing.T) {
	row := Row{Fault: CutCable, Interval: 100 * time.Millisecond, Results: []Result{result(600)}}
	if row.Check() == nil {
		t.Error("an outage of 600ms is within the bound of fast adverts")
	}
	row.Interval = time.Second
	if err := row.Check(); err != nil {
		t.Error(err)
	}
}

func TestRowAsText(t *testing.T) {
	row := Row{System: "harbinger", Fault: PlannedStop, Interval: time.Second, Results: []Result{result(5)}}
	want := []string{"planned stop", "harbinger", "0.005 s", "≤ 0.100 s", "0.000 s", "node1 → node2", "0.000 s", "0.000 s", "no"}
	if got := row.Cells(); !slices.Equal(got, want) {
		t.Errorf("cells = %q, want %q", got, want)
	}
	if len(Columns) != len(want) {
		t.Errorf("%d columns, want %d", len(Columns), len(want))
	}
	row.System = "keepalived"
	if got := row.Cells()[3]; got != "" {
		t.Errorf("bound of another system = %q: it promised nothing", got)
	}
}
