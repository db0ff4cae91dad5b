// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Durations of the arbitration by the Lease that do not follow from the configuration.
const (
	answerTimeout       = 700 * time.Millisecond  // T: a question that takes longer has no answer
	readAge             = time.Second             // an older read is no ground for a claim
	verifyEvery         = 500 * time.Millisecond  // reads that the wire gives rise to
	readsOfCluster      = 1100 * time.Millisecond // all Backups together read no more often
	retryRefused        = 500 * time.Millisecond  // after another's Lease was found to be fresh
	unreachable         = 2                       // questions in a row without an answer
	renewals            = 3                       // of a holder that counts as confirmed, one of so many was written
	livelyReads         = 3 * time.Second         // between two reads that show a renewal of now
	distressAfterOutage = 4 * time.Second         // of the API, a holder in distress keeps the Lease
	abdicationFor       = 3                       // intervals for which a release on the wire stands for one of the Lease
)

// question is what was asked for the Lease and is not answered yet.
type question uint8

const (
	none      question = iota
	reading            // what is stored
	claiming           // write: this node is the holder, with a new epoch, and takes the addresses then
	seizing            // the same, from a holder whose Lease is fresh, but who serves nobody
	asserting          // the same, while this node has the addresses
	renewing           // write: this node is still the holder
	yielding           // write: nobody is
)

// arbiter is what this node knows of the Lease, and the question under way. One is under way at most.
type arbiter struct {
	lease    Lease
	known    bool      // the Lease was stored so when it was last asked for
	first    time.Time // when an answer first showed this version
	asked    time.Time // when the latest question was sent whose answer showed it
	lively   time.Time // when an answer showed that another renews it now
	highest  int       // of all epochs ever seen
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
}

// claim is what this node holds by the Lease.
type claim struct {
	epoch     int       // 0: nothing
	renewed   time.Time // when the last write was sent that confirmed it
	preferred string    // the node that is invited to take over
	until     time.Time // of the invitation
}

// arbitrates reports whether a Lease has a say at all.
func (e *Election) arbitrates() bool { return e.cfg.Mode != VRRP }

// leaseDone takes an answer.
func (e *Election) leaseDone(ev LeaseDone) {
	a := &e.arbiter
	asked := a.question
	a.question = none
	switch ev.Outcome {
	case Answered:
		a.answers(e.now)
		e.observe(asked, ev)
	case Refused:
		a.answers(e.now)
		a.known, a.next = false, e.now
	case Unanswered:
		a.since = time.Time{}
		a.failures++
		a.failedAt, a.failure = e.now, ev.Detail
	}
	if !e.started {
		return
	}
	e.answeredIn(asked, ev.Outcome)
	e.consult()
}

func (a *arbiter) answers(now time.Time) {
	if a.since.IsZero() {
		a.since = now
	}
	a.failures, a.answered = 0, now
}

// observe notes what is stored. That another renews its Lease is seen by two versions in two reads close to each other: of
// longer ago, a change says nothing of now.
func (e *Election) observe(asked question, ev LeaseDone) {
	a := &e.arbiter
	if !a.known || a.lease.Version != ev.Lease.Version {
		foreign := asked == reading && ev.Lease.Holder != "" && ev.Lease.Holder != e.cfg.Identity
		if foreign && a.known && a.lease.Holder == ev.Lease.Holder && ev.Sent.Sub(a.asked) < livelyReads {
			a.lively = e.now
		}
		a.first = e.now
	}
	if a.known && (a.lease.Epoch != ev.Lease.Epoch || a.lease.Holder != ev.Lease.Holder) {
		e.seize.from = time.Time{} // a new claimant has its own time to show itself
	}
	a.lease, a.known, a.asked = ev.Lease, true, ev.Sent
	a.highest = max(a.highest, ev.Lease.Epoch)
	if asked == claiming || asked == seizing || asked == asserting || asked == renewing {
		e.claim.renewed = ev.Sent
	}
}

// answeredIn goes on from an answer, in the state that it finds.
func (e *Election) answeredIn(asked question, o LeaseOutcome) {
	switch e.state {
	case Backup:
		e.backupRead(o)
	case Claiming:
		e.claimingRead(asked, o)
	case Seizing:
		e.seizingRead(o)
	case Active:
		e.activeRead(asked, o)
	case Leaving:
		e.leavingRead(asked, o)
	}
}

