// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"net/netip"
	"time"
)

// presence is what a holder does to be one - it advertises, refreshes the addresses in its kernel and announces them - and
// which other hosts claim the same addresses. Rows 21, 22 and 25 to 28 use it.
type presence struct {
	advertised  time.Time // when the last advertisement was sent
	advertiseAt time.Time // Adver_Timer (RFC 9568, section 6.4.3)
	refreshAt   time.Time
	unsent      unsent
	train       announcements
	conflict    conflict
	answered    time.Time // when another host's release was answered last, or will be
}

// unsent are advertisements that could not be sent.
type unsent struct {
	since, last time.Time
}

// announcements is a train of announcements under way.
type announcements struct {
	from  time.Time
	times []time.Duration // after from, those that are left
	next  time.Time
}

// conflict is another host that claims the addresses while this node holds them, or that holds them in state Conflict.
type conflict struct {
	with     string     // who claims what; empty: a peer, which may be about to yield
	owner    string     // its hardware address
	peer     netip.Addr // its address, where it is a peer
	at       time.Time  // of the last claim
	since    time.Time  // of the first claim of a peer, of those that are no further apart than conflictWindow
	defended time.Time
	from     time.Time // of the first claim of a peer that counts
	claims   int       // of peers since then
}

// advertises starts the Adver_Timer, and keeps the refreshes in step: how long a kernel may keep the addresses of a dead
// holder counts from its last advertisement.
func (p *presence) advertises(now time.Time, interval time.Duration) {
	p.advertised, p.advertiseAt = now, now.Add(interval)
	p.refreshAt = now
}

// couldNotSend notes that an advertisement could not be sent.
func (p *presence) couldNotSend(now time.Time, interval time.Duration) {
	if now.Sub(p.unsent.last) > 2*interval {
		p.unsent.since = now
	}
	p.unsent.last = now
}

// mute reports whether no advertisement could be sent for so long that the Backups must take this node for dead.
func (p *presence) mute(now time.Time, interval time.Duration) bool {
	u := p.unsent
	return !u.last.IsZero() && now.Sub(u.last) <= 2*interval && now.Sub(u.since) >= 3*interval-interval/10
}

// announce starts a train of announcements, whose first goes now.
func (p *presence) announce(now time.Time, times []time.Duration) []Action {
	p.train = announcements{from: now, times: times, next: now}
	return p.announceDue(now)
}

// announceDue makes the announcement that is due. The neighbours believe the node that announced last: the train and its
// repetition make that the holder.
func (p *presence) announceDue(now time.Time) []Action {
	t := &p.train
	if !due(now, t.next) {
		return nil
	}
	for len(t.times) > 0 && !now.Before(t.from.Add(t.times[0])) {
		t.times = t.times[1:]
	}
	if t.next = now.Add(AnnounceEvery); len(t.times) > 0 {
		t.next = t.from.Add(t.times[0])
	}
	return []Action{Announce{}}
}

// defends reports whether the addresses are to be defended again, at most once in every.
func (p *presence) defends(now time.Time, every time.Duration) bool {
	c := &p.conflict
	if !c.defended.IsZero() && now.Sub(c.defended) < every {
		return false
	}
	c.defended = now
	return true
}

// answers reports whether another host's release is to be answered now (row 23). One that comes sooner than defendEvery after the
// last answer is answered when that time is over, so that no release is left without an advertisement after it.
func (p *presence) answers(now time.Time) bool {
	if !now.Before(p.answered.Add(defendEvery)) {
		p.answered = now
		return true
	}
	if !now.Before(p.answered) {
		p.answered = p.answered.Add(defendEvery)
	}
	if p.answered.Before(p.advertiseAt) {
		p.advertiseAt = p.answered
	}
	return false
}

// contested remembers who claims the addresses, and returns the alarm. Two holders that meet, as after a cut, have settle for one
// of them to yield: what a peer claims until then is none.
func (p *presence) contested(now time.Time, ev AddressClaimed, settle time.Duration) []Action {
	who := "a foreign host, " + ev.Owner + ","
	c := &p.conflict
	if ev.Peer.IsValid() {
		if who = ev.Peer.String(); now.Sub(c.at) > conflictWindow {
			c.since, c.with = now, ""
		}
	}
	c.owner, c.peer, c.at = ev.Owner, ev.Peer, now
	if ev.Peer.IsValid() && now.Sub(c.since) < settle {
		return nil
	}
	c.with = fmt.Sprintf("%s claims %s", who, ev.Address)
	return []Action{Alarm{Kind: AddressConflict, Detail: c.with, Owner: ev.Owner}}
}

// claimedByPeer counts the claims of peers, and returns how many there were in conflictWindow.
func (p *presence) claimedByPeer(now time.Time) int {
	c := &p.conflict
	if now.Sub(c.from) > conflictWindow {
		c.from, c.claims = now, 0
	}
	c.claims++
	return c.claims
}

// patience returns how many claims of a peer end the holding (row 28). Whether the other is in distress is not known, so each
// accepts as many as its own state and rank allow: whatever the two states are, one of them has less patience.
func patience(lower, claim, distress bool) int {
	switch {
	case distress && lower:
		return 1
	case distress:
		return 2
	case claim && lower:
		return 4
	case claim:
		return 5
	case lower:
		return 3
	}
	return 8
}
