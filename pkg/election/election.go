// SPDX-License-Identifier: Apache-2.0

package election

import (
	"cmp"
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// Mode says who elects the holder of the virtual addresses.
type Mode string

// The modes. An Election without one is in mode VRRP.
const (
	VRRP      Mode = "VRRP"   // VRRP alone
	Hybrid    Mode = "Hybrid" // a Lease while it can be read; VRRP otherwise
	LeaseOnly Mode = "Lease"  // a Lease alone: nothing is advertised, and without the API nobody holds
)

// State is a state of the virtual router. Initialize, Backup and Active are those of RFC 9568, section 6.4.
type State uint8

// The states.
const (
	Initialize State = iota // not started, or the link cannot carry the addresses
	Backup                  // another node holds the addresses, or soon will
	Claiming                // silence: asking the virtual address before taking it
	Active                  // this node holds the addresses
	Conflict                // a foreign host holds them: never taken while it answers
	Leaving                 // planned stop: still serving, until a successor is heard
	Seizing                 // has taken the Lease of a holder that serves nobody, and waits until that must have seen it
)

var states = [...]string{"Initialize", "Backup", "Claiming", "Active", "Conflict", "Leaving", "Seizing"}

// String returns the name of the state.
func (s State) String() string { return states[s] }

// States returns all states.
func States() []State {
	return []State{Initialize, Backup, Claiming, Active, Conflict, Leaving, Seizing}
}

// Config is what an Election is told. Validation of the ranges is the configuration's.
type Config struct {
	Mode     Mode
	Version  vrrp.Version
	Priority uint8 // 1 to 254
	// AdvertisementInterval is the own one; a Backup of version 3 follows that of the Active router.
	AdvertisementInterval time.Duration
	// Preempt lets a higher priority take the addresses from a lower one that is heard (RFC 9568, section 6.1).
	Preempt bool
	// PreemptDelay is how long after its start a node does not preempt.
	PreemptDelay time.Duration
	// Primary are the own addresses that advertisements come from, one for each family.
	Primary []netip.Addr
	// Peers, where they are known, rank takeovers of equal priority, so that two do not collide.
	Peers []netip.Addr
	// Lifetime is how long the kernel keeps the addresses without a Refresh.
	Lifetime time.Duration
	// Jitter returns a number in [0,1).
	Jitter func() float64
	// Node is the name of this node, and Identity that of this process: the node, a slash, and what tells its processes apart.
	Node, Identity string
	Lease          LeaseTimes
}

// LeaseTimes are the times of the arbitration. They are not used in mode VRRP.
type LeaseTimes struct {
	// RenewInterval is the time between two writes of a holder.
	RenewInterval time.Duration
	// StaleAfter is how long a Lease must be seen not to be renewed before another may claim it. Mode LeaseOnly has Duration
	// in its place.
	StaleAfter time.Duration
	// Duration is, in mode LeaseOnly, how long a Lease holds without a renewal: the holder gives the addresses up at two thirds
	// of it, and another may claim the Lease at the end.
	Duration time.Duration
}

// The durations of the specification (README.md, Constants); those that are not here follow from the interval.
const (
	kernelSlack       = 1100 * time.Millisecond // the kernel keeps an address up to this much longer than its lifetime
	longestProbe      = 300 * time.Millisecond
	reprobeZombie     = 100 * time.Millisecond
	reprobeForeign    = time.Second
	retryLive         = 500 * time.Millisecond // after the virtual address was found to be served
	verdictAge        = time.Second            // an older verdict says nothing of now
	distressAfter     = 500 * time.Millisecond // without a healthy backend
	distressEnds      = 2 * time.Second        // with one again
	distressPatience  = 3 * time.Second        // with a holder in distress: what ails it is found here up to 2.9 s later, or ends
	defendEvery       = 250 * time.Millisecond // answers to a losing advertisement or a peer's claim
	defendForeign     = 10 * time.Second       // answers to a foreign host's claim, after the first
	conflictWindow    = 10 * time.Second       // claims of a peer are counted this long
	announceEvery     = 5 * time.Second        // after the train
	secondRelease     = 20 * time.Millisecond
	linger            = 50 * time.Millisecond  // of a leaving holder after its successor was heard, until the neighbours know
	lingerByLease     = 500 * time.Millisecond // the same, after it was seen by the Lease
	invitationTime    = 10 * time.Second       // a named successor must take over within
	handoverHold      = 5 * time.Minute        // who handed over does not preempt before
	defiance          = 10 * time.Second       // a claim that does not give way to a newer one for so long is none
	leaveSlack        = 500 * time.Millisecond
	coldStartJitter   = 200 * time.Millisecond
	rankStep          = 20 * time.Millisecond
	shortestLearned   = 10 * time.Millisecond
	longestLearned    = 10 * time.Second
	lowestPriority    = 1
	highestDistress   = 10
	releasesOfLeaving = 2
)

// train are the times of the first announcements after a takeover; one that defends an address has its own.
var (
	train        = []time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}
	assertTrain  = []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, time.Second} // the loser may have announced a moment later
	defenceTrain = []time.Duration{0, 300 * time.Millisecond, 600 * time.Millisecond, time.Second}
)

