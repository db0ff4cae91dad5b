// SPDX-License-Identifier: Apache-2.0

package election

import "time"

// prober is the question who serves the virtual addresses, and the answer to it. One question is under way at most; an answer
// that belongs to an earlier silence is thrown away. Rows 3, 7, 9, 11 to 13, 15, 16, 20 and 39 decide by it.
type prober struct {
	outstanding bool
	obsolete    bool       // the outstanding one
	asked       time.Time  // when the question of this silence was asked; zero: not yet
	again       time.Time  // when to ask again; zero: not
	answer      *ProbeDone // nil: none yet
	came        time.Time  // when that came
	free        int        // in Conflict: verdicts Free in a row
	asks        int        // questions by ARP or neighbour discovery of the probe under way
	silence     silence
}

// drop forgets what was found out: somebody was heard.
func (p *prober) drop() {
	*p = prober{outstanding: p.outstanding, obsolete: p.outstanding}
}

// ask begins a question and reports whether a Probe must be sent: the answer to one that is under way counts, or leads to the
// next.
func (p *prober) ask(now time.Time, asks int) bool {
	p.again = time.Time{}
	if p.outstanding && !p.obsolete {
		return false
	}
	p.asked = now
	sends := !p.outstanding
	if sends {
		p.asks = asks
	}
	p.outstanding = true
	return sends
}

// done ends the question under way and reports whether its answer says something of now: not where it belongs to an earlier
// silence, nor where it took so long that the process cannot have run meanwhile.
func (p *prober) done(now time.Time) bool {
	counts := !p.obsolete && now.Sub(p.asked) <= verdictAge
	p.outstanding, p.obsolete = false, false
	return counts
}

// fresh reports whether there is a verdict that says something of now.
func (p *prober) fresh(now time.Time) bool {
	return p.answer != nil && now.Sub(p.asked) <= verdictAge
}

// due returns when a seizure that is ready at a time asks again, or goes on (row 20).
func (p *prober) due(now, ready time.Time) time.Time {
	switch {
	case now.Before(ready):
		return ready
	case p.outstanding && !p.again.IsZero():
		return time.Time{}
	}
	return p.again
}
