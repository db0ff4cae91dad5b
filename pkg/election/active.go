// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// becomeActive takes the addresses (RFC 9568, section 6.4.2): first the kernel, then the wire, then the neighbours. It ends
// rows 8, 12, 16, 17 and 20.
func (e *Election) becomeActive(reason string) {
	e.probe.drop()
	e.become(Active, reason)
	e.heard.interval, e.heard.rival = e.cfg.AdvertisementInterval, rival{}
	e.heard.hear()
	e.presence.conflict, e.predecessor.settled = conflict{}, true
	e.arbiter.seize.from = time.Time{}
	e.arbiter.next = e.now.Add(e.cfg.Lease.RenewInterval)
	e.challenge.since, e.witness.testimony = time.Time{}, nil
	e.reach.next = e.now.Add(e.cfg.reachEvery())
	if e.arbiter.claim.epoch == 0 {
		e.arbiter.next = e.now
	}
	e.do(Acquire{})
	e.do(e.resolution.answer()...)
	e.advertise()
	e.presence.refreshAt = e.now.Add(e.cfg.refreshEvery())
	e.do(e.presence.announce(e.now, train)...)
}

// advertise sends an advertisement with the priority of now.
func (e *Election) advertise() {
	e.do(Advertise{Priority: e.priority()})
	e.presence.advertises(e.now, e.cfg.AdvertisementInterval)
}

// activeTick is the timers of rows 21 and 22 (RFC 9568, section 6.4.3). A change of the own rank is advertised at once: the
// Backups are patient with a holder in distress from when they hear of it.
func (e *Election) activeTick(longer time.Duration) {
	p, c := &e.presence, &e.arbiter.claim
	if longer != 0 {
		p.advertiseAt = e.now
	}
	if e.due(e.arbiter.expiry()) {
		e.do(Release{})
		e.becomeBackup("the Lease could not be renewed: " + e.arbiter.failure)
		return
	}
	if c.preferred != "" && e.due(c.until) {
		c.preferred = ""
	}
	if e.due(p.refreshAt) || e.due(p.advertiseAt) {
		e.do(Refresh{})
	}
	if e.due(p.advertiseAt) {
		late := e.now.Sub(p.advertiseAt) > e.cfg.AdvertisementInterval
		e.advertise()
		if late { // another node may have announced meanwhile
			e.do(e.presence.announce(e.now, train)...)
		}
	}
	if e.due(p.refreshAt) {
		p.refreshAt = e.now.Add(e.cfg.refreshEvery())
	}
	if e.due(e.resolution.answerAt) {
		e.resolves()
	}
	if !e.resolution.refused {
		e.do(p.announceDue(e.now)...)
	}
}

// activeFence is row 21 of a holder that did not run for so long that a Backup has taken, or is about to take, the addresses
// (F4).
func (e *Election) activeFence() {
	interval := e.cfg.AdvertisementInterval
	if silent := e.now.Sub(e.presence.advertised); silent > 3*interval-interval/10 {
		e.do(Release{})
		e.becomeBackup(fmt.Sprintf("did not run for %s", silent.Round(time.Millisecond)))
	}
}

// activeReceived is rows 23 to 26 (RFC 9568, section 6.4.3). The loser advertises once more, so that the winner announces
// again after the loser's last announcement (F16).
func (e *Election) activeReceived(ev Received) {
	if e.resolution.refused && ev.Advertisement.Priority != vrrp.PriorityRelease {
		e.resolvesSoon()
	}
	switch adv := ev.Advertisement; {
	case adv.Priority == vrrp.PriorityRelease:
		if e.presence.answers(e.now) {
			e.advertise()
		}
	case e.outranked(ev) && !e.contests(ev):
		e.do(Advertise{Priority: e.priority()}, Release{})
		e.learn(adv.Interval)
		e.heard.accepted = e.now
		e.arbiter.known = e.arbiter.known && !inClaim(adv.Priority) // it is the other node's now
		e.becomeBackup(fmt.Sprintf("yielded to %s with priority %d", ev.Source, adv.Priority))
	case e.challenge.at.Equal(e.now): // it is contested
	default:
		if inClaim(adv.Priority) && e.cfg.Mode == Hybrid && e.arbiter.verified(e.now) {
			e.oldClaim(ev)
		}
		e.defend(assertTrain, defendEvery)
		e.do(e.arbiter.verify(e.now)...)
	}
}

// outranked reports whether the sender of an advertisement ranks above this node. Of two families, the first alone decides
// between equal priorities while it is heard: the order of the addresses may differ, and then both nodes would yield.
func (e *Election) outranked(ev Received) bool {
	own, priority := e.cfg.own(ev.Source), ev.Advertisement.Priority
	switch {
	case e.claimsMeet(ev.Source, priority) && priority != e.priority():
		return newer(priority, e.priority())
	case priority != e.priority():
		return priority > e.priority()
	case !own.IsValid(), own != e.cfg.Primary[0] && e.now.Sub(e.heard.first) < 3*e.heard.interval:
		return false
	}
	return own.Less(ev.Source)
}

// claimsMeet reports whether two claims are to be compared (row 24). A peer that does not yield to a newer claim knows nothing
// of claims, and is compared as VRRP does (F17).
func (e *Election) claimsMeet(from netip.Addr, priority uint8) bool {
	own := e.priority()
	if !e.cfg.arbitrates() || !inClaim(priority) || !inClaim(own) {
		return false
	}
	if !e.heard.defied(e.now, from, e.cfg.AdvertisementInterval) {
		return true
	}
	e.do(Alarm{Kind: ClaimIgnored, Detail: fmt.Sprintf("%s advertises priority %d and does not yield to the claim %d: is its configured priority above 239?", from, priority, own)})
	return false
}

