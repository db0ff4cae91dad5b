// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/election"
)

// keptMoves is how many of the last changes of state a Status shows.
const keptMoves = 10

// Move is one change of state, newest last in a Status.
type Move struct {
	Time   time.Time // wall clock
	From   string
	To     string
	Reason string
	// Cause is the reason in one word, where the addresses came or went with the change: see election.Cause.
	Cause string
	// Silence is the time since a holder was last heard, for a takeover; zero where none was ever heard.
	Silence time.Duration
	// Unserved is the time from the last sign of a holder to the first advertisement of this node, for a takeover; zero: it is no longer
	// than two advertisements are apart, or no holder was ever seen.
	Unserved time.Duration
	// Evidence is what this node had found out when it took the addresses from a holder that it did not hear.
	Evidence string
}

// Forgery is the last forged advertisement.
type Forgery struct {
	Source          netip.Addr // invalid: there was none
	HardwareAddress string     // of the host that sent it; empty: not known
	At              time.Time
	looked          time.Time // when the host was looked for last
}

// Status is a copy of what the loop knows after its last turn.
type Status struct {
	Election election.Status
	Held     bool
	Moves    []Move
	Holders  []HolderSpan      // newest last
	Turned   time.Time         // when the loop turned last, on its own clock
	Failing  map[string]string // actions that fail now, with the error
	Forgery  Forgery
}

// Status returns the last published copy. It may be called from any goroutine.
func (l *Loop) Status() Status { return *l.status.Load() }

// Now is the time of the clock that the times in a Status are of. It may be called from any goroutine.
func (l *Loop) Now() time.Time { return l.cfg.Now() }

// Alive reports whether the loop turned within two intervals.
func (l *Loop) Alive() bool {
	return l.cfg.Now().Sub(l.Status().Turned) < 2*l.cfg.Interval
}

func (l *Loop) publish() {
	failing := make(map[string]string, len(l.failing))
	for action, err := range l.failing {
		failing[action] = err
	}
	now, e := l.cfg.Now(), l.cfg.Election.Status()
	l.follow(now, e)
	s := Status{
		Election: e,
		Held:     l.cfg.Addresses.Held(),
		Moves:    l.moves,
		Holders:  l.history.spans,
		Turned:   now,
		Failing:  failing,
		Forgery:  l.forgery,
	}
	if before := l.status.Swap(&s); before != nil && before.Held != s.Held {
		l.cfg.Metrics.Held(s.Held, l.cause)
	}
	l.cfg.Metrics.Priority(s.Election.Priority)
}

// recordMove appends to a fresh slice: readers may hold the old one.
func (l *Loop) recordMove(t election.Transition) {
	m := Move{Time: time.Now(), From: t.From.String(), To: t.To.String(), Reason: t.Reason}
	if t.To == election.Active || t.From == election.Active || t.From == election.Leaving {
		m.Cause = l.cause
	}
	if e, now := l.cfg.Election.Status(), l.cfg.Now(); t.To == election.Active {
		m.Evidence = l.evidence(now, e)
		if !e.HeardAt.IsZero() {
			m.Silence = now.Sub(e.HeardAt)
		}
	}
	kept := l.moves[max(0, len(l.moves)-keptMoves+1):]
	l.moves = append(append(make([]Move, 0, keptMoves), kept...), m)
}