// Election is the election on one node.
type Election struct {
	cfg Config
	now time.Time
	out []Action

	state     State
	since     time.Time
	reason    string
	started   bool
	linkUp    bool
	preemptAt time.Time // no preemption before

	health health
	heard  heard
	probe  probe

	downAt      time.Time // Backup: Active_Down_Timer
	advertiseAt time.Time // Active: Adver_Timer
	advertised  time.Time // when the last advertisement was sent
	refreshAt   time.Time // Active, Leaving
	train       announcements
	conflict    conflict
	leave       leave

	arbiter    arbiter
	claim      claim
	seize      seizure
	abdication abdication
	rival      rival
}

// heard is what the wire told last.
type heard struct {
	interval time.Duration // learned: Active_Adver_Interval of RFC 9568
	holder   netip.Addr    // who advertised last
	priority uint8
	at       time.Time // any advertisement but a release
	first    time.Time // the same, of the first family
	accepted time.Time // one that this node gives way to
	sign     time.Time // of life of a holder, or when this node began to listen
	sick     time.Time // since when the holder is heard to be in distress
	ever     bool
	split    bool                 // the virtual address is served, but its node is not heard
	claims   map[netip.Addr]uint8 // the priority of those that advertise a claim
}

// announcements is a train of announcements under way.
type announcements struct {
	from  time.Time
	times []time.Duration
	next  time.Time
}

// leave is a planned stop under way.
type leave struct {
	until     time.Time // the addresses go then
	releaseAt time.Time // of the next release of priority 0
	releases  int       // sent
	succeeded bool      // a successor was heard
	stays     bool      // after a handover: this node is a Backup then
	epoch     int       // of the Lease before
}

// New returns an election in state Initialize.
func New(cfg Config) *Election {
	if cfg.Jitter == nil {
		cfg.Jitter = func() float64 { return 0 }
	}
	cfg.Mode = cmp.Or(cfg.Mode, VRRP)
	if cfg.Mode == LeaseOnly {
		cfg.Lease.StaleAfter = cfg.Lease.Duration // nothing but its age shows that the holder is dead
	}
	return &Election{cfg: cfg, heard: heard{interval: cfg.AdvertisementInterval, claims: map[netip.Addr]uint8{}}}
}

// State returns the state.
func (e *Election) State() State { return e.state }

// Status is a copy of what an election knows.
type Status struct {
	State                 State
	Since                 time.Time
	Reason                string // of the last transition
	Priority              uint8  // effective
	Distress              bool
	AdvertisementInterval time.Duration // that counts now: the own one, or the Active router's
	Holder                netip.Addr    // who advertised last, invalid: nobody was heard
	HeardAt               time.Time
	HeardPriority         uint8
	SplitSuspected        bool       // the virtual address is served, but its node is not heard
	Conflict              string     // who else has or claims the virtual addresses
	ConflictOwner         string     // hardware address of that host; empty: not known
	ConflictPeer          netip.Addr // its address, where it is a peer; else invalid
	Arbitrated            bool       // the Lease decides now: it can be read or renewed
	Epoch                 int        // of the Lease that this node holds, 0: none
	Lease                 Lease      // as it was last read or written
	LeaseAnswered         time.Time
	LeaseFailure          string // why the last questions had no answer
}

// Status returns a copy of what the election knows.
func (e *Election) Status() Status {
	other := e.conflict
	if e.state != Conflict && e.now.Sub(other.at) > 2*conflictWindow {
		other = conflict{}
	}
	return Status{
		State: e.state, Since: e.since, Reason: e.reason, Priority: e.priority(), Distress: e.health.distress,
		AdvertisementInterval: e.heard.interval, Holder: e.heard.holder, HeardAt: e.heard.at, HeardPriority: e.heard.priority,
		SplitSuspected: e.heard.split, Conflict: other.with,
		ConflictOwner: other.owner, ConflictPeer: other.peer,
		Arbitrated: e.arbitrated(), Epoch: e.claim.epoch, Lease: e.arbiter.lease, LeaseAnswered: e.arbiter.answered, LeaseFailure: e.leaseFailure(),
	}
}

// arbitrated reports whether the Lease decides now: the holder has renewed it, others have read it.
func (e *Election) arbitrated() bool {
	a := &e.arbiter
	switch {
	case !e.arbitrates():
		return false
	case e.state == Active:
		return e.verified()
	}
	return !a.answered.IsZero() && a.failures < unreachable && e.now.Sub(a.answered) <= e.consultEvery()+2*answerTimeout
}

func (e *Election) leaseFailure() string {
	if e.arbiter.failures == 0 {
		return ""
	}
	return e.arbiter.failure
}

