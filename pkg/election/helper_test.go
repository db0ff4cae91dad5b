// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

var (
	epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	own   = netip.MustParseAddr("192.0.2.2")
	lower = netip.MustParseAddr("192.0.2.1")
	upper = netip.MustParseAddr("192.0.2.3")
	vip   = netip.MustParseAddr("192.0.2.100")
)

// router drives one election in virtual time.
type router struct {
	t   *testing.T
	e   *Election
	now time.Time
	// verdict answers every probe when its time is over; mute leaves it unanswered.
	verdict ProbeDone
	mute    bool
	api     *fakeAPI // answers what is asked of the Lease; nil: nobody does
	probes  []time.Time
	// What the questions find that are answered after 10 ms: who is reached and by whom, the client port of the holder, a rehearsal.
	peers     PeersDone
	client    Finding
	rehearsal Finding
	vip       *fakePredecessor // has the Lease of kube-vip; nil: nobody is asked for it
	answers   []timed
	trace     []string
	alarm     Alarm // the last one
}

// timed is an answer that comes at a time.
type timed struct {
	at time.Time
	ev Event
}

// found returns what the channels find where a verdict is to be. A Zombie is a dead process of a peer.
func found(v Verdict) ProbeDone {
	const mac = "02:00:00:00:00:83"
	switch v {
	case Free:
		return ProbeDone{Identity: Nobody, Client: Nobody, Neighbour: Nobody}
	case Zombie, Abandoned:
		return ProbeDone{Identity: Reset, Client: Reset, Neighbour: Answers, Owner: mac, Peer: upper}
	case Served:
		return ProbeDone{Identity: Nobody, Client: Answers, Neighbour: Answers, Owner: mac, Peer: upper}
	case Live:
		return ProbeDone{Identity: SaysActive, Client: Answers, Neighbour: Answers, Owner: mac, Peer: upper}
	case LiveDistress:
		return ProbeDone{Identity: SaysDistress, Client: Answers, Neighbour: Answers, Owner: mac, Peer: upper}
	case Foreign:
		return ProbeDone{Identity: SaysForeign, Client: Answers, Neighbour: Answers, Owner: mac, Peer: upper}
	case Unasked:
	}
	return ProbeDone{Detail: "network is unreachable"}
}

// foreignHost returns what the channels find where a host that is no peer refuses every connection.
func foreignHost(mac string) ProbeDone {
	return ProbeDone{Identity: Reset, Client: Reset, Neighbour: Answers, Owner: mac, Detail: "connection refused"}
}

type option func(*Config)

func priority(p uint8) option         { return func(c *Config) { c.Priority = p } }
func noPreempt(c *Config)             { c.Preempt = false }
func interval(d time.Duration) option { return func(c *Config) { c.AdvertisementInterval = d } }
func version2(c *Config)              { c.Version = vrrp.Version2 }
func peerList(c *Config)              { c.Peers = []netip.Addr{lower, own, upper} }

func newRouter(t *testing.T, options ...option) *router {
	cfg := Config{
		Version: vrrp.Version3, Priority: 100, AdvertisementInterval: time.Second, Preempt: true,
		Primary: []netip.Addr{own}, Lifetime: 2 * time.Second,
	}
	for _, o := range options {
		o(&cfg)
	}
	r := &router{t: t, e: New(cfg), now: epoch, verdict: found(Free), client: Answers}
	r.peers.Reached = r.e.cfg.others()
	return r
}

// started returns a healthy router in Backup, whose questions at the start have shown nothing.
func started(t *testing.T, options ...option) *router {
	r := newRouter(t, options...)
	r.step(Startup{}, HealthChanged{Healthy: true})
	r.unproved()
	r.taken()
	return r
}

// unproved answers the questions of a start (F35): nobody answers, and that nobody could be asked shows nothing.
func (r *router) unproved() {
	r.t.Helper()
	r.step(PeersDone{CouldNotAsk: true}, found(Free))
	r.probes, r.answers = nil, nil
}

// active returns a healthy router in Active that has just taken the addresses.
func active(t *testing.T, options ...option) *router {
	r := started(t, options...)
	r.run(10 * time.Second)
	if r.e.State() != Active {
		t.Fatalf("state %s after 10 s of silence", r.e.State())
	}
	r.taken()
	return r
}

