// SPDX-License-Identifier: Apache-2.0

// Package health decides whether one backend is healthy, from the outcome of health checks and from what connections to
// it show. It says when the next check is due, but does no I/O, makes no check itself and never reads a clock.
package health

import (
	"fmt"
	"time"
)

// A Scheme is the kind of a check.
type Scheme string

// The schemes.
const (
	HTTPS Scheme = "HTTPS" // a GET over TLS that is answered by 200
	HTTP  Scheme = "HTTP"  // a GET that is answered by 200
	TCP   Scheme = "TCP"   // a connection that is accepted
)

// A State is what is known about a backend.
type State uint8

// The states of a backend.
const (
	// Unknown is the state before the first verdict.
	Unknown State = iota
	// Healthy backends take connections.
	Healthy
	// Suspect backends were healthy until a connection to them failed or got no answer. A check decides soon; until then
	// they take connections only where no healthy backend is left.
	Suspect
	// NotReady backends answer, but not that they are ready: they keep the connections that they have, and take new ones only
	// where no backend is healthy.
	NotReady
	// Down backends cannot be reached, or do not answer in time. Those that accept connections take some where no backend is
	// healthy.
	Down
)

var stateNames = [...]string{Unknown: "Unknown", Healthy: "Healthy", Suspect: "Suspect", NotReady: "NotReady", Down: "Down"}

// String returns the name of the state.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// States returns all states.
func States() []State { return []State{Unknown, Healthy, Suspect, NotReady, Down} }

// MarshalText encodes the state as its name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText decodes the name of a state.
func (s *State) UnmarshalText(text []byte) error {
	for i, name := range stateNames {
		if name == string(text) {
			*s = State(i)
			return nil
		}
	}
	return fmt.Errorf("unknown health state %q", text)
}

// An Event is an input of Step: Tick, Passed, Failed, Missed, DialFailed, Doubted, Suspended or Resumed.
type Event interface {
	fmt.Stringer
	event()
}

// Tick says that time has passed.
type Tick struct{}

// Passed says that the check under way found the backend ready.
type Passed struct {
	Took time.Duration
}

// Failed says that the check under way did not find the backend ready.
type Failed struct {
	Unreachable bool // there was no answer at all
	Accepts     bool // but the backend accepted a connection
	Reason      string
	Took        time.Duration
}

// Missed says that the check under way shows nothing: what made it had no time to see the answer, or could not ask.
type Missed struct{}

// DialFailed says that the backend refused or did not answer a connection of a client.
type DialFailed struct {
	Reason string
}

// Doubted says that something makes it likely that the backend does not answer: it leaves a client's connection without an
// answer, or its host no longer advertises. That is weaker than a failed dial: the client may not have sent its whole
// request yet.
type Doubted struct {
	Reason string
}

// Suspended says that the backend is not to be checked. The outcome of a check that is under way must not come back.
type Suspended struct {
	Reason string
}

// Resumed says that it is to be checked again, as one that is not known.
type Resumed struct{}

func (Tick) event()       {}
func (Passed) event()     {}
func (Failed) event()     {}
func (Missed) event()     {}
func (DialFailed) event() {}
func (Doubted) event()    {}
func (Suspended) event()  {}
func (Resumed) event()    {}

func (Tick) String() string    { return "Tick" }
func (Passed) String() string  { return "Passed" }
func (Missed) String() string  { return "Missed" }
func (Resumed) String() string { return "Resumed" }
func (e Failed) String() string {
	if e.Accepts {
		return fmt.Sprintf("Failed unreachable=%t accepts %q", e.Unreachable, e.Reason)
	}
	return fmt.Sprintf("Failed unreachable=%t %q", e.Unreachable, e.Reason)
}
func (e DialFailed) String() string { return fmt.Sprintf("DialFailed %q", e.Reason) }
func (e Doubted) String() string    { return fmt.Sprintf("Doubted %q", e.Reason) }
func (e Suspended) String() string  { return fmt.Sprintf("Suspended %q", e.Reason) }

// An Action is an output of Step: Probe or Transition.
type Action interface {
	fmt.Stringer
	action()
}

// Probe asks for one check, to be answered by Passed or Failed. No other is asked for until then.
type Probe struct{}

// Transition reports a change of state.
type Transition struct {
	From, To State
	Reason   string
}

func (Probe) action()      {}
func (Transition) action() {}

func (Probe) String() string { return "Probe" }
func (a Transition) String() string {
	return fmt.Sprintf("Transition %v→%v %q", a.From, a.To, a.Reason)
}

// Config is how a backend is checked. The configuration contains it, and so does what the balancer process is sent. A Check
// uses the interval and the thresholds; the rest is for whoever makes the checks.
type Config struct {
	Scheme Scheme `json:"scheme"`
	Path   string `json:"path"` // of the GET; empty with TCP
	// CAFile has the certificates that vouch for the backend (HTTPS). It may appear later and is read again when it changes.
	CAFile             string        `json:"caFile"`
	ServerName         string        `json:"serverName"`         // that the certificate of the backend must carry (HTTPS)
	InsecureSkipVerify bool          `json:"insecureSkipVerify"` // accept any certificate (HTTPS); CAFile is not read then
	Interval           time.Duration `json:"interval"`           // between the starts of two checks while the verdict is settled
	Timeout            time.Duration `json:"timeout"`            // of one check
	SuccessThreshold   int           `json:"successThreshold"`   // passes in a row that make a backend healthy again
	FailureThreshold   int           `json:"failureThreshold"`   // failures in a row that take a healthy backend out
}

