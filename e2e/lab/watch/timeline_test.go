// SPDX-License-Identifier: Apache-2.0

//go:build linux

package watch

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// history returns a timeline of a takeover with a pause, then one with an
// overlap, and its start. Its last span lasts until now.
func history() (*Timeline, time.Time) {
	start := time.Now().Add(-10 * time.Second)
	t := new(Timeline)
	for _, step := range []struct {
		at    time.Duration
		hosts []string
	}{
		{0, []string{"a"}},
		{1 * time.Second, []string{"a"}},
		{2 * time.Second, nil},
		{5 * time.Second, []string{"b"}},
		{6 * time.Second, []string{"c", "b"}},
		{8 * time.Second, []string{"c"}},
	} {
		t.record(start.Add(step.at), step.hosts)
	}
	return t, start
}

func TestTimelineTellsWhoAndHowLong(t *testing.T) {
	line, start := history()
	var got []string
	for _, span := range line.Since(start)[:4] {
		got = append(got, span.String())
	}
	want := []string{"a for 2s", "nobody for 3s", "b for 1s", "b+c for 2s"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"c"}, line.Now()); diff != "" {
		t.Errorf("now (-want +got):\n%s", diff)
	}
}

func TestTimelineSinceAMoment(t *testing.T) {
	line, start := history()
	if got, want := line.Gap(start).Length(), 3*time.Second; got != want {
		t.Errorf("gap = %v, want %v", got, want)
	}
	if got, want := line.Gap(start.Add(4*time.Second)).Length(), time.Second; got != want {
		t.Errorf("gap since the middle of it = %v, want %v", got, want)
	}
	if got := line.Gap(start.Add(5500 * time.Millisecond)).Length(); got != 0 {
		t.Errorf("gap after it = %v, want 0", got)
	}
}

func TestTimelineLeavesHostsOut(t *testing.T) {
	line, start := history()
	if got, want := line.Dual(start).Length(), 2*time.Second; got != want {
		t.Errorf("dual = %v, want %v", got, want)
	}
	if got := line.Dual(start, "b").Length(); got != 0 {
		t.Errorf("dual without b = %v, want 0", got)
	}
	if got, want := line.Gap(start, "b").Length(), 4*time.Second; got != want {
		t.Errorf("gap without b = %v, want %v: two spans of nobody are one", got, want)
	}
}

func TestEmptyTimeline(t *testing.T) {
	line := new(Timeline)
	if line.Now() != nil || line.Since(time.Time{}) != nil || line.Gap(time.Time{}).Length() != 0 {
		t.Error("an empty timeline tells something")
	}
}

func TestTimelineCountsGains(t *testing.T) {
	line, start := history()
	for _, test := range []struct {
		since time.Duration
		want  int
	}{{0, 2}, {5500 * time.Millisecond, 1}, {9 * time.Second, 0}} {
		if got := line.Gained(start.Add(test.since)); got != test.want {
			t.Errorf("gained since %v: %d, want %d", test.since, got, test.want)
		}
	}
}
