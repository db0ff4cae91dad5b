// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"slices"
	"strings"
	"time"
)

// A Change is when a host got the virtual IP, or lost it.
type Change struct {
	At   time.Time
	Host string
	Has  bool
}

// A Span is a time during which the same hosts had the virtual IP.
type Span struct {
	From, To time.Time
	Stalled  time.Duration // of it, for which the machine stalled: see Timeline.LeaveOut
	Hosts    []string      // sorted names
}

// Length returns how long the span is, without stalls of the machine.
func (s Span) Length() time.Duration { return s.To.Sub(s.From) - s.Stalled }

// String returns start, hosts and length in one line.
func (s Span) String() string {
	hosts := "nobody"
	if len(s.Hosts) > 0 {
		hosts = strings.Join(s.Hosts, "+")
	}
	return s.From.Format("15:04:05.000 ") + hosts + " for " + s.Length().Round(time.Millisecond).String()
}

// A Timeline says who had the virtual IP at which time: spans that follow each other.
type Timeline []Span

// NewTimeline returns who had the virtual IP from one moment to another. The changes may be in any order, and those before
// the first moment count. A host that is switched off loses what it had without a report: add a Change for it.
//
// Of two changes at the same moment, that of the host which gets the virtual IP is the first: two hosts that had it for a
// moment only have a span of no length.
func NewTimeline(changes []Change, from, to time.Time) Timeline {
	changes = slices.Clone(changes)
	slices.SortStableFunc(changes, func(a, b Change) int {
		if order := a.At.Compare(b.At); order != 0 || a.Has == b.Has {
			return order
		}
		if a.Has {
			return -1
		}
		return 1
	})
	var line Timeline
	var hosts []string
	began := from
	for _, c := range changes {
		if !c.At.Before(to) {
			break
		}
		next := with(hosts, c)
		if len(next) == len(hosts) {
			continue
		}
		if c.At.After(from) {
			line = line.add(Span{From: began, To: c.At, Hosts: hosts})
			began = c.At
		}
		hosts = next
	}
	return line.add(Span{From: began, To: to, Hosts: hosts})
}

// with returns the hosts after a change.
func with(hosts []string, c Change) []string {
	after := slices.DeleteFunc(slices.Clone(hosts), func(h string) bool { return h == c.Host })
	if c.Has {
		after = append(after, c.Host)
	}
	slices.Sort(after)
	return after
}

// add returns the line with another span, unless nothing happened in it.
func (t Timeline) add(s Span) Timeline {
	if s.Length() == 0 && len(s.Hosts) < 2 {
		return t
	}
	return append(t, s)
}

// At returns the hosts that had the virtual IP at a moment.
func (t Timeline) At(moment time.Time) []string {
	for _, s := range t {
		if !moment.Before(s.From) && moment.Before(s.To) {
			return s.Hosts
		}
	}
	return nil
}

// Without returns the line as if some hosts had never had the virtual IP: they are dead, frozen or cut off.
func (t Timeline) Without(hosts ...string) Timeline {
	var line Timeline
	for _, s := range t {
		s.Hosts = slices.DeleteFunc(slices.Clone(s.Hosts), func(h string) bool { return slices.Contains(hosts, h) })
		if n := len(line); n > 0 && slices.Equal(line[n-1].Hosts, s.Hosts) {
			line[n-1].To = s.To
			continue
		}
		line = append(line, s)
	}
	return line
}

// LeaveOut returns the line without stalls of the machine; stalled says for how long it stalled from one moment to another.
func (t Timeline) LeaveOut(stalled func(from, to time.Time) time.Duration) Timeline {
	t = slices.Clone(t)
	for i := range t {
		t[i].Stalled = stalled(t[i].From, t[i].To)
	}
	return t
}

// Gained returns how often a host got the virtual IP that had it not in the span before. The hosts of the first span do not
// count.
func (t Timeline) Gained() int {
	gained := 0
	for i := 1; i < len(t); i++ {
		for _, host := range t[i].Hosts {
			if !slices.Contains(t[i-1].Hosts, host) {
				gained++
			}
		}
	}
	return gained
}

// Shared returns the spans during which more than one host had the virtual IP.
func (t Timeline) Shared() Timeline { return t.where(func(hosts int) bool { return hosts > 1 }) }

// Vacant returns the spans during which nobody had it.
func (t Timeline) Vacant() Timeline { return t.where(func(hosts int) bool { return hosts == 0 }) }

func (t Timeline) where(counts func(hosts int) bool) Timeline {
	return slices.DeleteFunc(slices.Clone(t), func(s Span) bool { return !counts(len(s.Hosts)) })
}

// Total returns how long the spans are, all in all.
func (t Timeline) Total() (total time.Duration) {
	for _, s := range t {
		total += s.Length()
	}
	return total
}

// Longest returns the longest of the spans.
func (t Timeline) Longest() (longest Span) {
	for _, s := range t {
		if longest.From.IsZero() || s.Length() > longest.Length() {
			longest = s
		}
	}
	return longest
}
