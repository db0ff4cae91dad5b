// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/harbinger-ha/harbinger/pkg/session"
)

const ms = time.Millisecond

// timing is the default: the next backend is dialled after 250 ms, and doubted after 500 ms.
var timing = session.Timing{Connect: time.Second, HalfClosed: 30 * time.Second}

// words says what is to be done.
func words(actions []session.Action) string {
	var all []string
	for _, a := range actions {
		word := a.Do.String()
		switch a.Do {
		case session.Use, session.Hedge, session.TimeOut:
			word += fmt.Sprint(" ", a.Dial)
		case session.Doubt, session.Reset, session.Refuse, session.Close:
			word += " " + a.Cause.String()
		default:
		}
		all = append(all, word)
	}
	return strings.Join(all, ", ")
}

// A moment is an event at a time, and what is to be done then.
type moment struct {
	at    time.Duration
	event session.Event
	want  string
}

func event(kind session.EventKind) session.Event { return session.Event{Kind: kind} }

func of(kind session.EventKind, dial int) session.Event {
	return session.Event{Kind: kind, Dial: dial}
}

func because(kind session.EventKind, why session.Cause) session.Event {
	return session.Event{Kind: kind, Cause: why}
}

// hello is that the client has sent a part of its ClientHello, more that it has sent something else.
var (
	hello = event(session.ClientSent)
	more  = session.Event{Kind: session.ClientSent, Over: true}
)

// served are the first moments of a session whose first backend accepts.
func served(rest ...moment) []moment {
	return append([]moment{
		{1 * ms, event(session.Accepted), "Dial"},
		{1 * ms, of(session.Dialling, 0), ""},
		{2 * ms, of(session.DialAccepted, 0), "Use 0"},
	}, rest...)
}

// taken are those of a session whose backend fails during the opening, and another one takes over.
func taken(fails session.Event, want string, rest ...moment) []moment {
	return served(append([]moment{
		{3 * ms, hello, ""},
		{4 * ms, fails, want},
		{4 * ms, of(session.Dialling, 0), ""},
		{5 * ms, of(session.DialAccepted, 0), "Use 0, Resend"},
	}, rest...)...)
}

