// SPDX-License-Identifier: Apache-2.0

package election

import "time"

// Resolve says whether this holder answers questions of address resolution (RFC 826; RFC 4861, section 7.2) for the virtual addresses.
// Packets for them are served either way: who knows the holder by its hardware address goes on. After the addresses were acquired it
// answers. Without a fence nothing changes.
type Resolve struct{ Answered bool }

// AddressAsked says that somebody has asked for a virtual address since such questions are not answered.
type AddressAsked struct{}

func (AddressAsked) event()         {}
func (AddressAsked) String() string { return "address asked for" }
func (Resolve) action()             {}
func (a Resolve) String() string {
	if a.Answered {
		return "resolve answered"
	}
	return "resolve refused"
}

// resolution is whether this holder answers who asks for the addresses. Rows 25, 34 and 36 use it.
type resolution struct {
	refused  bool
	cut      bool      // as it reached nobody
	answerAt time.Time // it answers again; zero: nobody knows when
}

// refuse has this holder answer nobody who asks for the addresses.
func (s *resolution) refuse() []Action {
	if s.refused {
		return nil
	}
	s.refused = true
	return []Action{Resolve{}}
}

// answer ends that.
func (s *resolution) answer() (did []Action) {
	if s.refused {
		did = []Action{Resolve{Answered: true}}
	}
	*s = resolution{}
	return did
}

// resolves has a holder answer again that has nobody beside it.
func (e *Election) resolves() {
	cut := e.resolution.cut
	e.do(e.resolution.answer()...)
	if cut { // it may have been on another side of the LAN
		e.do(e.presence.announce(e.now, assertTrain)...)
	}
}

// resolvesSoon has it answer when another holder must have been heard, which advertises in every interval.
func (e *Election) resolvesSoon() {
	e.resolution.answerAt = e.now.Add(e.cfg.AdvertisementInterval * 3 / 2)
}

// doubts is row 34 of a holder that reaches nobody any more. Others may have the addresses when frames pass again, before it can hear
// them.
func (e *Election) doubts(ev PeersDone) {
	r, s := &e.reach, &e.resolution
	switch {
	case ev.CouldNotAsk || !r.ever:
	case r.silent == doubtAfter-1: // it may be an accident
		e.do(r.ask(e.now, e.cfg.reachEvery(), min(5*e.cfg.AdvertisementInterval, LongestProbe))...)
	case r.silent == doubtAfter:
		s.cut, s.answerAt = true, time.Time{}
		e.do(s.refuse()...)
	case r.silent == 0 && s.cut && s.answerAt.IsZero():
		e.resolvesSoon()
	}
}

// addressAsked shows that frames pass to a holder that reaches nobody: the peers may be dead.
func (e *Election) addressAsked() {
	if s := &e.resolution; s.cut && s.answerAt.IsZero() {
		e.resolvesSoon()
	}
}