// Detection returns after how long a healthy backend that ceases to answer is Down at the latest: it does right after a good check,
// and each check that follows uses all its time.
func (c *Config) Detection() time.Duration {
	again := max(c.Timeout, c.Interval/fastShare)
	return c.Interval + time.Duration(c.FailureThreshold-1)*again + c.Timeout
}

// fastShare is how much faster checks come while the verdict is not settled.
const fastShare = 10

// A Check is the health of one backend.
type Check struct {
	cfg      Config
	state    State
	since    time.Time
	reason   string
	started  time.Time // of the newest probe
	deadline time.Time // of the next probe; zero while one is under way, or while suspended

	suspended bool

	successes   int // in a row
	failures    int // in a row, of any kind
	unreachable int // failures in a row without an answer

	accepts bool // connections, as the last check that failed has shown

	figures  Figures   // without the downtime since outSince
	outSince time.Time // when it became NotReady or Down, where it is
}

// New returns a Check in state Unknown whose first probe is due now.
func New(cfg Config, now time.Time) *Check {
	return &Check{cfg: cfg, since: now, deadline: now}
}

// State returns what is known about the backend.
func (c *Check) State() State { return c.state }

// Since returns when the state was entered.
func (c *Check) Since() time.Time { return c.since }

// Reason returns why the state was entered.
func (c *Check) Reason() string { return c.reason }

// Accepts reports whether a backend that is not ready, or whose answers are late, still accepts connections: where no backend is
// healthy it is the best there is. One whose host or process is gone does not.
func (c *Check) Accepts() bool { return c.accepts && c.state.out() }

// Settled reports whether the state rests on as many checks as a change of it needs: the first verdict rests on one, which may just have
// been slow.
func (c *Check) Settled() bool {
	switch c.state {
	case Unknown:
		return false
	case NotReady, Down:
		return c.failures >= c.cfg.FailureThreshold
	default:
		return true
	}
}

// Deadline returns when Step needs a Tick at the latest; zero means that it needs none.
func (c *Check) Deadline() time.Time { return c.deadline }

// Step takes in one event and returns what is to be done about it, in order.
func (c *Check) Step(now time.Time, ev Event) []Action {
	before := c.state
	reason := ""
	switch ev := ev.(type) {
	case Passed:
		c.ended(now, ev.Took, "")
		c.passed()
		c.schedule()
		reason = "check passed"
	case Failed:
		c.ended(now, ev.Took, ev.Reason)
		c.accepts = ev.Accepts
		c.failed(ev.Unreachable)
		c.schedule()
		reason = ev.Reason
	case Missed:
		c.schedule()
	case DialFailed:
		c.dialFailed(now)
		reason = ev.Reason
	case Doubted:
		if c.state == Healthy {
			c.suspect(now)
		}
		reason = ev.Reason
	case Suspended:
		c.suspend()
		reason = ev.Reason
	case Resumed:
		c.suspended, c.deadline = false, now
	}
	var actions []Action
	if c.state != before {
		c.since, c.reason = now, reason
		c.changed(now, before)
		actions = append(actions, Transition{From: before, To: c.state, Reason: reason})
	}
	if !c.deadline.IsZero() && !now.Before(c.deadline) {
		c.started, c.deadline = now, time.Time{}
		actions = append(actions, Probe{})
	}
	return actions
}

// passed settles the first verdict at once; a backend that failed before has to pass several times.
func (c *Check) passed() {
	c.failures, c.unreachable = 0, 0
	c.successes++
	if c.state == Unknown || c.successes >= c.cfg.SuccessThreshold {
		c.state = Healthy
	}
}

// failed never takes a healthy backend out, nor declares one unreachable, on less than FailureThreshold failures.
func (c *Check) failed(unreachable bool) {
	c.successes = 0
	c.failures++
	if unreachable {
		c.unreachable++
	} else {
		c.unreachable = 0
	}
	first := c.state == Unknown
	switch {
	case first && unreachable, c.unreachable >= c.cfg.FailureThreshold:
		c.state = Down
	case first, c.failures >= c.cfg.FailureThreshold, c.state == Down && !unreachable:
		c.state = NotReady
	}
}

// dialFailed counts as one failure however many connections fail at once: they show the same event.
func (c *Check) dialFailed(now time.Time) {
	switch c.state {
	case Healthy:
		c.failed(true)
		c.suspect(now)
	case Suspect:
		c.successes = 0
	case Unknown, NotReady, Down:
	}
}

// suspect doubts a healthy backend, and has the next probe at once.
func (c *Check) suspect(now time.Time) {
	c.successes = 0
	if c.state == Healthy {
		c.state = Suspect
	}
	if !c.deadline.IsZero() {
		c.deadline = now
	}
}

// schedule sets the time of the next probe after one has ended.
func (c *Check) schedule() {
	interval := c.cfg.Interval
	if c.undecided() {
		interval /= fastShare
	}
	c.deadline = c.started.Add(interval)
}

// undecided reports whether the next probe may change the state.
func (c *Check) undecided() bool {
	switch c.state {
	case Healthy:
		return c.failures > 0
	case Suspect:
		return true
	case NotReady, Down:
		return c.successes > 0
	default:
		return false
	}
}

// Reconfigure changes schedule and thresholds, keeps the state and the figures, and makes a probe due, unless none is to be made. The
// outcome of a probe that is under way must not come back.
func (c *Check) Reconfigure(cfg Config, now time.Time) {
	if c.cfg = cfg; !c.suspended {
		c.deadline = now
	}
}

// suspend forgets the verdict, and has no probe made.
func (c *Check) suspend() {
	c.suspended, c.state, c.deadline = true, Unknown, time.Time{}
	c.successes, c.failures, c.unreachable, c.accepts = 0, 0, 0, false
}
