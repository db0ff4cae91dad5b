// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// becomeActive takes the addresses (RFC 9568, section 6.4.2): first the kernel, then the wire, then the neighbours.
func (e *Election) becomeActive(reason string) {
	e.probe.drop()
	e.become(Active, reason)
	e.heard.interval, e.heard.split = e.cfg.AdvertisementInterval, false
	e.conflict, e.rival, e.seize.from = conflict{}, rival{}, time.Time{}
	e.arbiter.next = e.now.Add(e.cfg.Lease.RenewInterval)
	if e.claim.epoch == 0 {
		e.arbiter.next = e.now
	}
	e.do(Acquire{})
	e.advertise()
	e.refreshAt = e.now.Add(e.refreshEvery())
	e.announce(train)
}

// refreshEvery leaves two refreshes to be missed before the addresses expire.
func (e *Election) refreshEvery() time.Duration {
	return RefreshInterval(e.cfg.AdvertisementInterval, e.cfg.Lifetime)
}

// advertise keeps the refreshes in step: how long a kernel may keep the addresses of a dead holder counts from its last
// advertisement.
func (e *Election) advertise() {
	e.do(Advertise{Priority: e.priority()})
	e.advertised, e.advertiseAt = e.now, e.now.Add(e.cfg.AdvertisementInterval)
	e.refreshAt = e.now
}

// announce starts a train of announcements, whose first goes now.
func (e *Election) announce(times []time.Duration) {
	e.train = announcements{from: e.now, times: times, next: e.now}
	e.tickTrain()
}

// tickTrain sends the announcement that is due. The neighbours' caches are filled by whoever spoke last: the train and
// its repetition make it the holder.
func (e *Election) tickTrain() {
	if !e.due(e.train.next) {
		return
	}
	e.do(Announce{})
	t := &e.train
	for len(t.times) > 0 && !e.now.Before(t.from.Add(t.times[0])) {
		t.times = t.times[1:]
	}
	if len(t.times) > 0 {
		t.next = t.from.Add(t.times[0])
	} else {
		t.next = e.now.Add(announceEvery)
	}
}

// tickActive implements the timers of RFC 9568, section 6.4.3, and those of the kernel and the neighbours.
func (e *Election) tickActive() {
	if e.due(e.expiry()) {
		e.do(Release{})
		e.becomeBackup("the Lease could not be renewed: " + e.arbiter.failure)
		return
	}
	if e.claim.preferred != "" && e.due(e.claim.until) {
		e.claim.preferred = ""
	}
	if e.due(e.refreshAt) || e.due(e.advertiseAt) {
		e.do(Refresh{})
	}
	if e.due(e.advertiseAt) {
		late := e.now.Sub(e.advertiseAt) > e.cfg.AdvertisementInterval
		e.advertise()
		if late { // another node may have spoken meanwhile
			e.announce(train)
		}
	}
	if e.due(e.refreshAt) {
		e.refreshAt = e.now.Add(e.refreshEvery())
	}
	e.tickTrain()
}

// expiry is when a holder whose Lease was not renewed gives up, in mode LeaseOnly: before another may claim it.
func (e *Election) expiry() time.Time {
	if e.cfg.Mode != LeaseOnly {
		return time.Time{}
	}
	return e.claim.renewed.Add(e.cfg.Lease.Duration * 2 / 3)
}

// fence steps down a holder that did not run for so long that a Backup has taken, or is about to take, the addresses. It
// comes before every event: what a thawed process believes of the wire is old.
func (e *Election) fence() {
	interval := e.cfg.AdvertisementInterval
	switch silent, unkept := e.now.Sub(e.advertised), e.now.Sub(e.refreshAt); {
	case e.state == Active && silent > 3*interval-interval/10:
		e.do(Release{})
		e.becomeBackup(fmt.Sprintf("did not run for %s", silent.Round(time.Millisecond)))
	case e.state == Leaving && unkept > e.cfg.Lifetime:
		e.left(fmt.Sprintf("did not run for %s", unkept.Round(time.Millisecond)))
	case e.state == Seizing && !e.verified():
		e.becomeBackup("the seized Lease could not be renewed")
	}
}

