// SPDX-License-Identifier: Apache-2.0

// Package session decides what the balancer does with one connection of a client: which dials it makes, when another backend takes
// over, what it passes on, and why it ends. A Session is a pure state machine: events in, actions out. It moves no bytes, knows no
// socket and reads no clock. It holds no pointer, so that thousands of them are nothing to scan for a collector.
package session

import (
	"math/bits"
	"time"
)

// MostDials is how many dials of one connection are under way at the same time, at most.
const MostDials = 4

// Timing is how long a Session waits. Its times, as all in this package, are durations since a moment that the caller has chosen;
// they are above zero.
type Timing struct {
	Connect    time.Duration // for one backend to accept
	HalfClosed time.Duration // of silence after one side has finished; 0: for ever
}

// The parts of Timing.Connect after which something is done.
const (
	// attemptDelay is that after which the next backend is dialled in parallel. With the default of a second these are the 250 ms of
	// RFC 8305, section 5.
	attemptDelay = 4
	// silenceDelay is that after which a backend should have answered a client: a kernel accepts connections to a process that
	// hangs, and an apiserver answers the first bytes of TLS at once.
	silenceDelay = 2
	// tooLate is how many times its timeout a dial takes whose process did not run meanwhile.
	tooLate = 2
)

// AttemptDelay returns after how long without an answer to a dial the next backend is dialled as well.
func (t Timing) AttemptDelay() time.Duration { return t.Connect / attemptDelay }

// SilenceDelay returns after how long without an answer to the first bytes of a client a backend is doubted.
func (t Timing) SilenceDelay() time.Duration { return t.Connect / silenceDelay }

// phase is how far a session is.
type phase uint8

const (
	connecting phase = iota // no backend has accepted yet
	opening                 // another backend may still take the connection
	moving                  // the backend failed during the opening, and another one is dialled
	bound                   // the backend is the only one that it can have
	ended
)

// The sides of a session.
const (
	client  = 1 << iota // has finished
	backend             // has finished
	both    = client | backend
)

// Session is what is known of one connection. The zero value is one that was accepted a moment ago.
type Session struct {
	phase    phase
	running  uint8 // the dials under way, a bit of each
	newest   int8  // of the dials
	finished uint8 // the sides that have
	asked    bool  // the client has sent something
	question bool  // to which the backend should answer
	answered bool  // the backend has
	moved    bool  // another backend has taken it over, or was to
	why      Cause // of the failure of the backend before

	began   [MostDials]time.Duration
	hedge   time.Duration // when to look after the newest dial; 0: never
	doubt   time.Duration // when the silence of the backend shows something; 0: never
	silence time.Duration // when the silence of a session of which one side has finished is too long; 0: never
}

// Relays reports whether bytes may flow.
func (s *Session) Relays() bool { return s.phase == opening || s.phase == bound }

// Whole reports whether bytes may flow both ways.
func (s *Session) Whole() bool { return s.Relays() && s.finished == 0 }

// Opens reports whether another backend may still take the connection: what the client sends is kept until then.
func (s *Session) Opens() bool { return s.phase == opening }

// Keeps reports whether what the client has sent may still be needed.
func (s *Session) Keeps() bool { return s.phase == opening || s.phase == moving }

// Heeds reports whether ClientSent or BackendSent would change anything. Most of what is sent does not.
func (s *Session) Heeds(k EventKind) bool {
	return s.finished != 0 || s.phase == opening || k == ClientSent && !s.question || k == BackendSent && !s.answered
}

// Silent reports whether the client has not sent anything yet.
func (s *Session) Silent() bool { return !s.asked }

// Moved reports whether another backend has taken it over, or was to.
func (s *Session) Moved() bool { return s.moved }

// Late reports whether a dial took so long that its timeout shows nothing: the process did not run meanwhile.
func (s *Session) Late(now time.Duration, dial int, t Timing) bool {
	return s.Took(now, dial) > tooLate*t.Connect
}

// Took returns for how long a dial has been under way.
func (s *Session) Took(now time.Duration, dial int) time.Duration { return now - s.began[dial] }

// Free returns a number for a new dial, and false where there are MostDials already.
func (s *Session) Free() (int, bool) {
	dial := bits.TrailingZeros8(^s.running)
	return dial, dial < MostDials
}

// Deadline returns when Due has something to do; 0 means never.
func (s *Session) Deadline(t Timing) time.Duration {
	var first time.Duration
	earlier := func(d time.Duration) {
		if d > 0 && (first == 0 || d < first) {
			first = d
		}
	}
	earlier(s.hedge)
	earlier(s.doubt)
	earlier(s.silence)
	for dial := range MostDials {
		if s.running>>dial&1 == 1 {
			earlier(s.began[dial] + t.Connect)
		}
	}
	return first
}

