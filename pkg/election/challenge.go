// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// challenge is an advertisement that the Lease, as it was last read, does not confirm. It is that of a node which has taken the
// Lease since, or of nobody who may: the next read shows. Rows 4 and 25 decide by it.
type challenge struct {
	from   netip.Addr // the last
	claims uint8      // its priority
	at     time.Time  // of the last
	since  time.Time  // the first that no later read has judged; zero: all are judged
	read   time.Time  // when the Lease was last read for one
	reads  int        // how often, beside the Lease of the epoch that beside says
	beside int
	before heard     // what a Backup had heard before that one
	downAt time.Time // and when its Active_Down_Timer would have ended
	bold   time.Time // the first claim above that of the Lease which no later read has judged; zero: there is none
	doubts doubts    // of what the Lease does not confirm
	holder string    // of the Lease beside which the last one was refuted, with its epoch
	epoch  int
	old    time.Time  // of the first of some claims older than the own one
	forged netip.Addr // source of the last one that an alarm was raised for
	raised time.Time  // when
	heard  time.Time  // when the holder of the Lease last advertised
	raise  time.Time  // when the epoch was raised over a claim
	beaten time.Time  // when a holder last read that its own claim is the last
}

// doubts last from the first advertisement that the Lease does not confirm to the last. A node that took the addresses before the
// Lease answered (F33) advertises without a claim until then, and a stale holder its old claim until it hears or reads of the new one.
type doubts struct{ since, last time.Time }

// persist notes a doubt, and reports whether they last longer than those that honest nodes give rise to.
func (d *doubts) persist(now time.Time, settle time.Duration) bool {
	if now.Sub(d.last) > conflictWindow {
		d.since = now
	}
	d.last = now
	return now.Sub(d.since) >= settle
}

// refuted reports whether a challenge to this Lease was refuted before: then no other source counts beside it.
func (c *challenge) refuted(l Lease) bool {
	return c.holder == l.Holder && c.epoch == l.Epoch && c.epoch > 0
}

// met notes who advertises without the Lease.
func (c *challenge) met(now time.Time, from netip.Addr) { c.from, c.at = from, now }

// lately reports whether somebody who is not the holder of the Lease was heard a moment ago.
func (c *challenge) lately(now time.Time, interval time.Duration) bool {
	return !c.at.IsZero() && now.Sub(c.at) < 3*interval
}

// forgedBy raises the alarm, at most every reportEvery.
func (e *Election) forgedBy(from netip.Addr, why string) {
	if c := &e.challenge; c.raised.IsZero() || e.now.Sub(c.raised) >= reportEvery {
		c.forged, c.raised = from, e.now
		e.do(Alarm{Kind: Forged, Source: from, Detail: why})
	}
}

// challenged notes an advertisement that the Lease does not confirm, and reads the Lease.
func (e *Election) challenged(ev Received) {
	c := &e.challenge
	if c.since.IsZero() {
		c.since, c.before, c.downAt = e.now, e.heard, e.downAt
	}
	c.met(e.now, ev.Source)
	c.claims = ev.Advertisement.Priority
	if l := &e.arbiter.lease; c.bold.IsZero() && inClaim(c.claims) && newer(c.claims, claimPriority(l.Epoch)) {
		c.bold = e.now
	}
	e.readAfter()
}

// readAfter reads the Lease after a challenge: at once, and then at most every verifyEvery. Of each epoch the first reads do not wait for
// that, as the address may move twice in a short time: a holder that could not read again would hold beside the next one meanwhile.
func (e *Election) readAfter() {
	a, c := &e.arbiter, &e.challenge
	if c.beside != a.lease.Epoch {
		c.beside, c.reads = a.lease.Epoch, 0
	}
	if a.question == none && (c.reads < readsAtOnce || e.now.Sub(c.read) >= verifyEvery) {
		c.read, c.reads = e.now, c.reads+1
		e.do(a.ask(e.now)...)
	}
}

// counts reports whether an advertisement counts at all. Where the Lease can be read it says who advertises. A packet of another
// source counts until the Lease is read again: its holder may have changed. If that read does not confirm it, no other source
// counts beside this Lease. Where nobody renews the Lease, who advertises may serve without it: that counts while somebody
// answers at the addresses, or a probe finds that they are served (row 11).
func (e *Election) counts(ev Received) bool {
	a, c, l := &e.arbiter, &e.challenge, &e.arbiter.lease
	switch {
	case !e.cfg.arbitrates():
		return true
	case ev.Advertisement.Priority == vrrp.PriorityOwner:
		e.forgedBy(ev.Source, fmt.Sprintf("an advertisement from %s has priority 255, which nobody has beside a Lease", ev.Source))
		return false
	case e.state != Backup && e.state != Claiming && e.state != Conflict, !a.decides(e.now, e.state), !a.signedBefore():
		return true
	case ev.Source == l.Address && a.available(e.now) && e.witness.unanswered: // it may speak for a holder that is dead
		c.met(e.now, ev.Source)
		return false
	case ev.Source == l.Address:
		c.heard = e.now
		return true
	case ev.Source.Is6() != l.Address.Is6() && e.now.Sub(c.heard) < 3*e.heard.interval:
		return true // the other family of the holder that is heard
	}
	if a.available(e.now) {
		c.met(e.now, ev.Source)
		return !e.witness.unanswered
	}
	known := c.refuted(*l)
	e.challenged(ev)
	if known && c.doubts.persist(e.now, e.cfg.settle()) {
		e.forgedBy(ev.Source, fmt.Sprintf("an advertisement from %s does not count: %s renews the Lease, epoch %d", ev.Source, l.holderName(), l.Epoch))
	}
	return !known
}