func TestSession(t *testing.T) {
	broke := because(session.BackendFailed, session.BackendBroke)
	for name, moments := range map[string][]moment{
		"a question, an answer, the end": served(
			moment{3 * ms, more, ""}, moment{9 * ms, event(session.BackendSent), ""},
			moment{10 * ms, event(session.ClientFinished), "FinishBackend"}, moment{11 * ms, event(session.BackendFinished), "Close Finished"},
			moment{12 * ms, event(session.Due), ""},
		),
		"the backend finishes first": served(
			moment{3 * ms, more, ""}, moment{4 * ms, event(session.BackendFinished), "FinishClient"},
			moment{5 * ms, event(session.ClientFinished), "Close Finished"},
		),
		"no backend": {
			{1 * ms, event(session.Accepted), "Dial"},
			{1 * ms, because(session.NoneLeft, session.NoBackend), "Refuse NoBackend"},
		},
		"one backend after the other refuses": {
			{1 * ms, event(session.Accepted), "Dial"},
			{1 * ms, of(session.Dialling, 0), ""}, {2 * ms, of(session.DialFailed, 0), "Dial"},
			{2 * ms, of(session.Dialling, 0), ""}, {3 * ms, of(session.DialFailed, 0), "Dial"},
			{3 * ms, because(session.NoneLeft, session.NoneAccepted), "Refuse BackendFailed"},
		},
		"a backend that is silent, and one that accepts": {
			{1 * ms, event(session.Accepted), "Dial"},
			{1 * ms, of(session.Dialling, 0), ""},
			{250 * ms, event(session.Due), ""},
			{251 * ms, event(session.Due), "Hedge 0"},
			{251 * ms, of(session.DialUnanswered, 0), "Dial"},
			{251 * ms, of(session.Dialling, 1), ""},
			{252 * ms, of(session.DialAccepted, 1), "Use 1, GiveUp"},
		},
		"a backend that is late, and not silent": {
			{1 * ms, event(session.Accepted), "Dial"},
			{1 * ms, of(session.Dialling, 0), ""},
			{251 * ms, event(session.Due), "Hedge 0"},
			{300 * ms, of(session.DialAccepted, 0), "Use 0"},
		},
		"all backends are silent": {
			{1 * ms, event(session.Accepted), "Dial"},
			{1 * ms, of(session.Dialling, 0), ""},
			{251 * ms, event(session.Due), "Hedge 0"},
			{251 * ms, of(session.DialUnanswered, 0), "Dial"},
			{251 * ms, of(session.Dialling, 1), ""},
			{501 * ms, event(session.Due), "Hedge 1"},
			{501 * ms, of(session.DialUnanswered, 1), "Dial"},
			{501 * ms, because(session.NoneLeft, session.NoneAccepted), ""},
			{1001 * ms, event(session.Due), "TimeOut 0, Dial"},
			{1001 * ms, because(session.NoneLeft, session.NoneAccepted), ""},
			{1251 * ms, event(session.Due), "TimeOut 1, Dial"},
			{1251 * ms, because(session.NoneLeft, session.NoneAccepted), "Refuse BackendFailed"},
		},
		"a backend that is silent to a question": served(
			moment{3 * ms, more, ""}, moment{502 * ms, event(session.Due), ""},
			moment{503 * ms, event(session.Due), "Doubt Unanswered"}, moment{900 * ms, event(session.BackendSent), ""},
		),
		"a backend that is silent to a part of a ClientHello": served(
			moment{3 * ms, session.Event{Kind: session.ClientSent, Part: true}, ""}, moment{900 * ms, event(session.Due), ""},
			moment{time.Second, hello, ""}, moment{1500 * ms, event(session.Due), "Doubt Unanswered"},
		),
		"a backend that resets a ClientHello": taken(broke, "Doubt BackendBroke, Dial",
			moment{504 * ms, event(session.Due), ""}, moment{505 * ms, event(session.Due), "Doubt Unanswered"}, // its own silence
		),
		"a backend that finishes without an answer": taken(event(session.BackendFinished), "Doubt Finished, Dial",
			moment{6 * ms, event(session.BackendSent), ""},
		),
		"a backend that is found dead": taken(because(session.BackendFailed, session.BackendDown), "Dial"),
		"one that was ordered out":     taken(because(session.BackendFailed, session.Maintenance), "Dial"),
		"one move at most":             taken(broke, "Doubt BackendBroke, Dial", moment{6 * ms, broke, "Reset BackendBroke"}),
		"nobody can take it over": served(
			moment{3 * ms, hello, ""}, moment{4 * ms, broke, "Doubt BackendBroke, Dial"},
			moment{4 * ms, because(session.NoneLeft, session.NoneAccepted), "Reset BackendBroke"},
		),
		"nobody can take it over from one that finished": served(
			moment{3 * ms, hello, ""}, moment{4 * ms, event(session.BackendFinished), "Doubt Finished, Dial"},
			moment{4 * ms, because(session.NoneLeft, session.NoneAccepted), "FinishClient"},
			moment{5 * ms, event(session.ClientFinished), "Close Finished"},
		),
		"a silent client is taken over from one that resets": served(
			moment{3 * ms, broke, "Doubt BackendBroke, Dial"}, moment{3 * ms, of(session.Dialling, 0), ""},
			moment{4 * ms, of(session.DialAccepted, 0), "Use 0"},
		),
		"a finish without a question": served(moment{3 * ms, event(session.BackendFinished), "FinishClient"}),
		"more than a ClientHello":     served(moment{3 * ms, more, ""}, moment{4 * ms, broke, "Reset BackendBroke"}),
		"an answer before the reset": served(
			moment{3 * ms, hello, ""}, moment{4 * ms, event(session.BackendSent), ""}, moment{5 * ms, broke, "Reset BackendBroke"},
		),
		"a client that resets": served(moment{3 * ms, event(session.ClientFailed), "Reset ClientBroke"}),
		"a client that is half closed": served(
			moment{3 * ms, more, ""}, moment{4 * ms, event(session.ClientFinished), "FinishBackend"},
			moment{20 * time.Second, event(session.BackendSent), ""}, // it goes on
			moment{49 * time.Second, event(session.Due), ""},
			moment{50 * time.Second, event(session.Due), "Reset HalfClosed"},
		),
		"it moves to another backend": served(moment{3 * ms, because(session.Ended, session.Rebalanced), "Close Rebalanced"}),
		"the address moves":           served(moment{3 * ms, because(session.Ended, session.AddressMoved), "Reset AddressMoved"}),
	} {
		t.Run(name, func(t *testing.T) {
			var s session.Session
			for _, m := range moments {
				if got := words(s.Step(m.at, timing, m.event, nil)); got != m.want {
					t.Fatalf("%s of %d at %v: %q, want %q", m.event.Kind, m.event.Dial, m.at, got, m.want)
				}
			}
		})
	}
}

// The deadline is always when something is due, and never missed.
func TestDeadline(t *testing.T) {
	var s session.Session
	step := func(at time.Duration, e session.Event, want time.Duration) {
		t.Helper()
		s.Step(at, timing, e, nil)
		if got := s.Deadline(timing); got != want {
			t.Errorf("after %s: %v, want %v", e.Kind, got, want)
		}
	}
	step(1*ms, event(session.Accepted), 0)
	step(1*ms, of(session.Dialling, 0), 251*ms)
	step(251*ms, event(session.Due), 501*ms)
	step(260*ms, of(session.DialAccepted, 0), 0)
	step(270*ms, more, 770*ms)
	step(280*ms, event(session.BackendSent), 0)
	step(290*ms, event(session.ClientFinished), 290*ms+30*time.Second)
	step(300*ms, event(session.BackendSent), 300*ms+30*time.Second)
	if s.Late(3*time.Second, 0, timing) != true || s.Late(1500*ms, 0, timing) {
		t.Error("a dial is late when it took more than twice its time")
	}
}

