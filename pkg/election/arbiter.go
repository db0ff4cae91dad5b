// SPDX-License-Identifier: Apache-2.0

package election

import (
	"math"
	"net/netip"
	"strings"
	"time"
)

// arbiter is what this node knows of the Lease, what it holds by it, and the question under way. One question is under way at
// most. Rows 6, 14 to 20, 29 to 34 and 37 decide by it.
type arbiter struct {
	cfg *Config

	lease    Lease
	known    bool      // the Lease was stored so when it was last asked for
	first    time.Time // when an answer first showed this version
	asked    time.Time // when the latest question was sent whose answer showed it
	renewed  time.Time // when an answer showed that another node renews it now
	living   time.Time // it was renewed later than this
	highest  int       // of all epochs ever seen
	raised   time.Time // when it became that
	answered time.Time // when the last answer came
	since    time.Time // since when each question has had an answer
	failures int       // questions without an answer, in a row
	failedAt time.Time // when the last of them ended
	failure  string
	question question
	next     time.Time // when the next read or renewal is due
	read     time.Time // when the last read was sent
	waiting  bool      // Claiming: the wire allows the takeover, and the Lease decides
	invited  bool      // Claiming: from a holder that serves

	claim      claim
	hurried    hurried
	seize      seizure
	abdication abdication
}

// claim is what this node holds by the Lease.
type claim struct {
	epoch     int       // 0: nothing
	renewed   time.Time // when the last write was sent that confirmed it
	preferred string    // the node that is invited to take over
	until     time.Time // of the invitation
}

// seizure is the way to the addresses of a holder that keeps its Lease fresh, but serves nobody: its API is on another network.
type seizure struct {
	from      time.Time // since when all is silent and the Lease is fresh; zero: not so
	notBefore time.Time
	epoch     int // of the Lease to be seized
	tries     int
	ready     time.Time // Seizing: the old holder has read its loss
}

// abdication is a release that was heard of a node that advertised a claim.
type abdication struct {
	from     netip.Addr
	priority uint8
	at       time.Time
}

// observe notes what is stored. That another node renews its Lease is seen by two versions in two reads close to each other:
// of longer ago, a change says nothing of now. A new claimant has its own time to show itself (row 6).
func (a *arbiter) observe(now time.Time, asked question, ev LeaseDone) {
	if !a.known || a.lease.Version != ev.Lease.Version {
		other := asked == reading && ev.Lease.Holder != "" && ev.Lease.Holder != a.cfg.Identity
		if other && a.known && a.lease.Holder == ev.Lease.Holder && ev.Sent.Sub(a.asked) < closeReads {
			a.renewed, a.living = now, a.asked
		}
		a.first = now
	}
	if a.known && (a.lease.Epoch != ev.Lease.Epoch || a.lease.Holder != ev.Lease.Holder) {
		a.living = time.Time{} // what is known of another holder says nothing of this one
		a.seize.from = time.Time{}
	}
	a.lease, a.known, a.asked = ev.Lease, true, ev.Sent
	if !a.leaps() && ev.Lease.Epoch > a.highest {
		a.highest, a.raised = ev.Lease.Epoch, now
	}
	if asked != reading && asked != yielding && asked != none {
		a.claim.renewed = ev.Sent
	}
}

// fresh reports whether the last read says something of now: it is not old, and no question after it had no answer.
func (a *arbiter) fresh(now time.Time) bool {
	return a.known && a.failures == 0 && now.Sub(a.asked) <= readAge
}

// leaps reports whether the stored epoch is so close to the end of its numbers that no node can have counted up to it: somebody
// wrote it. A higher one than seen before is no leap, as a node that has just started continues from what is stored.
func (a *arbiter) leaps() bool { return a.lease.Epoch > math.MaxInt32-epochLeap }

// signedBefore reports whether the stored Lease names the address of its holder, or of the one that released it.
func (a *arbiter) signedBefore() bool {
	return a.known && a.lease.Version != "" && a.lease.Address.IsValid() && !a.leaps()
}

