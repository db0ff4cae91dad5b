// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// failover is a log of requests every 0.1 s, one of which waits out an outage while those after it fail: answers come at
// 0.01, 0.11 and so on to 1.01, and again from 4.6 on.
func failover() (log Log) {
	for n := range 100 {
		l := Line{Start: at(float64(n) / 10), Took: ms(10), Op: Version, OK: true, Seq: n}
		switch {
		case n == 11:
			l.Took = ms(3500)
		case n > 11 && n <= 45:
			l.Took, l.OK, l.Err = ms(1000), false, "context deadline exceeded"
		}
		log = append(log, l)
	}
	return append(log, Line{Start: at(1.5), Took: ms(10), Op: List, OK: true})
}

func TestOutages(t *testing.T) {
	silent := Log{{Start: at(1), Took: ms(100), Op: Version, Err: "connection refused"}}
	for name, test := range map[string]struct {
		log       Log
		from, to  float64
		threshold time.Duration
		want      Outages
	}{
		"between two answers": {failover(), 0, 10, ms(250), Outages{{From: at(1.01), To: at(4.6), Failed: 34, First: "context deadline exceeded", Last: "context deadline exceeded"}}},
		"begun before":        {failover(), 2, 10, ms(250), Outages{{From: at(2), To: at(4.6), Failed: 26, First: "context deadline exceeded", Last: "context deadline exceeded"}}},
		"still on":            {failover(), 0, 3, ms(250), Outages{{From: at(1.01), To: at(3), Failed: 18, First: "context deadline exceeded", Last: "context deadline exceeded"}}},
		"too short to count":  {failover(), 0, 10, ms(3600), nil},
		"none":                {failover(), 5, 9, ms(250), nil},
		"nobody asks":         {failover(), 5, 20, ms(250), Outages{{From: at(9.91), To: at(20)}}},
		"no answer at all":    {silent, 0, 3, ms(250), Outages{{From: at(0), To: at(3), Failed: 1, First: "connection refused", Last: "connection refused"}}},
		"empty":               {nil, 0, 3, ms(250), Outages{{From: at(0), To: at(3)}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := test.log.Outages(Version, at(test.from), at(test.to), test.threshold)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("outages (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOutageIsTheLongest(t *testing.T) {
	if got := failover().Outage(Version, at(0), at(10)); got.Length() != ms(3590) {
		t.Errorf("outage is %v", got)
	}
	if got := failover().Outage(Version, at(6), at(8)); got.Length() != ms(100) {
		t.Errorf("without an outage it is %v, want the pace", got)
	}
	want := "3.59s from 04:00:01.010 (34 requests failed: context deadline exceeded)"
	if got := failover().Outage(Version, at(0), at(10)).String(); got != want {
		t.Errorf("it is %q, want %q", got, want)
	}
}

// Each request failed at once but for those of an outage, of which the first one waits out its time.
func TestFailures(t *testing.T) {
	line := func(start float64, took int, err string) Line {
		return Line{Start: at(start), Took: ms(took), Op: Version, OK: err == "", Err: err}
	}
	log := Log{ // in the order in which they ended
		line(0, 10, ""), line(1.1, 10, "refused"), line(1, 200, "timeout"), line(1.2, 10, ""),
		line(2, 500, ""), line(3, 10, "refused"), line(3.05, 300, ""), line(4, 10, "late"), line(1.15, 4000, ""),
	}
	first := Outage{From: at(1), To: at(5.15), Failed: 2, First: "timeout", Last: "refused"}
	second := Outage{From: at(3), To: at(3.35), Failed: 1, First: "refused", Last: "refused"}
	last := Outage{From: at(4), To: at(6), Failed: 1, First: "late", Last: "late"}
	for name, test := range map[string]struct {
		from, to float64
		want     Outages
	}{
		"all":             {-1, 6, Outages{first, second, last}},
		"from the middle": {2, 6, Outages{second, last}},
		"to the middle":   {2, 3.9, Outages{second}},
		"none":            {1.5, 2.5, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, log.Failures(Version, at(test.from), at(test.to))); diff != "" {
				t.Errorf("failures (-want +got):\n%s", diff)
			}
		})
	}
	if got := log.Failures(Version, at(-1), at(6)).Longest(); got.Length() != ms(4150) {
		t.Errorf("the longest is %v", got)
	}
	short := log.Failures(Version, at(-1), at(6)).LeaveOut(func(from, to time.Time) time.Duration { return to.Sub(from) - ms(20) })
	if got := short.Longest(); got.Length() != ms(20) || !got.From.Equal(at(1)) {
		t.Errorf("without stalls the longest is %v", got)
	}
	if want := "4.15s from 04:00:01.000 (2 requests failed: timeout … refused)"; first.String() != want {
		t.Errorf("it is %q, want %q", first, want)
	}
}

func TestAvailability(t *testing.T) {
	for name, test := range map[string]struct {
		log      Log
		from, to float64
		within   time.Duration
		want     Availability
	}{
		"all":                 {failover(), 5, 9, time.Second, Availability{1, 40, 40}},
		"an outage":           {failover(), 0, 10, time.Second, Availability{0.65, 100, 65}},
		"a late answer":       {failover(), 1, 2, 4 * time.Second, Availability{0.2, 10, 2}},
		"nobody asks":         {failover(), 9, 19, time.Second, Availability{0.19, 10, 10}},
		"nobody asks at once": {failover(), -1, 1, time.Second, Availability{0.5, 10, 10}},
		"empty":               {nil, 0, 10, time.Second, Availability{}},
	} {
		t.Run(name, func(t *testing.T) {
			got := test.log.Availability(Version, at(test.from), at(test.to), test.within)
			near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })
			if diff := cmp.Diff(test.want, got, near); diff != "" {
				t.Errorf("availability (-want +got):\n%s", diff)
			}
		})
	}
}