// defend advertises and announces, at most once in every.
func (e *Election) defend(times []time.Duration, every time.Duration) {
	if e.presence.defends(e.now, every) {
		e.advertise()
		e.do(e.presence.announce(e.now, times)...)
	}
}

// activeClaimed is rows 27 and 28. A foreign host is defended against (RFC 5227, section 2.4), and so is a peer while the own
// claim is confirmed: that holder never yields to ARP.
func (e *Election) activeClaimed(ev AddressClaimed) {
	switch {
	case !ev.Peer.IsValid():
		e.do(e.presence.contested(e.now, ev, e.cfg.settle())...)
		e.defend(defenceTrain, defendForeign)
	case e.arbiter.verified(e.now):
		e.do(e.presence.contested(e.now, ev, e.cfg.settle())...)
		e.defend(defenceTrain, defendEvery)
		e.do(e.arbiter.verify(e.now)...)
	default:
		e.claimedByPeer(ev)
	}
}

// claimedByPeer is row 28: one of two peers yields, and both must come to the same result from what each knows. Where this node
// hears the peer, its own rank is known to be the higher one; then the peer yields, to our advertisements or by its patience.
func (e *Election) claimedByPeer(ev AddressClaimed) {
	claims, lower := e.presence.claimedByPeer(e.now), e.cfg.known(ev.Peer).Less(ev.Peer)
	if e.presence.mute(e.now, e.cfg.AdvertisementInterval) {
		claims = math.MaxInt // this node cannot say that it holds them
	}
	if claims >= patience(lower, e.arbiter.claim.epoch > 0, e.health.distress) && !e.heard.hears(e.now, ev.Peer) {
		e.do(Release{})
		e.becomeBackup(fmt.Sprintf("yielded %s to %s, which claims it", ev.Address, ev.Peer))
		return
	}
	e.do(e.presence.contested(e.now, ev, e.cfg.settle())...)
	e.defend(defenceTrain, defendEvery)
	e.do(e.arbiter.verify(e.now)...)
}

// activeLeased is rows 30 to 34: what a holder reads.
func (e *Election) activeLeased(to answer) {
	if to.outcome != Answered {
		return
	}
	a, l := &e.arbiter, e.arbiter.lease
	switch {
	case (to.asked == asserting || to.asked == claiming) && a.ours():
		a.claim.epoch = l.Epoch
		e.advertise()
	case a.claim.epoch > 0 && a.others() && l.Epoch > a.claim.epoch && !a.leaps():
		e.lostTo(l.reachable())
		e.do(Release{})
		e.becomeBackup(fmt.Sprintf("%s has taken the Lease, epoch %d", l.holderName(), l.Epoch))
	case e.health.distress, e.reach.alone() && e.cfg.Mode == Hybrid:
		if a.claim.epoch > 0 && !a.ours() {
			a.claim = claim{}
			e.advertise()
		}
	case a.confirms():
	case a.claim.epoch == 0 && a.others() && a.hurries(e.now) && l.Epoch > a.hurried.epoch:
		if a.mayComeToNothing(e.now) {
			return
		}
		e.do(Release{})
		e.becomeBackup(fmt.Sprintf("%s has claimed epoch %d meanwhile", l.holderName(), l.Epoch))
	case a.claim.epoch == 0 && a.others() && a.hurries(e.now) && !e.isolated():
		e.do(a.bid(e.now, Active, asserting)...)
	case a.claim.epoch > 0, a.available(e.now):
		e.do(a.bid(e.now, Active, asserting)...)
	case a.others() && e.now.Sub(a.renewed) < 2*e.cfg.Lease.RenewInterval:
		a.seize.from = e.now
		e.do(Release{})
		e.becomeBackup(fmt.Sprintf("%s renews the Lease, epoch %d", l.holderName(), l.Epoch))
		e.downAt = e.now.Add(retryRefused)
	}
}

// activeLost is row 35: somebody deleted the addresses. The fence has seen that this node is not late.
func (e *Election) activeLost(AddressLost) {
	e.do(Acquire{})
	e.do(e.presence.announce(e.now, train)...)
}

// activeLate is row 22: the kernel does not keep the addresses for this node.
func (e *Election) activeLate(AddressLate) {
	e.do(Alarm{Kind: AddressUnkeepable, Detail: "the virtual addresses could not be added, or were refreshed too late"}, Release{})
	e.becomeBackup("virtual addresses could not be kept")
}

// activeShutdown is row 36. A holder makes before it breaks: it advertises that it leaves, and serves until it hears its
// successor. (RFC 9568, section 6.4.3, stops serving at once.)
func (e *Election) activeShutdown(Shutdown) {
	e.leave = leave{until: e.now.Add(e.cfg.leaving()), releaseAt: e.now, epoch: e.arbiter.highest}
	e.become(Leaving, "planned stop")
	e.arbiter.giveUp(e.now)
	e.consult()
	e.leavingTick(0)
}

// activeHandover is row 37: a planned move to another node, without a stop of this one. A named successor is invited by the
// Lease; this node serves until it hears it.
func (e *Election) activeHandover(ev Handover) {
	switch a := &e.arbiter; {
	case ev.To == "":
		e.activeShutdown(Shutdown{})
		e.leave.stays = true
	case a.claim.epoch > 0:
		a.claim.preferred, a.claim.until = ev.To, e.now.Add(invitationTime)
		a.next = e.now
		e.consult()
	}
}