func (r *router) step(events ...Event) {
	r.t.Helper()
	for _, ev := range events {
		for _, a := range r.e.Step(r.now, ev) {
			r.trace = append(r.trace, a.String())
			switch a := a.(type) {
			case Probe:
				r.probes = append(r.probes, r.now.Add(a.Timeout))
			case Alarm:
				r.alarm = a
			default:
				r.answer(a)
			}
			if r.api != nil {
				r.api.ask(r.now, a)
			}
		}
	}
}

// answer answers a question after 10 ms.
func (r *router) answer(a Action) {
	at := r.now.Add(10 * time.Millisecond)
	switch a := a.(type) {
	case ReadPredecessor:
		r.answers = append(r.answers, timed{at, r.vip.read(r.now)})
	case TakePredecessor:
		r.answers = append(r.answers, timed{at, r.vip.take(r.now, a.Lease)})
	case AskPeers:
		r.answers = append(r.answers, timed{at, r.peers})
	case CheckHolder:
		r.answers = append(r.answers, timed{at, HolderChecked{r.client}})
	case Rehearse:
		r.answers = append(r.answers, timed{at, Rehearsed{r.rehearsal}})
	}
}

// run lets time pass, meeting each deadline when it is due.
func (r *router) run(d time.Duration) {
	r.t.Helper()
	for end := r.now.Add(d); r.now.Before(end); {
		next := end
		if due := r.e.Deadline(); !due.IsZero() && due.Before(next) {
			next = due
		}
		if len(r.probes) > 0 && !r.mute && r.probes[0].Before(next) {
			next = r.probes[0]
		}
		if r.api != nil && len(r.api.open) > 0 && r.api.open[0].at.Before(next) {
			next = r.api.open[0].at
		}
		if len(r.answers) > 0 && r.answers[0].at.Before(next) {
			next = r.answers[0].at
		}
		if next.After(r.now) {
			r.now = next
		}
		if len(r.answers) > 0 && !r.now.Before(r.answers[0].at) {
			ev := r.answers[0].ev
			r.answers = r.answers[1:]
			r.step(ev)
		}
		if r.api != nil && len(r.api.open) > 0 && !r.now.Before(r.api.open[0].at) {
			done := r.api.open[0].done
			r.api.open = r.api.open[1:]
			r.step(done)
		}
		if len(r.probes) > 0 && !r.mute && !r.now.Before(r.probes[0]) {
			r.probes = r.probes[1:]
			r.step(r.verdict)
		}
		r.step(Tick{})
	}
}

// until runs to a state and returns how long that took.
func (r *router) until(s State, within time.Duration) time.Duration {
	r.t.Helper()
	from := r.now
	for r.e.State() != s {
		if r.now.Sub(from) > within {
			r.t.Fatalf("state %s after %s, want %s; did %q", r.e.State(), within, s, r.trace)
		}
		r.run(time.Millisecond)
	}
	return r.now.Sub(from)
}

// hear receives an advertisement.
func (r *router) hear(from netip.Addr, priority uint8) { r.hearEvery(from, priority, time.Second) }

func (r *router) hearEvery(from netip.Addr, priority uint8, every time.Duration) {
	r.t.Helper()
	r.step(Received{Source: from, Advertisement: vrrp.Advertisement{Version: r.e.cfg.Version, Priority: priority, Interval: every}})
}

// taken forgets the actions so far.
func (r *router) taken() { r.trace = nil }

// did reports how often an action whose text begins so was taken since the last call of taken.
func (r *router) did(prefix string) (n int) {
	for _, a := range r.trace {
		if strings.HasPrefix(a, prefix) {
			n++
		}
	}
	return n
}

func (r *router) wantState(s State) {
	r.t.Helper()
	if r.e.State() != s {
		r.t.Errorf("state %s, want %s; did %q", r.e.State(), s, r.trace)
	}
}

// wantOrder checks that actions were taken in an order, others between them allowed.
func (r *router) wantOrder(prefixes ...string) {
	r.t.Helper()
	rest := r.trace
	for _, p := range prefixes {
		i := slices.IndexFunc(rest, func(a string) bool { return strings.HasPrefix(a, p) })
		if i < 0 {
			r.t.Errorf("no %q in order in %q", p, r.trace)
			return
		}
		rest = rest[i+1:]
	}
}

func (r *router) wantWithin(what string, got, low, high time.Duration) {
	r.t.Helper()
	if got < low || got > high {
		r.t.Errorf("%s took %s, want %s to %s", what, got, low, high)
	}
}

func advertisement(p uint8) string { return fmt.Sprintf("advertise priority=%d", p) }