// judgeChallenge judges a challenge by what was just read or written: a Backup goes on as if it had not heard what the Lease does
// not confirm.
func (e *Election) judgeChallenge() {
	a, c, l := &e.arbiter, &e.challenge, &e.arbiter.lease
	if c.since.IsZero() || a.asked.Before(c.since) || !a.signedBefore() {
		return
	}
	since, bold := c.since, !c.bold.IsZero() && !a.asked.Before(c.bold)
	c.since = time.Time{}
	if bold {
		c.bold = time.Time{}
	}
	if l.Address == c.from && !a.ours() {
		c.doubts = doubts{}
		return
	}
	c.holder, c.epoch = l.Holder, l.Epoch
	if persist := c.doubts.persist(e.now, e.cfg.settle()); bold || persist && a.ours() {
		e.forgedBy(c.from, fmt.Sprintf("an advertisement from %s does not count: the Lease, read after it, is that of %s, epoch %d", c.from, l.holderName(), l.Epoch))
	}
	if a.ours() {
		e.raiseEpoch()
		c.beaten = e.now
		e.resolves()
	}
	if e.state == Backup && !a.available(e.now) && c.heard.Before(since) && c.downAt.Before(e.downAt) {
		e.heard, e.downAt = c.before, c.downAt
	}
}

// contests is row 25 of a holder whose Lease was confirmed a moment ago: it yields to what a new read of the Lease shows, not to
// what is said on the wire. It reports whether it does not yield.
func (e *Election) contests(ev Received) bool {
	a, c, p := &e.arbiter, &e.challenge, &e.presence.conflict
	announces := p.peer.IsValid() && e.now.Sub(p.at) <= defiance
	unread := !c.since.IsZero() && e.now.Sub(c.since) >= max(e.cfg.AdvertisementInterval*9/10, AnswerTimeout)
	switch {
	case e.cfg.Mode != Hybrid, e.health.distress, !a.verified(e.now), a.unreachable(e.now, Active):
		return false
	case announces && (unread || p.peer == ev.Source && e.heard.defies(e.now, ev.Source)):
		return false // it has the addresses, too
	}
	e.challenged(ev)
	if c.beaten.IsZero() || e.now.Sub(c.beaten) >= verifyEvery {
		e.do(e.resolution.refuse()...)
		e.resolvesSoon()
	}
	if !e.resolution.cut {
		e.defend(assertTrain, defendEvery)
	}
	return true
}

// raiseEpoch is row 25 where a peer has the addresses, and a claim that is newer than that of the Lease, which was lost meanwhile
// or restored from a copy: a peer that cannot read it would never yield. The holder takes an epoch above that claim.
func (e *Election) raiseEpoch() {
	a, c, p := &e.arbiter, &e.challenge, &e.presence.conflict
	own := e.priority()
	if e.state != Active || !a.confirms() || p.peer != c.from || e.now.Sub(p.at) > defiance || e.now.Sub(c.raise) < raiseEvery ||
		!inClaim(own) || !inClaim(c.claims) || !newer(c.claims, own) {
		return
	}
	c.raise = e.now
	a.highest = max(a.highest, a.lease.Epoch+(int(c.claims)-int(own)+claims)%claims)
	e.do(a.bid(e.now, Active, asserting)...)
}

// oldClaim is row 26 of a claim older than the own one. A stale holder sends one, and yields to the answer: it is worth no read, which
// a newer claim may need.
func (e *Election) oldClaim(ev Received) {
	c := &e.challenge
	switch since := e.now.Sub(c.old); {
	case c.old.IsZero() || since > 3*time.Second:
		c.old = e.now
	case since >= e.cfg.AdvertisementInterval-e.cfg.AdvertisementInterval/10:
		e.challenged(ev)
	}
}

// lastForged returns the source of the last forged advertisement while that is recent.
func (c *challenge) lastForged(now time.Time) netip.Addr {
	if c.raised.IsZero() || now.Sub(c.raised) > forgedFor {
		return netip.Addr{}
	}
	return c.forged
}
