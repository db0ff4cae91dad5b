// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// silence is what the questions of one silence of the holder have shown: that the virtual address answered nobody, however often it
// was asked. With the proof that this node is of a majority it takes the place of the age of the Lease. Rows 15 to 17 decide by it.
type silence struct {
	from       time.Time // when the asking began; zero: it did not
	epoch      int       // the highest that was known then, and whose claim nobody waits for any more
	count      int       // questions by ARP or neighbour discovery in a row that found nobody
	at         time.Time // when the last of them was over
	tried      int       // questions to neighbours that live, and how many they answered
	answered   int
	waits      time.Time // since when a takeover waits for the Lease; zero: it does not
	due        time.Time // a takeover that the Lease does not answer waits until then; zero: it waits for the answer
	waitsReach bool      // the takeover waits for the answer of the peers
}

// hurried is a takeover that did not wait for the Lease any longer.
type hurried struct {
	at      time.Time
	epoch   int       // of the Lease beside which it was
	late    int       // a newer epoch that another node was seen with since
	claimed time.Time // when it was first seen
}

// hurries reports whether such a takeover was a moment ago.
func (a *arbiter) hurries(now time.Time) bool {
	return !a.hurried.at.IsZero() && now.Sub(a.hurried.at) <= hurriedFor
}

// mayComeToNothing reports whether the newer claim that was read may be one of a node that has given way to this one meanwhile, as it heard
// it: the answer to its claim came late, and it releases the Lease. If it serves it is heard. It is read again before it counts.
func (a *arbiter) mayComeToNothing(now time.Time) bool {
	h, patience := &a.hurried, max(a.cfg.AdvertisementInterval, leastPatience)
	if h.late != a.lease.Epoch {
		h.late, h.claimed = a.lease.Epoch, now
	}
	if a.asked.Sub(h.claimed) >= patience {
		return false
	}
	a.next = h.claimed.Add(patience)
	return true
}

// beginAsking begins the questions of a silence, unless they have begun.
func (e *Election) beginAsking() {
	if s := &e.probe.silence; s.from.IsZero() {
		*s = silence{from: e.now, epoch: e.arbiter.settled(e.now)}
	}
}

// note counts the questions of a probe. A reaction, or the answer of a peer, ends the row.
func (s *silence) note(now time.Time, asks int, ev ProbeDone) {
	s.tried, s.answered = s.tried+ev.Asked, s.answered+ev.Heard
	if ev.Evidence().reaction() || ev.Neighbour == CouldNotAsk || ev.Neighbour == Answers && ev.Peer.IsValid() {
		s.count, s.at = 0, time.Time{}
		return
	}
	s.count, s.at = s.count+asks, now
}

// need returns how many questions it takes until silence is no accident of lost frames: a question and its answer get lost with a
// probability that neighbours who live show, or, where there are few of them, the advertisements that do not arrive.
func (s *silence) need(loss float64) int {
	q := 1 - (1-loss)*(1-loss)
	if s.tried > 0 {
		now := 1 - float64(s.answered)/float64(s.tried)
		if q = max(q, now); s.tried >= measuredAsks {
			q = now // what is asked now shows what is lost now
		}
	}
	if q <= 0 {
		return fewestAsks
	}
	if q >= 1 {
		return mostAsks
	}
	return min(max(int(math.Ceil(math.Log(accident)/math.Log(q))), fewestAsks), mostAsks)
}

// String says it in words.
func (s *silence) String() string {
	return fmt.Sprintf("%d questions", s.count)
}

// asksOn is row 12 of an address that was not asked often enough for the frames that are lost. It reports whether it asks on.
func (e *Election) asksOn(a ProbeDone) bool {
	s := &e.probe.silence
	missing := s.need(e.heard.loss) - s.count
	if missing <= 0 || s.count == 0 || a.Evidence().reaction() {
		return false // enough, or nothing that more questions would show
	}
	asks := min(missing, asksAtOnce)
	e.become(Claiming, fmt.Sprintf("no advertisement heard, %s of %d, as frames are lost", s, s.count+missing))
	e.askOften(time.Duration(asks)*min(longestAskStep, e.heard.interval/10)+min(answerSlack, e.heard.interval/5), asks)
	return true
}

// silent reports whether the virtual address was found silent a moment ago, by enough questions.
func (e *Election) silent() bool {
	s, limit := &e.probe.silence, max(min(2*e.heard.interval, oldestSilence), youngestSilence)
	return !s.at.IsZero() && e.now.Sub(s.at) <= limit && s.count >= s.need(e.heard.loss) && e.free()
}