// receivedActive implements RFC 9568, section 6.4.3, for advertisements. Who loses says so once more, so that the winner
// announces again after the loser's last word.
func (e *Election) receivedActive(ev Received) {
	switch adv := ev.Advertisement; {
	case adv.Priority == vrrp.PriorityRelease:
		e.advertise()
	case e.outranked(ev):
		e.do(Advertise{Priority: e.priority()}, Release{})
		e.learn(adv.Interval)
		e.heard.accepted = e.now
		e.arbiter.known = e.arbiter.known && !inClaim(adv.Priority) // it is the other's now
		e.becomeBackup(fmt.Sprintf("yielded to %s with priority %d", ev.Source, adv.Priority))
	default:
		e.defend(assertTrain, defendEvery)
		e.verify()
	}
}

// outranked reports whether the sender of an advertisement goes before this node. Of two families, the first alone decides
// between equal priorities while it is heard: the order of the addresses may differ, and then both nodes would yield.
func (e *Election) outranked(ev Received) bool {
	own, priority := e.own(ev.Source), ev.Advertisement.Priority
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

// rival is a peer that advertises an older claim and does not give way.
type rival struct {
	from  netip.Addr
	since time.Time
	last  time.Time
}

// claimsMeet reports whether two claims are to be compared. One that stays beside a newer one for long is none: a router that
// knows nothing of claims has that priority, and is met as VRRP says.
func (e *Election) claimsMeet(from netip.Addr, priority uint8) bool {
	own := e.priority()
	if !e.arbitrates() || !inClaim(priority) || !inClaim(own) {
		return false
	}
	r := &e.rival
	if r.from != from || e.now.Sub(r.last) > 3*e.cfg.AdvertisementInterval {
		*r = rival{from: from, since: e.now}
	}
	r.last = e.now
	if e.now.Sub(r.since) < defiance {
		return true
	}
	e.do(Alarm{Kind: ClaimIgnored, Detail: fmt.Sprintf("%s advertises priority %d beside the claim %d: is its configured priority above 239?", from, priority, own)})
	return false
}

// conflict is what others claim while this node holds the addresses, and who holds them in state Conflict.
type conflict struct {
	with     string
	owner    string     // its hardware address
	peer     netip.Addr // its address, where it is a peer
	at       time.Time  // of the last claim
	defended time.Time
	from     time.Time // of the first claim of a peer that counts
	claims   int
}

// defend advertises and announces, at most once in every.
func (e *Election) defend(times []time.Duration, every time.Duration) {
	if !e.conflict.defended.IsZero() && e.now.Sub(e.conflict.defended) < every {
		return
	}
	e.conflict.defended = e.now
	e.advertise()
	e.announce(times)
}

// claimed is the second channel: where protocol 112 is filtered and ARP is not, two holders learn of each other by it, and
// a leaving one of its successor. A foreign host is defended against (RFC 5227, section 2.4).
func (e *Election) claimed(ev AddressClaimed) {
	switch {
	case e.state == Leaving && ev.Peer.IsValid():
		e.succeeded()
	case e.state != Active:
	case ev.Peer.IsValid() && e.verified(): // who holds the Lease never yields to ARP
		e.contest(ev)
		e.defend(defenceTrain, defendEvery)
		e.verify()
	case ev.Peer.IsValid():
		e.claimedByPeer(ev)
	default:
		e.contest(ev)
		e.defend(defenceTrain, defendForeign)
	}
}

// contest tells of another that claims what this node holds.
func (e *Election) contest(ev AddressClaimed) {
	who := "a foreign host, " + ev.Owner + ","
	if ev.Peer.IsValid() {
		who = ev.Peer.String()
	}
	c := &e.conflict
	c.with, c.owner, c.peer, c.at = fmt.Sprintf("%s claims %s", who, ev.Address), ev.Owner, ev.Peer, e.now
	e.do(Alarm{Kind: AddressConflict, Detail: c.with, Owner: ev.Owner})
}

// claimedByPeer makes one of two peers yield, and both must come to the same result from what each knows. Where this node
// hears the peer, its own rank is known to be the higher one; then the peer yields, to our advertisements or by its patience.
func (e *Election) claimedByPeer(ev AddressClaimed) {
	c := &e.conflict
	if e.now.Sub(c.from) > conflictWindow {
		c.from, c.claims = e.now, 0
	}
	c.claims++
	if c.claims >= e.patience(ev.Peer) && !e.hears(ev.Peer) {
		e.do(Release{})
		e.becomeBackup(fmt.Sprintf("yielded %s to %s, which claims it", ev.Address, ev.Peer))
		return
	}
	if c.claims > 1 { // the first may be that of a preempting peer, before its advertisement
		e.contest(ev)
	}
	e.defend(defenceTrain, defendEvery)
	e.verify()
}

func (e *Election) hears(peer netip.Addr) bool {
	return e.heard.holder == peer && e.now.Sub(e.heard.at) < 3*e.heard.interval
}

// patience is how many claims of a peer a holder bears. Whether the other is in distress is not known, so each bears as
// many as its own state and rank allow: whatever the two states are, one of them has less patience.
func (e *Election) patience(peer netip.Addr) int {
	lower := e.own(peer).Less(peer)
	switch {
	case e.claim.epoch > 0 && !e.health.distress && lower:
		return 4
	case e.claim.epoch > 0 && !e.health.distress:
		return 5
	case lower && e.health.distress:
		return 1
	case e.health.distress:
		return 2
	case lower:
		return 3
	}
	return 8
}

// addressLost: somebody deleted what this node holds. The fence has seen that it is not late.
func (e *Election) addressLost() {
	switch e.state {
	case Active:
		e.do(Acquire{})
		e.announce(train)
	case Leaving:
		e.do(Acquire{})
	}
}

// addressLate: the kernel does not keep the addresses for this node.
func (e *Election) addressLate() {
	switch e.state {
	case Active:
		e.do(Alarm{Kind: AddressUnkeepable, Detail: "the virtual addresses could not be added, or were refreshed too late"}, Release{})
		e.becomeBackup("virtual addresses could not be kept")
	case Leaving:
		e.left("virtual addresses could not be kept")
	}
}

// shutdown begins the planned stop. A holder makes before it breaks: it says that it leaves, and serves until it hears its
// successor. (RFC 9568, section 6.4.3, stops serving at once.)
func (e *Election) shutdown() {
	switch {
	case e.state == Leaving:
	case e.state != Active:
		e.finish("stopped")
	default:
		bound := vrrp.ActiveDownInterval(e.cfg.Version, lowestPriority, e.cfg.AdvertisementInterval) + leaveSlack
		e.leave = leave{until: e.now.Add(bound), releaseAt: e.now, epoch: e.arbiter.highest}
		e.become(Leaving, "planned stop")
		e.giveUp()
		e.consult()
		e.tickLeaving()
	}
}

// handover begins a planned move to another node, without a stop of this one. A named successor is invited by the Lease; this
// node serves until it hears it.
func (e *Election) handover(ev Handover) {
	switch {
	case e.state != Active:
	case ev.To == "":
		e.shutdown()
		if e.state == Leaving {
			e.leave.stays = true
		}
	case e.claim.epoch > 0:
		e.claim.preferred, e.claim.until = ev.To, e.now.Add(invitationTime)
		e.arbiter.next = e.now
		e.consult()
	}
}

func (e *Election) tickLeaving() {
	switch l := &e.leave; {
	case e.due(l.until) && l.succeeded:
		e.left("successor took over")
		return
	case e.due(l.until) && l.stays:
		e.becomeActive("no successor was heard")
		return
	case e.due(l.until):
		e.left("no successor was heard")
		return
	case e.due(l.releaseAt):
		e.do(Advertise{Priority: vrrp.PriorityRelease})
		l.releases++
		l.releaseAt = time.Time{}
		if l.releases < releasesOfLeaving { // one may be lost
			l.releaseAt = e.now.Add(secondRelease)
		}
	}
	if e.due(e.refreshAt) {
		e.do(Refresh{})
		e.refreshAt = e.now.Add(e.refreshEvery())
	}
}

// succeeded: the first word of a successor, advertised or announced, begins the end. It may still have to add the addresses.
func (e *Election) succeeded() {
	if !e.leave.succeeded {
		e.leave.succeeded = true
		e.leave.until = e.now.Add(linger)
	}
}

// left ends a planned stop, or the handover of a node that stays.
func (e *Election) left(reason string) {
	if !e.leave.stays {
		e.finish(reason)
		return
	}
	e.do(Release{})
	e.becomeBackup("handed over: " + reason)
	e.preemptAt = e.now.Add(max(e.cfg.PreemptDelay, handoverHold))
}

// finish ends the election.
func (e *Election) finish(reason string) {
	e.do(Release{})
	e.becomeInitialize(reason)
	e.started = false
	e.do(Finished{})
}
