// SPDX-License-Identifier: Apache-2.0

package promise

import (
	"fmt"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// A Setting is what a bound depends on. The times are those of the configuration.
type Setting struct {
	Interval  time.Duration // between two advertisements
	Lifetime  time.Duration // of an address in the kernel, without a refresh
	Renew     time.Duration // of the Lease, between two renewals
	Detection time.Duration // until a dead backend is found by its checks
	Connect   time.Duration // until a connection to a backend is given up
	Priority  uint8         // of the hosts
	Fence     bool          // takes the address of dead processes off the wire
	Etcd      bool          // each host has a member of etcd, and may take its leader away
}

// At returns the default configuration with another interval between advertisements.
func At(interval time.Duration) Setting {
	return Setting{
		Interval: interval, Lifetime: election.Lifetime(interval), Renew: time.Second,
		Detection: 2200 * time.Millisecond, Connect: time.Second, Priority: 100, Etcd: true, Fence: true,
	}
}

// Unfenced returns the setting on hosts that can have no fence.
func (s Setting) Unfenced() Setting {
	s.Fence = false
	return s
}

// A Formula is a time that follows from a setting. The zero Formula promises nothing.
type Formula struct {
	text  string
	value func(Setting) time.Duration
}

// Promised reports whether there is a bound.
func (f Formula) Promised() bool { return f.value != nil }

// At returns the value of the formula, and [Unbounded] where nothing is promised.
func (f Formula) At(s Setting) time.Duration {
	if f.value == nil {
		return Unbounded
	}
	return f.value(s)
}

// String returns the formula in the letters of [Letters].
func (f Formula) String() string { return f.text }

// fixed is a time that does not depend on the setting.
func fixed(d time.Duration) Formula {
	return Formula{Seconds(d), func(Setting) time.Duration { return d }}
}

func sum(terms ...Formula) Formula {
	return Formula{join(terms, " + "), func(s Setting) (total time.Duration) {
		for _, term := range terms {
			total += term.value(s)
		}
		return total
	}}
}

func longest(terms ...Formula) Formula {
	return Formula{"max(" + join(terms, ", ") + ")", func(s Setting) (most time.Duration) {
		for _, term := range terms {
			most = max(most, term.value(s))
		}
		return most
	}}
}

// either is one formula where there is a fence, and another where there is none.
func either(fenced, open Formula) Formula {
	return Formula{fenced.text + "; without a fence " + open.text, func(s Setting) time.Duration {
		if s.Fence {
			return fenced.value(s)
		}
		return open.value(s)
	}}
}

func join(terms []Formula, separator string) string {
	var texts []string
	for _, term := range terms {
		texts = append(texts, term.text)
	}
	return strings.Join(texts, separator)
}

// Seconds returns a time in seconds, rounded up to hundredths.
func Seconds(d time.Duration) string {
	const hundredth = 10 * time.Millisecond
	return fmt.Sprintf("%g s", float64((d+hundredth-1)/hundredth)/100)
}

// Delay is what a packet on the wire and the scheduling of a live process take together, at most.
const Delay = 50 * time.Millisecond

// Letters says what the letters of the formulas stand for.
var Letters = strings.Join([]string{
	"A is the interval between advertisements",
	"L the lifetime of an address in the kernel without a refresh (2 s; 1 s where A is below 1 s)",
	"r the time between two refreshes, min(A/2, L/4)",
	"skew (256 − priority)/256 A, here of priority 100",
	"P the time of a probe that nobody answers, min(A, " + Seconds(election.LongestProbe) + ")",
	"R the interval between renewals of the Lease",
	"T " + Seconds(election.AnswerTimeout) + ", after which a question to the API has no answer",
	"I for how long a Backup waits for the API before it takes the address, max(A/2, 0.05 s), and 0 in mode VRRP",
	"E 2 T where the host's member of etcd is lost with it, else 0",
	"H the time in which the checks find a dead backend",
	"C the time in which a connection to a backend must be made",
	Seconds(Delay) + " a packet on the wire and the scheduling of a process",
	Seconds(election.KernelSlack) + " what the kernel may add to a lifetime",
}, "; ") + "."

// The terms of the formulas.
var (
	interval = Formula{"A", func(s Setting) time.Duration { return s.Interval }}
	lifetime = Formula{"L", func(s Setting) time.Duration { return s.Lifetime }}
	skew     = Formula{"skew", func(s Setting) time.Duration {
		return vrrp.SkewTime(vrrp.Version3, s.Priority, s.Interval)
	}}
	// down is Active_Down_Interval (RFC 9568, section 6.1).
	down = Formula{"3 A + skew", func(s Setting) time.Duration {
		return vrrp.ActiveDownInterval(vrrp.Version3, s.Priority, s.Interval)
	}}
	// longestDown is that of the lowest priority, which a host without a healthy backend has.
	longestDown = Formula{"4 A", func(s Setting) time.Duration { return 4 * s.Interval }}
	// turns is what all delays between takers of equal priority come to.
	turns = Formula{"A/10", func(s Setting) time.Duration { return s.Interval / 10 }}
	probe = Formula{"P", func(s Setting) time.Duration { return min(s.Interval, election.LongestProbe) }}
	delay = fixed(Delay)
	// kept is how long after its last advertisement the kernel of a dead holder may keep the address.
	kept = Formula{"A − r + L + " + Seconds(election.KernelSlack), func(s Setting) time.Duration {
		return s.Interval - election.RefreshInterval(s.Interval, s.Lifetime) + s.Lifetime + election.KernelSlack
	}}
	questions = Formula{"2 T", func(Setting) time.Duration { return election.UnreachableAfter * election.AnswerTimeout }}
	etcd      = Formula{"E", func(s Setting) time.Duration {
		if !s.Etcd {
			return 0
		}
		return questions.value(s)
	}}
	// waits is how long a taker waits for an answer of the API that does not come.
	waits = Formula{"I", func(s Setting) time.Duration {
		if !s.Etcd {
			return 0
		}
		return max(s.Interval/2, 50*time.Millisecond)
	}}
	// unhurried is how much later a Backup finds the address silent whose dead holder had no real-time scheduling: its fence closes after
	// the lifetime of the address, and the Backup asks again after half an interval.
	unhurried = Formula{"max(0, A − r + L + A/2 + P − (3 A + skew + A/10))", func(s Setting) time.Duration {
		closed := s.Interval - election.RefreshInterval(s.Interval, s.Lifetime) + election.FenceTimeout(s.Interval, false)
		return max(0, closed+s.Interval/2+probe.value(s)-down.value(s)-turns.value(s))
	}}
	detection = Formula{"H", func(s Setting) time.Duration { return s.Detection }}
	connect   = Formula{"C", func(s Setting) time.Duration { return s.Connect }}
	answer    = Formula{"T", func(Setting) time.Duration { return election.AnswerTimeout }}
	// alone is how long a holder takes to know that it reaches nobody: three questions in a row, one every 500 ms, have no answer.
	alone = sum(fixed(2*time.Second), probe)
)