// proven reports whether this node may take the addresses beside a fresh Lease (row 15): the address is silent, and this node, which
// asked in this silence, is of a majority, none of whom hears the holder.
func (e *Election) proven() bool {
	return e.mayProve() && e.reachedInSilence() && !e.isolated() && !e.vetoed()
}

// mayProve reports whether all is proved but who is reached.
func (e *Election) mayProve() bool {
	return e.cfg.Mode == Hybrid && len(e.cfg.others()) > 0 && !e.heard.preemptable(e.now) && e.silent()
}

// reachedInSilence reports whether this node was of a majority before it began to ask for the address, and ever since, and whether the
// peers were last asked when a holder that lives would have been heard by them.
func (e *Election) reachedInSilence() bool {
	r := &e.reach
	return r.fresh(e.now) && !r.at.Before(e.heard.sign.Add(unheardAfter*e.heard.interval)) &&
		!r.broken && !r.proved.IsZero() && !r.proved.After(e.probe.silence.from)
}

// readInSilence reports whether the Lease was read since the holder should have been heard.
func (e *Election) readInSilence() bool {
	a := &e.arbiter
	return e.cfg.Mode == Hybrid && a.known && len(e.cfg.others()) > 0 && a.asked.After(e.heard.sign.Add(e.heard.interval)) && a.fresh(e.now)
}

// takeFresh is row 15: another node keeps its Lease fresh.
func (e *Election) takeFresh(reason string) {
	switch a := &e.arbiter; {
	case e.proven() && e.overtaken():
		e.becomeBackup(fmt.Sprintf("%s has claimed epoch %d meanwhile", a.lease.holderName(), a.lease.Epoch))
	case e.proven() && !e.health.distress:
		e.become(Claiming, fmt.Sprintf("virtual address silent, %s, Lease of %s taken over fresh", &e.probe.silence, a.lease.holderName()))
		e.patient()
		e.do(a.bid(e.now, e.state, claiming)...)
	case e.awaits():
		e.become(Claiming, reason)
	default:
		e.refuse()
	}
}

// unproven reports whether a takeover waits for the Lease, and lacks nothing but the proof of the peers to go on without its answer: one of
// them may have heard the holder a moment later than this node.
func (e *Election) unproven() bool {
	return e.arbiter.waiting && e.probe.silence.due.IsZero() && e.mayProve() && !e.reach.broken
}

// awaits reports whether the takeover waits for the answer of the peers, which may prove it.
func (e *Election) awaits() bool {
	s := &e.probe.silence
	s.waitsReach = e.reach.outstanding && !e.reach.broken && e.mayProve()
	return s.waitsReach
}

// claimingReached goes on with what waited for the proof.
func (e *Election) claimingReached(PeersDone) {
	switch s := &e.probe.silence; {
	case e.arbiter.waiting:
		e.patient()
	case s.waitsReach:
		s.waitsReach = false
		e.down()
	}
}

// overtaken reports whether another node has claimed the Lease since the asking began: what was found is of the holder before. The claim
// of the holder that fell silent may just not have been read before.
func (e *Election) overtaken() bool {
	a := &e.arbiter
	return a.others() && a.lease.Epoch > e.probe.silence.epoch && claimPriority(a.lease.Epoch) != e.heard.priority
}

// patient bounds the wait for the Lease of a takeover that is proved (row 17). A read that was sent before has been waited for already, but
// half of the time is left to another node whose API answers.
func (e *Election) patient() {
	if !e.proven() {
		return
	}
	s, a, patience := &e.probe.silence, &e.arbiter, max(e.cfg.AdvertisementInterval/2, leastPatience)
	if s.waits.IsZero() {
		s.waits = e.now
	}
	s.due = s.waits.Add(patience)
	if a.question == reading && a.read.Before(s.waits) {
		s.due = s.due.Add(-min(s.waits.Sub(a.read), patience/2))
	}
}

// hurry takes the addresses although the Lease has not answered. The answer decides when it comes: row 31.
func (e *Election) hurry() {
	a, s := &e.arbiter, &e.probe.silence
	s.waits, s.due = time.Time{}, time.Time{}
	if !e.proven() || a.known && e.overtaken() {
		return // the answer decides
	}
	if c := &e.challenge; c.at.After(s.from) && c.from != a.lease.Address && slices.Contains(e.cfg.Peers, c.from) {
		e.becomeBackup(fmt.Sprintf("%s advertises, no answer of the API yet", c.from)) // where the Lease says nothing, the wire decides
		return
	}
	a.hurried = hurried{at: e.now}
	if a.known {
		a.hurried.epoch = a.lease.Epoch
	} else {
		a.hurried.epoch = s.epoch
	}
	e.becomeActive(fmt.Sprintf("virtual address silent, %s, no answer of the API yet", s))
}