// ours reports whether this process is the holder by what it knows.
func (a *arbiter) ours() bool { return a.known && a.lease.Holder == a.cfg.Identity }

// others reports whether the Lease names another node.
func (a *arbiter) others() bool {
	return a.lease.Holder != "" && !a.sameNode() && a.lease.Holder != a.cfg.Identity
}

// sameNode reports whether the holder is a process of this node: an earlier one is dead, as one runs at a time.
func (a *arbiter) sameNode() bool { return strings.HasPrefix(a.lease.Holder, a.cfg.Node+"/") }

// confirms reports whether the Lease is this node's with the epoch that it claimed.
func (a *arbiter) confirms() bool {
	return a.ours() && a.claim.epoch > 0 && a.lease.Epoch == a.claim.epoch
}

// verified reports whether the claim was confirmed by a write a moment ago.
func (a *arbiter) verified(now time.Time) bool {
	return a.claim.epoch > 0 && now.Sub(a.claim.renewed) < renewals*a.cfg.Lease.RenewInterval
}

// settled returns the highest epoch known whose claim is over, one way or the other: a node that waits for the answer to its claim does
// not serve yet, so that its silence shows nothing. It waits for readAge at most.
func (a *arbiter) settled(now time.Time) int {
	if a.highest > 0 && now.Sub(a.raised) < readAge {
		return a.highest - 1
	}
	return a.highest
}

// won reports whether the answer to a claim confirms one of now.
func (a *arbiter) won(now time.Time, o LeaseOutcome) bool {
	return o == Answered && now.Sub(a.claim.renewed) <= readAge
}

// available reports whether the Lease, as it was last read, may be claimed: there is none, it was released, it is this
// node's, or its holder does not renew it. The last is proved by two questions alone (F6): an answer may be late, so that the
// time counts from the answer to the first question to the sending of the last.
func (a *arbiter) available(now time.Time) bool {
	switch {
	case a.lease.Version == "", a.lease.Holder == "", a.sameNode(), a.abdicated(now), a.leaps():
		return true
	}
	return a.asked.Sub(a.first) >= a.cfg.Lease.StaleAfter
}

// abdicated reports whether the holder of that epoch has said on the wire that it leaves (F10). It counts for a short time: what
// was said of a Lease long ago says nothing of one that was rolled back to it.
func (a *arbiter) abdicated(now time.Time) bool {
	d := a.abdication
	if d.at.IsZero() || d.priority != claimPriority(a.lease.Epoch) {
		return false
	}
	return d.from == a.lease.Address && now.Sub(d.at) <= abdicationFor*a.cfg.AdvertisementInterval
}

// expiry returns when a holder whose Lease was not renewed gives up, in mode LeaseOnly: before another node may claim it.
func (a *arbiter) expiry() time.Time {
	if a.cfg.Mode != LeaseOnly {
		return time.Time{}
	}
	return a.claim.renewed.Add(a.cfg.Lease.Duration * 2 / 3)
}

// giveUp ends the claim of this node. Where the Lease still names it, it is released at once.
func (a *arbiter) giveUp(now time.Time) {
	a.claim, a.seize.tries, a.seize.from = claim{}, 0, time.Time{}
	if a.ours() {
		a.next = now
	}
}

// retryAfterRefusal returns how long it takes until the Lease can be shown to be stale, or a little longer.
func (a *arbiter) retryAfterRefusal(now time.Time) time.Duration {
	provable := a.first.Add(a.cfg.Lease.StaleAfter).Sub(now)
	return min(max(provable, retryRefused/10), retryRefused)
}

// maySeize reports whether a fresh Lease may be seized that has refused a takeover (row 15): at once where its holder is cut off, else
// after a while.
func (a *arbiter) maySeize(now time.Time, cut bool) bool {
	s := &a.seize
	return a.cfg.Mode == Hybrid && (cut || now.Sub(s.from) > SeizeAfter) && !now.Before(s.notBefore)
}