// consult asks what is due, unless a question is under way.
func (e *Election) consult() {
	a := &e.arbiter
	if !e.arbitrates() || !e.started || a.question != none || !e.due(a.next) {
		return
	}
	a.next = e.now.Add(e.consultEvery())
	switch {
	case !e.ours():
		e.askLease()
	case !e.entitled():
		e.write(yielding, Lease{Version: a.lease.Version, Epoch: a.lease.Epoch, Node: a.lease.Node, Address: a.lease.Address})
	case e.claim.epoch == a.lease.Epoch:
		e.write(renewing, e.signed(a.lease.Version, e.claim.epoch))
	default:
		e.askLease() // a write that was given up was carried out after all: Active claims again, over it
	}
}

// ours reports whether this process is the holder by what it knows.
func (e *Election) ours() bool {
	return e.arbiter.known && e.arbiter.lease.Holder == e.cfg.Identity
}

// entitled reports whether this node should be the holder: a Backup should not, and one in distress lets a healthy node have
// it. After an outage of the API the distress that came with it ends a moment later than the outage.
func (e *Election) entitled() bool {
	switch e.state {
	case Active, Seizing, Claiming:
		since := e.arbiter.since
		return !e.health.distress || since.IsZero() || e.now.Sub(since) < distressAfterOutage
	}
	return false
}

// confirms reports whether the Lease is this node's with the epoch that it claimed.
func (e *Election) confirms() bool {
	return e.ours() && e.claim.epoch > 0 && e.arbiter.lease.Epoch == e.claim.epoch
}

// verified reports whether the Lease was this node's a moment ago.
func (e *Election) verified() bool {
	return e.claim.epoch > 0 && e.now.Sub(e.claim.renewed) < renewals*e.cfg.Lease.RenewInterval
}

func (e *Election) askLease() {
	e.arbiter.question, e.arbiter.read = reading, e.now
	e.do(ReadLease{Timeout: answerTimeout})
}

func (e *Election) write(q question, l Lease) {
	e.arbiter.question = q
	e.arbiter.next = e.now.Add(e.consultEvery())
	e.do(WriteLease{Timeout: answerTimeout, Lease: l})
}

// signed is the Lease as this node writes it while it is the holder.
func (e *Election) signed(version string, epoch int) Lease {
	l := Lease{
		Version: version, Holder: e.cfg.Identity, Epoch: epoch,
		Node: e.cfg.Node, Priority: e.cfg.Priority, Preferred: e.claim.preferred,
	}
	if len(e.cfg.Primary) > 0 {
		l.Address = e.cfg.Primary[0]
	}
	return l
}

// bid writes a claim over what is stored, with an epoch that nobody had. Whoever stored something meanwhile makes it fail.
func (e *Election) bid(q question) {
	a := &e.arbiter
	e.write(q, e.signed(a.lease.Version, max(a.lease.Epoch, a.highest)+1))
}

// consultEvery is the time between two regular questions: a holder renews; others only look, and the fewer the more they are.
func (e *Election) consultEvery() time.Duration {
	switch e.state {
	case Active, Seizing, Leaving, Claiming:
		return e.cfg.Lease.RenewInterval
	}
	return max(2*e.cfg.Lease.RenewInterval, time.Duration(len(e.others()))*readsOfCluster)
}

// verify reads the Lease now: the wire has shown another that may hold it. The next renewal does not wait for that.
func (e *Election) verify() {
	a := &e.arbiter
	if e.arbitrates() && a.question == none && e.now.Sub(a.read) >= verifyEvery {
		e.askLease()
	}
}

// silent reports whether the API cannot be reached: two questions in a row had no answer, and the last one was recent.
func (e *Election) silent() bool {
	a := &e.arbiter
	return a.failures >= unreachable && e.now.Sub(a.failedAt) <= e.consultEvery()+answerTimeout
}

// fresh reports whether the last read tells of now.
func (a *arbiter) fresh(now time.Time) bool { return a.known && now.Sub(a.asked) <= readAge }

// available reports whether the Lease, as it was last read, may be claimed: there is none, it was released, it is an earlier
// process' of this node, or its holder does not renew it. The last is proved by two questions alone: an answer may be late, so
// that the time counts from the answer to the first question to the sending of the last.
func (e *Election) available() bool {
	a := &e.arbiter
	switch l := a.lease; {
	case l.Version == "", l.Holder == "":
		return true
	case e.sameNode(l.Holder):
		return true
	case e.abdicated(l):
		return true
	}
	return a.asked.Sub(a.first) >= e.cfg.Lease.StaleAfter
}