// Whatever happens in whatever order: a session ends once, and then does nothing more; it has no more dials than it may have, moves
// once, and keeps what the client has sent no longer than another backend may need it.
func TestSessionInvariants(t *testing.T) { rapid.Check(t, whateverHappens) }

// FuzzSession is the same, with events that a fuzzer chooses.
func FuzzSession(f *testing.F) {
	f.Add([]byte("a session"))
	f.Fuzz(rapid.MakeFuzz(whateverHappens))
}

func whateverHappens(t *rapid.T) {
	var s session.Session
	m := model{running: map[int]bool{}}
	now := time.Duration(1)
	queue := []session.Event{event(session.Accepted)}
	for range rapid.IntRange(1, 60).Draw(t, "events") {
		if len(queue) == 0 {
			now += time.Duration(rapid.IntRange(0, 400).Draw(t, "ms")) * ms
			queue = append(queue, m.draw(t, &s))
		}
		e := queue[0]
		queue = queue[1:]
		opens := s.Opens()
		actions := s.Step(now, timing, e, nil)
		if m.ended && len(actions) > 0 {
			t.Fatalf("%s after the end: %s", e.Kind, words(actions))
		}
		m.event(e)
		for _, a := range actions {
			queue = append(queue, m.act(t, &s, a)...)
		}
		if s.Opens() && !opens && s.Moved() {
			t.Fatal("it may move twice")
		}
		d := s.Deadline(timing)
		if !m.ended && len(queue) == 0 && len(m.running) > 0 && d == 0 {
			t.Fatal("a dial has no end")
		}
		if !m.ended && e.Kind == session.Due && d > 0 && d <= now {
			t.Fatalf("at %v %v is still due: who looks at all that is due would not end", now, d)
		}
	}
}

// A model is what a session may expect of those who do what it asks for.
type model struct {
	running map[int]bool
	used    bool // it has a backend
	ended   bool
	moves   int
}

// draw is an event that may happen now.
func (m *model) draw(t *rapid.T, s *session.Session) session.Event {
	kinds := []session.EventKind{session.Due, session.Ended}
	if len(m.running) > 0 {
		kinds = append(kinds, session.DialFailed, session.DialAccepted, session.DialUnanswered)
	}
	if s.Relays() {
		kinds = append(kinds, session.ClientSent, session.BackendSent, session.ClientFinished, session.BackendFinished, session.ClientFailed, session.BackendFailed)
	}
	e := session.Event{Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), Over: rapid.Bool().Draw(t, "over"), Cause: session.BackendBroke}
	var dials []int
	for dial := range m.running {
		dials = append(dials, dial)
	}
	if slices.Sort(dials); len(dials) > 0 {
		e.Dial = rapid.SampledFrom(dials).Draw(t, "dial")
	}
	return e
}

func (m *model) event(e session.Event) {
	switch e.Kind {
	case session.DialFailed, session.DialAccepted:
		delete(m.running, e.Dial)
	default:
	}
}

// act does what is asked for, as far as a model can, and returns what follows.
func (m *model) act(t *rapid.T, s *session.Session, a session.Action) []session.Event {
	switch a.Do {
	case session.Dial:
		number, free := s.Free()
		switch {
		case !free:
			return nil
		case rapid.Bool().Draw(t, "one is left"):
			m.running[number] = true
			if len(m.running) > session.MostDials {
				t.Fatalf("%d dials", len(m.running))
			}
			return []session.Event{of(session.Dialling, number)}
		}
		return []session.Event{because(session.NoneLeft, session.NoneAccepted)}
	case session.Use:
		if m.used {
			m.moves++
		}
		if m.used = true; m.moves > 1 {
			t.Fatal("it has moved twice")
		}
	case session.GiveUp:
		clear(m.running)
	case session.TimeOut:
		delete(m.running, a.Dial)
	case session.Close, session.Reset, session.Refuse:
		if m.ended {
			t.Fatal("it has ended twice")
		}
		m.ended = true
	default:
	}
	return nil
}

func TestCauseHasAName(t *testing.T) {
	for c := session.Finished; c <= session.ClientUnusable; c++ {
		text, err := json.Marshal(map[session.Cause]int{c: 1})
		if err != nil {
			t.Fatal(err)
		}
		var back map[session.Cause]int
		if err := json.Unmarshal(text, &back); err != nil || back[c] != 1 {
			t.Errorf("%s came back as %v, %v", text, back, err)
		}
	}
	var c session.Cause
	if err := c.UnmarshalText([]byte("Whim")); err == nil {
		t.Error("a cause that is not known was taken")
	}
}
