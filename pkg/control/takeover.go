// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/election"
)

// evidenceFor is how old the answer to a probe may be that a takeover is said to have gone by. A seizure waits for some seconds with
// the addresses.
const evidenceFor = 5 * time.Second

// takeover is what is known of the next takeover of this node, or of the one that it is about to complete.
type takeover struct {
	probed election.ProbeDone // the last answer to a probe
	at     time.Time          // when it came; zero: none did
	begun  bool               // the addresses are there, and not advertised yet
}

// note keeps the answer to a probe.
func (t *takeover) note(ev election.Event, now time.Time) {
	if done, ok := ev.(election.ProbeDone); ok {
		t.probed, t.at = done, now
	}
}

// evidence says what this node had found out when it took the addresses from a holder that it did not hear. Nothing: it took them by
// what it heard.
func (l *Loop) evidence(now time.Time, e election.Status) string {
	found, at := l.takeover.probed, l.takeover.at
	if at.IsZero() || at.Before(e.HeardAt) || now.Sub(at) > evidenceFor {
		return ""
	}
	parts := []string{fmt.Sprintf("identity port %s, client port %s, ARP or neighbour discovery %s", found.Identity, found.Client, found.Neighbour)}
	if found.Asked > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d questions to other neighbours answered", found.Heard, found.Asked))
	}
	if !e.ReachAt.Before(e.HeardAt) && !e.ReachAt.IsZero() && now.Sub(e.ReachAt) <= evidenceFor && !e.Reach.CouldNotAsk {
		parts = append(parts, fmt.Sprintf("peers that answer: %d", len(e.Reach.Reached)))
	}
	if e.Epoch > 0 {
		parts = append(parts, fmt.Sprintf("Lease claimed with epoch %d", e.Epoch))
	}
	return strings.Join(parts, "; ")
}

// unservedText says for how long nobody served, where that is known and more than between two advertisements.
func unservedText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return fmt.Sprintf("; nobody served for %s as far as this host knows", d.Round(time.Millisecond))
}

// serves notes that this node has taken the addresses and advertises that. Who waits for them was not served from the last sign of
// the holder before until now, as far as this node can know.
func (l *Loop) serves() {
	if !l.takeover.begun {
		return
	}
	l.takeover.begun = false
	now, e := l.cfg.Now(), l.cfg.Election.Status()
	known := len(l.history.spans) > 0
	unserved := l.history.unserved(now, e.AdvertisementInterval)
	l.history.see(HolderSpan{Own: true, Reason: e.Reason}, now, e.AdvertisementInterval)
	if !known {
		return
	}
	l.changes.unserved = unserved
	l.cfg.Metrics.Unserved(l.cause, unserved.Seconds())
	if n := len(l.moves); n > 0 && l.moves[n-1].To == election.Active.String() {
		l.moves = slices.Clone(l.moves) // readers hold the old one
		l.moves[n-1].Unserved = unserved
	}
}