// Step takes an event and appends what is to be done to actions. After Close, Reset or Refuse nothing is left to do.
func (s *Session) Step(now time.Duration, t Timing, e Event, actions []Action) []Action {
	if s.phase == ended {
		return actions
	}
	switch e.Kind {
	case Accepted:
		return append(actions, Action{Do: Dial})
	case Dialling:
		s.running, s.newest, s.began[e.Dial] = s.running|1<<e.Dial, int8(e.Dial), now
		s.hedge = now + t.AttemptDelay()
	case NoneLeft:
		return s.noneLeft(now, t, e.Cause, actions)
	case DialFailed:
		s.running &^= 1 << e.Dial
		return append(actions, Action{Do: Dial})
	case DialUnanswered:
		if s.running>>e.Dial&1 == 1 && e.Dial == int(s.newest) {
			return append(actions, Action{Do: Dial})
		}
	case DialAccepted:
		return s.accepted(now, t, e.Dial, actions)
	case ClientSent:
		s.sent(now, t, e)
	case BackendSent:
		s.answered, s.doubt = true, 0
		s.bind()
		s.alive(now, t)
	case ClientFinished:
		s.bind()
		return s.finish(now, t, client, actions)
	case BackendFinished:
		if s.phase == opening && s.asked && !s.moved {
			return s.move(Finished, append(actions, Action{Do: Doubt, Cause: Finished}))
		}
		s.bind()
		return s.finish(now, t, backend, actions)
	case ClientFailed:
		return s.reset(ClientBroke, actions)
	case BackendFailed:
		return s.failed(e.Cause, actions)
	case Ended:
		return s.end(e.Cause, actions)
	case Due:
		return s.due(now, t, actions)
	}
	return actions
}

// bind makes the backend the only one that the connection can have.
func (s *Session) bind() {
	if s.phase == opening {
		s.phase = bound
	}
}

// sent notes that the client has sent something. A backend need not answer a part of a ClientHello.
func (s *Session) sent(now time.Duration, t Timing, e Event) {
	if s.asked = true; !s.question && !e.Part {
		s.question = true
		if !s.answered {
			s.doubt = now + t.SilenceDelay()
		}
	}
	if e.Over {
		s.bind()
	}
	s.alive(now, t)
}

// alive begins the silence anew.
func (s *Session) alive(now time.Duration, t Timing) {
	if s.finished != 0 && t.HalfClosed > 0 {
		s.silence = now + t.HalfClosed
	}
}

// accepted makes the connection of a dial that of the session, and gives up the other dials.
func (s *Session) accepted(now time.Duration, t Timing, dial int, actions []Action) []Action {
	s.running &^= 1 << dial
	actions = append(actions, Action{Do: Use, Dial: dial})
	if s.running != 0 {
		actions = append(actions, Action{Do: GiveUp})
	}
	s.running, s.hedge = 0, 0
	if s.phase == moving {
		s.phase = bound
		if s.question {
			s.doubt = now + t.SilenceDelay()
		}
		if s.asked {
			actions = append(actions, Action{Do: Resend})
		}
		return actions
	}
	s.phase = opening
	return actions
}

// failed is the failure of the backend, or that it was found dead. During the opening another one takes the connection.
func (s *Session) failed(why Cause, actions []Action) []Action {
	switch {
	case s.phase == moving:
		return actions // it is replaced
	case s.phase == opening && !s.moved:
		if why != BackendDown && why != Maintenance { // those are known already
			actions = append(actions, Action{Do: Doubt, Cause: why})
		}
		return s.move(why, actions)
	}
	return s.reset(why, actions)
}

// move begins to look for another backend.
func (s *Session) move(why Cause, actions []Action) []Action {
	s.phase, s.moved, s.why, s.doubt = moving, true, why, 0
	return append(actions, Action{Do: Dial})
}

// noneLeft is that there is no other backend to dial. Where one has failed before, its failure is passed on.
func (s *Session) noneLeft(now time.Duration, t Timing, why Cause, actions []Action) []Action {
	switch {
	case s.running != 0:
		s.hedge = 0
		return actions
	case s.phase == connecting:
		s.phase = ended
		return append(actions, Action{Do: Refuse, Cause: why})
	case s.phase == moving && s.why == Finished:
		s.phase = bound
		return s.finish(now, t, backend, actions)
	}
	return s.reset(s.why, actions)
}

// finish passes on that a side has finished. The session ends when both have.
func (s *Session) finish(now time.Duration, t Timing, side uint8, actions []Action) []Action {
	if s.finished |= side; s.finished == both {
		s.phase = ended
		return append(actions, Action{Do: Close, Cause: Finished})
	}
	s.doubt = 0
	s.alive(now, t)
	if side == client {
		return append(actions, Action{Do: FinishBackend})
	}
	return append(actions, Action{Do: FinishClient})
}

// end ends the session for a reason of the balancer: to move it elsewhere as a server closes a connection that was idle for long.
func (s *Session) end(why Cause, actions []Action) []Action {
	if why != Rebalanced {
		return s.reset(why, actions)
	}
	s.phase = ended
	return append(actions, Action{Do: Close, Cause: why})
}

// reset ends the session, as the client would see it without a balancer.
func (s *Session) reset(why Cause, actions []Action) []Action {
	s.phase = ended
	return append(actions, Action{Do: Reset, Cause: why})
}

// due does what a deadline asks for.
func (s *Session) due(now time.Duration, t Timing, actions []Action) []Action {
	if s.silence > 0 && now >= s.silence {
		return s.reset(HalfClosed, actions)
	}
	if s.doubt > 0 && now >= s.doubt {
		s.doubt = 0
		actions = append(actions, Action{Do: Doubt, Cause: Unanswered})
	}
	over := 0
	for dial := range MostDials {
		if s.running>>dial&1 == 1 && now >= s.began[dial]+t.Connect {
			s.running &^= 1 << dial
			over++
			actions = append(actions, Action{Do: TimeOut, Dial: dial})
		}
	}
	for range over {
		actions = append(actions, Action{Do: Dial})
	}
	if s.hedge > 0 && now >= s.hedge {
		s.hedge = now + t.AttemptDelay()
		if s.running>>s.newest&1 == 1 {
			actions = append(actions, Action{Do: Hedge, Dial: int(s.newest)})
		}
	}
	return actions
}
