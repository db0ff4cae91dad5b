// SPDX-License-Identifier: Apache-2.0

package session

import "fmt"

// EventKind is what has happened to a Session.
type EventKind uint8

// The kinds of events.
const (
	Accepted        EventKind = iota // the connection was accepted
	Dialling                         // a dial is under way; Dial is its number
	NoneLeft                         // no backend is left to dial; Cause says why
	DialFailed                       // a dial has failed
	DialUnanswered                   // the kernel has received no answer to a dial
	DialAccepted                     // a backend has accepted
	ClientSent                       // the client has sent something; Part: it is a part of a ClientHello, Over: it is more than one
	BackendSent                      // the backend has sent something
	ClientFinished                   // the client has finished
	BackendFinished                  // the backend has finished
	ClientFailed                     // the connection of the client has failed
	BackendFailed                    // that of the backend has, or the backend was found dead; Cause says which
	Ended                            // the balancer ends it; Cause says why
	Due                              // a deadline has come
)

var eventKinds = [...]string{
	"Accepted", "Dialling", "NoneLeft", "DialFailed", "DialUnanswered", "DialAccepted", "ClientSent", "BackendSent", "ClientFinished",
	"BackendFinished", "ClientFailed", "BackendFailed", "Ended", "Due",
}

// String returns the name of the kind.
func (k EventKind) String() string { return eventKinds[k] }

// Event is one thing that has happened.
type Event struct {
	Kind  EventKind
	Dial  int
	Part  bool
	Over  bool
	Cause Cause
}

// Do is what a Session asks for.
type Do uint8

// What is to be done.
const (
	Dial          Do = iota // dial the next backend; Dialling or NoneLeft answers
	Hedge                   // where the kernel has no answer to a dial yet, say so to the monitor and to the Session (DialUnanswered)
	TimeOut                 // give up a dial that has taken too long
	GiveUp                  // give up the dials that are under way
	Use                     // the connection of a dial is that of the session
	Resend                  // send the backend what the client has sent
	Doubt                   // notify the monitor that the backend leaves the client without an answer; Cause says how
	FinishClient            // pass on to the client that the backend has finished
	FinishBackend           // pass on to the backend that the client has finished
	Close                   // close both connections
	Reset                   // reset both connections
	Refuse                  // reset the client, whom no backend has taken
)

var dos = [...]string{"Dial", "Hedge", "TimeOut", "GiveUp", "Use", "Resend", "Doubt", "FinishClient", "FinishBackend", "Close", "Reset", "Refuse"}

// String returns the name.
func (d Do) String() string { return dos[d] }

// Action is one thing to do.
type Action struct {
	Do    Do
	Dial  int
	Cause Cause
}

// Cause is why a session ended, was refused, or moved to another backend.
type Cause uint8

// The causes. Those from NoBackend to ClientUnusable are of connections that were refused.
const (
	Finished        Cause = iota // both sides have finished
	ClientBroke                  // the connection of the client failed: it was reset, or its host is gone
	BackendBroke                 // that of the backend did
	BackendDown                  // the health checks found the backend dead
	AddressMoved                 // the virtual address moves to another host
	HalfClosed                   // silence of one side after the other had finished
	Stopped                      // the balancer stops
	Maintenance                  // its backend was ordered into maintenance
	Rebalanced                   // its client is to connect again, to a backend that has come back
	Unanswered                   // the backend did not answer the first bytes of the client
	ClientSilent                 // the client has never sent a byte, and its place was needed
	NoBackend                    // no backend was there that may take connections
	ConnectionLimit              // the balancer, or each backend, had as many connections as it may have
	SourceLimit                  // the address of the client had as many connections as it may have
	NoneAccepted                 // none of the backends that were tried took the connection
	ClientUnusable               // the connection of the client could not be used
)

var causes = [...]string{
	"Finished", "ClientBroke", "BackendBroke", "BackendDown", "AddressMoved", "HalfClosed", "Stopped", "Maintenance", "Rebalanced", "Unanswered", "ClientSilent",
	"NoBackend", "ConnectionLimit", "SourceLimit", "BackendFailed", "ClientFailed",
}

// Refusals returns the causes for which a connection is refused.
func Refusals() []Cause {
	return []Cause{NoBackend, ConnectionLimit, SourceLimit, NoneAccepted, ClientUnusable}
}

// String returns the name that logs, status and metrics have.
func (c Cause) String() string { return causes[c] }

// MarshalText returns the name.
func (c Cause) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText takes the name.
func (c *Cause) UnmarshalText(text []byte) error {
	for i, name := range causes {
		if name == string(text) {
			*c = Cause(i)
			return nil
		}
	}
	return fmt.Errorf("cause %q is not known", text)
}