// sameNode reports whether a holder is a process of this node: an earlier one is dead, as one runs at a time.
func (e *Election) sameNode(holder string) bool {
	return strings.HasPrefix(holder, e.cfg.Node+"/")
}

// abdication is a release that was heard of a node that advertised a claim.
type abdication struct {
	from     netip.Addr
	priority uint8
	at       time.Time
}

// abdicated reports whether the holder of that epoch has said on the wire that it leaves. It counts for a short time: what
// was said of a Lease long ago says nothing of one that was rolled back to it.
func (e *Election) abdicated(l Lease) bool {
	d := e.abdication
	if d.at.IsZero() || d.priority != claimPriority(l.Epoch) {
		return false
	}
	return d.from == l.Address && e.now.Sub(d.at) <= abdicationFor*e.cfg.AdvertisementInterval
}

// holderName names the holder for people.
func (l Lease) holderName() string {
	if l.Node != "" {
		return l.Node
	}
	return l.Holder
}

// backupRead: what a Backup reads may invite it, or show that the silence on the wire is no silence of the holder.
func (e *Election) backupRead(o LeaseOutcome) {
	if o != Answered {
		return
	}
	e.suspect()
	switch {
	case e.invited():
		e.become(Claiming, fmt.Sprintf("preferred to %s", e.arbiter.lease.holderName()))
		e.arbiter.invited, e.arbiter.waiting = true, true
		e.bid(claiming)
	case e.cfg.Mode == LeaseOnly && e.available() && !e.health.distress:
		e.down()
	}
}

// suspicions are the times, in intervals of silence, at which the Lease is read to see whether the holder lives: far enough
// apart for a renewal.
var suspicions = []time.Duration{12, 23} // tenths

// suspectAt is when the next of these reads is due.
func (e *Election) suspectAt() time.Time {
	if e.cfg.Mode != Hybrid || e.heard.split || e.heard.accepted.IsZero() || e.arbiter.question != none {
		return time.Time{}
	}
	for _, tenths := range suspicions {
		if at := e.heard.accepted.Add(tenths * e.heard.interval / 10); e.arbiter.read.Before(at) {
			return at
		}
	}
	return time.Time{}
}

// suspect raises an alarm when the holder renews its Lease and is not heard.
func (e *Election) suspect() {
	a := &e.arbiter
	silence := e.now.Sub(e.heard.accepted)
	if e.heard.split || e.heard.accepted.IsZero() || silence < 2*e.heard.interval || !a.lively.Equal(e.now) {
		return
	}
	e.heard.split = true
	e.do(Alarm{Kind: SplitSuspected, Detail: fmt.Sprintf("no advertisement heard for %s, but %s renews its Lease: is protocol 112 filtered?",
		silence.Round(time.Millisecond), a.lease.holderName())})
}

// invited reports whether this node is to take over from a holder that serves: it is named by the holder, or it ranks higher
// and preempts. Nobody beats a claim by priority on the wire: who is better writes the next claim.
func (e *Election) invited() bool {
	a, l := &e.arbiter, e.arbiter.lease
	if !a.known || l.Holder == "" || e.sameNode(l.Holder) || e.health.distress || !e.linkUp {
		return false
	}
	if l.Preferred != "" {
		return l.Preferred == e.cfg.Node
	}
	return e.cfg.Preempt && !e.now.Before(e.preemptAt) && l.Priority > 0 && e.cfg.Priority > l.Priority && e.hearsClaim()
}

// hearsClaim reports whether a holder with a claim is heard.
func (e *Election) hearsClaim() bool {
	return inClaim(e.heard.priority) && !e.heard.at.IsZero() && e.now.Sub(e.heard.at) < 2*e.heard.interval
}

// leavingRead: a successor may show by the Lease alone.
func (e *Election) leavingRead(asked question, o LeaseOutcome) {
	a := &e.arbiter
	if o == Answered && asked == reading && a.lease.Holder != "" && !e.sameNode(a.lease.Holder) && a.lease.Epoch > e.leave.epoch && !e.leave.succeeded {
		e.leave.succeeded = true
		e.leave.until = e.now.Add(lingerByLease)
	}
}