// Deadline returns when a Tick is due; the zero time says never. A Tick that comes early or late does no harm.
func (e *Election) Deadline() time.Time {
	due := []time.Time{e.health.due()}
	if e.arbitrates() && e.started && e.arbiter.question == none {
		due = append(due, e.arbiter.next)
	}
	switch e.state {
	case Backup:
		if e.cfg.Mode != LeaseOnly {
			due = append(due, e.downAt, e.preflightAt(), e.probe.again, e.suspectAt())
		}
	case Seizing:
		due = append(due, e.seizingDue())
	case Claiming, Conflict:
		due = append(due, e.probe.again)
	case Active:
		due = append(due, e.advertiseAt, e.refreshAt, e.train.next, e.expiry())
	case Leaving:
		due = append(due, e.refreshAt, e.leave.until, e.leave.releaseAt)
	}
	var first time.Time
	for _, t := range due {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// Step takes one event at a time that never runs backwards, and returns what is to be done. Every event is defined in every
// state; what is not mentioned does nothing.
func (e *Election) Step(now time.Time, ev Event) []Action {
	e.now, e.out = now, nil
	e.fence()
	switch ev := ev.(type) {
	case Startup:
		e.startup()
	case Shutdown:
		e.shutdown()
	case Tick:
		e.tick()
	case Received:
		e.received(ev)
	case LinkChanged:
		e.linkChanged(ev.Up)
	case Reconfigured:
		e.cfg.Priority, e.cfg.Preempt, e.cfg.PreemptDelay = ev.Priority, ev.Preempt, ev.PreemptDelay
		if ev.Peers != nil {
			e.cfg.Peers = ev.Peers
		}
	case HealthChanged:
		e.health.changed(now, ev.Healthy)
	case ProbeDone:
		e.probeDone(ev)
	case AddressClaimed:
		e.claimed(ev)
	case AddressLost:
		e.addressLost()
	case AddressLate:
		e.addressLate()
	case LeaseDone:
		e.leaseDone(ev)
	case Handover:
		e.handover(ev)
	}
	return e.out
}

func (e *Election) do(actions ...Action) { e.out = append(e.out, actions...) }

// become is the only writer of the state.
func (e *Election) become(s State, reason string) {
	if e.state != s {
		e.do(Transition{From: e.state, To: s, Reason: reason})
		e.since = e.now
		e.arbiter.waiting, e.arbiter.invited = false, false
	}
	e.state, e.reason = s, reason
}

// tick meets the deadlines that are due.
func (e *Election) tick() {
	skew := e.skew()
	e.health.tick(e.now)
	switch e.state {
	case Backup:
		if e.health.ever { // the silence counts with the rank of now: who has just lost its backends is not the first
			e.downAt = e.downAt.Add(e.skew() - skew)
		}
		e.tickBackup()
	case Claiming, Conflict:
		if e.due(e.probe.again) {
			e.ask(e.probeTimeout())
		}
	case Active:
		if e.skew() != skew { // the Backups bear with a holder in distress from when they hear of it
			e.advertiseAt = e.now
		}
		e.tickActive()
	case Leaving:
		e.tickLeaving()
	case Seizing:
		e.tickSeizing()
	}
	e.consult()
}

// due reports whether a deadline is set and has come.
func (e *Election) due(t time.Time) bool { return !t.IsZero() && !e.now.Before(t) }

func (e *Election) startup() {
	if e.started {
		return
	}
	e.started, e.linkUp = true, true
	e.arbiter.next = e.now
	e.health.changed(e.now, false)
	e.listen("started")
}

// listen enters Backup without knowing of any other node (RFC 9568, section 6.4.1). Where no node was ever heard and none
// is configured, chance parts the timers of nodes that boot at once.
func (e *Election) listen(reason string) {
	alone := !e.heard.ever && len(e.cfg.Peers) == 0
	e.heard = heard{interval: e.cfg.AdvertisementInterval, sign: e.now, ever: e.heard.ever, claims: map[netip.Addr]uint8{}}
	e.preemptAt = e.now.Add(e.cfg.PreemptDelay)
	e.do(Release{}) // what a crash may have left
	e.becomeBackup(reason)
	if alone {
		e.downAt = e.downAt.Add(time.Duration(e.cfg.Jitter() * float64(coldStartJitter)))
	}
}

// linkChanged: without a link nobody can be served, and nobody hears whether that changes.
func (e *Election) linkChanged(up bool) {
	if !e.started || e.linkUp == up {
		return
	}
	e.linkUp = up
	switch {
	case up:
		e.listen("link up")
	case e.state == Leaving && !e.leave.stays:
		e.finish("link down")
	default:
		if e.state == Active {
			e.do(Advertise{Priority: vrrp.PriorityRelease}) // where only the address was lost, it is heard
		}
		e.do(Release{})
		e.becomeInitialize("link down")
	}
}

// becomeInitialize implements RFC 9568, section 6.4.1, as the state of a link that is down and of a finished election.
func (e *Election) becomeInitialize(reason string) {
	e.probe.drop()
	e.giveUp()
	e.become(Initialize, reason)
}
