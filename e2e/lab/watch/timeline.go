// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Package watch watches a virtual address in a lab: a client says when it is
// served, the kernels of the hosts say who has it, and ARP and neighbour
// discovery say who answers for it. It changes nothing in the lab.
package watch

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// A Timeline tells which hosts had something at which time.
type Timeline struct {
	control *Control

	mu    sync.Mutex
	spans []Span // each ends where the next begins
}

// A Span is a time during which the same hosts had it.
type Span struct {
	From, To time.Time
	Stalled  time.Duration // of the machine, in that time
	Hosts    []string      // sorted names
}

// Length returns how long the span is, without stalls of the machine.
func (s Span) Length() time.Duration { return s.To.Sub(s.From) - s.Stalled }

// String returns the span as a person would tell it.
func (s Span) String() string {
	hosts := "nobody"
	if len(s.Hosts) > 0 {
		hosts = strings.Join(s.Hosts, "+")
	}
	return hosts + " for " + s.Length().Round(time.Millisecond).String()
}

// record says who has it from now on.
func (t *Timeline) record(now time.Time, hosts []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	hosts = slices.Sorted(slices.Values(hosts))
	if n := len(t.spans); n > 0 {
		t.spans[n-1].To = now
		if slices.Equal(t.spans[n-1].Hosts, hosts) {
			return
		}
	}
	t.spans = append(t.spans, Span{From: now, To: now, Hosts: hosts})
}

// Now returns the hosts that have it.
func (t *Timeline) Now() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.spans) == 0 {
		return nil
	}
	return t.spans[len(t.spans)-1].Hosts
}

// Since returns what happened since a time. Hosts that are named are left
// out, because they are dead, frozen or cut off.
func (t *Timeline) Since(since time.Time, except ...string) []Span {
	t.mu.Lock()
	defer t.mu.Unlock()
	var spans []Span
	for i, s := range t.spans {
		if i == len(t.spans)-1 {
			s.To = time.Now()
		}
		if s.To.Before(since) {
			continue
		}
		if s.From.Before(since) {
			s.From = since
		}
		s.Hosts = slices.DeleteFunc(slices.Clone(s.Hosts), func(h string) bool { return slices.Contains(except, h) })
		if n := len(spans); n > 0 && slices.Equal(spans[n-1].Hosts, s.Hosts) {
			spans[n-1].To = s.To
			continue
		}
		spans = append(spans, s)
	}
	for i, s := range spans {
		spans[i].Stalled = t.control.Stalled(s.From, s.To)
	}
	return spans
}

// Dual returns the longest time for which more than one host had it.
func (t *Timeline) Dual(since time.Time, except ...string) Span {
	return longest(t.Since(since, except...), func(hosts int) bool { return hosts > 1 })
}

// Gap returns the longest time for which nobody had it.
func (t *Timeline) Gap(since time.Time, except ...string) Span {
	return longest(t.Since(since, except...), func(hosts int) bool { return hosts == 0 })
}

// Gained returns how often a host got it that had it not before, but for those
// that had it at that time.
func (t *Timeline) Gained(since time.Time) int {
	gained := 0
	spans := t.Since(since)
	for i := 1; i < len(spans); i++ {
		for _, host := range spans[i].Hosts {
			if !slices.Contains(spans[i-1].Hosts, host) {
				gained++
			}
		}
	}
	return gained
}

func longest(spans []Span, counts func(hosts int) bool) Span {
	var found Span
	for _, s := range spans {
		if counts(len(s.Hosts)) && s.Length() > found.Length() {
			found = s
		}
	}
	return found
}
