// SPDX-License-Identifier: Apache-2.0

// Package control is the one loop of the keeper: it turns what the adapters report into Step calls of the election and
// performs the actions that come back, in their order. One goroutine owns the election; nothing else touches it.
// It opens no socket and knows no library of the adapters: it declares what it needs of them.
package control

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/guard"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/metrics"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// Conn is one socket of protocol 112.
type Conn interface {
	// Wait blocks until a packet is queued, without taking it.
	Wait() error
	// Receive takes the next accepted packet from the queue; ok is false when none is left. It never blocks.
	Receive() (p vrrp.Packet, ok bool, err error)
	Send(vrrp.Advertisement) error
	// HardwareAddress returns that of the host whose packet came last from a source. Empty: it is not known yet, and looked for from
	// now on.
	HardwareAddress(source netip.Addr) string
	// Close ends Wait with an error.
	Close() error
}

// Addresses are the virtual addresses in the kernel.
type Addresses interface {
	Acquire() error
	Refresh() error
	Release() error
	ReleaseOwn() error           // leaves what another program has added
	Resolve(answered bool) error // whether questions of address resolution are answered while they are held; Acquire has them answered
	// Held reports whether the addresses were acquired and neither released nor found late since.
	Held() bool
}

// Announcer announces an address to the neighbours.
type Announcer interface {
	Announce(netip.Addr) error
}

// Prober asks the other hosts. The context bounds a question; each is answered, as far as there is an answer when it ends.
type Prober interface {
	// Probe asks the virtual addresses who serves them, so often as asks says (see election.Probe).
	Probe(ctx context.Context, asks int) election.ProbeDone
	// AskPeers asks the peers, and the gateway, whether they answer.
	AskPeers(context.Context) election.PeersDone
	// CheckHolder asks the virtual addresses whether they serve clients.
	CheckHolder(context.Context) election.HolderChecked
	// Rehearse asks a peer whether this node would be reached if it had the virtual addresses.
	Rehearse(context.Context) election.Rehearsed
}

// Arbiter asks the API for the Lease. The context bounds a question; each is answered, and Sent is filled in by the loop.
type Arbiter interface {
	Read(context.Context) election.LeaseDone
	Write(context.Context, election.Lease) election.LeaseDone
}

// Predecessor asks the API for the Lease of a predecessor. The context bounds a question; each is answered, and Sent is filled in
// by the loop.
type Predecessor interface {
	ReadPredecessor(context.Context) election.PredecessorDone
	TakePredecessor(context.Context, election.PredecessorLease) election.PredecessorDone
}

// Timer wakes the loop.
type Timer interface {
	// Set has Wait return after a while, and not for what was set before.
	Set(time.Duration) error
	// Wait blocks until the time has come that was set.
	Wait() error
	// Close ends Wait with an error.
	Close() error
}

// Port is a socket and the advertisement that it carries; the priority is filled in at each sending.
type Port struct {
	Conn          Conn
	Advertisement vrrp.Advertisement
}

// Config is what a Loop works with. All fields but Metrics, Notice, Silent, Leave, Timer and Now are required; in mode VRRP no Arbiter is.
type Config struct {
	Log              logr.Logger
	Metrics          *metrics.Metrics
	Election         *election.Election
	Ports            []Port
	VirtualAddresses []netip.Addr
	Addresses        Addresses
	Announcer        Announcer
	Prober           Prober
	Arbiter          Arbiter
	Predecessor      Predecessor // required where the election has one
	// Notice is called for what people should find in the cluster: moves and alarms. It must not block.
	Notice func(reason, message string, warning bool)
	// Silent is called with a holder that has fallen silent, when this node begins to ask whether it serves still. It must not block.
	Silent func(netip.Addr)
	// Leave is called before held addresses are removed from the kernel, while packets can still be sent from them. It must
	// return within LeaveTime.
	Leave func(context.Context)
	// Interval is that between advertisements. The loop turns a quarter later at the latest; the liveness is judged by it.
	Interval time.Duration
	// Timer is closed when Run returns. Default: one of package time.
	Timer Timer
	// Now is the clock of the election. It must go on while the host is suspended. Default: Boottime.
	Now func() time.Time
}

// Loop is the control loop. New starts nothing; Run blocks.
type Loop struct {
	cfg      Config
	events   chan election.Event
	rebinds  chan rebinding
	retired  sync.Map           // of Conn: their watchers end
	readable chan chan struct{} // of a channel for the answer that the packets were taken
	rang     chan error         // nil: the time has come that the timer was set to
	shutdown chan struct{}
	ended    chan struct{} // closed when no event is taken any more
	stopOnce sync.Once
	finished bool
	acquired bool // the addresses were added, and not removed since
	takeover takeover
	workers  guard.Group
	failed   chan error           // holds the first error that ended the election
	failing  map[string]string    // action → error last logged
	alarmed  map[string]time.Time // alarm kind → last Event
	standing map[election.AlarmKind]*standing
	changes  changes
	forgery  Forgery
	// The last alarm Forged whose sender is looked for still, and since when; nil: there is none.
	nameless   *election.Alarm
	namelessAt time.Time
	moves      []Move
	history    history
	cause      string     // of the last transition of this step: see election.Cause
	arrivals   [2]arrival // of IPv4 and IPv6
	changed    time.Time  // of the state, last
	// When the holder was heard last that was found silent last.
	silentSince time.Time
	status      atomic.Pointer[Status]
}

// LeaveTime bounds what is done before the addresses leave: another node may have them already.
const LeaveTime = 40 * time.Millisecond

// maxDrain bounds the packets taken from one socket in one turn, so that no flood keeps the loop from its timers.
const maxDrain = 1024

// New returns a loop that has not started.
func New(cfg Config) *Loop {
	if cfg.Now == nil {
		cfg.Now = Boottime()
	}
	if cfg.Timer == nil {
		cfg.Timer = newTimer()
	}
	if cfg.Notice == nil {
		cfg.Notice = func(string, string, bool) {}
	}
	if cfg.Leave == nil {
		cfg.Leave = func(context.Context) {}
	}
	if cfg.Silent == nil {
		cfg.Silent = func(netip.Addr) {}
	}
	l := &Loop{
		cfg:      cfg,
		events:   make(chan election.Event),
		rebinds:  make(chan rebinding),
		readable: make(chan chan struct{}),
		rang:     make(chan error),
		shutdown: make(chan struct{}),
		ended:    make(chan struct{}),
		failed:   make(chan error, 1),
		failing:  map[string]string{},
		alarmed:  map[string]time.Time{},
		standing: map[election.AlarmKind]*standing{},
		changed:  cfg.Now(),
	}
	l.publish()
	return l
}

// Notify hands an event of an adapter to the loop. It blocks until the loop takes it, has ended, or ctx ends: what an adapter
// does beside the election goes on while connections drain.
func (l *Loop) Notify(ctx context.Context, ev election.Event) {
	select {
	case l.events <- ev:
	case <-l.ended:
	case <-ctx.Done():
	}
}

// Shutdown starts the planned stop: Run returns when the virtual addresses are gone. It may be called more than once.
func (l *Loop) Shutdown() {
	l.stopOnce.Do(func() { close(l.shutdown) })
}

// Run elects until Shutdown has been carried out (nil) or ctx is cancelled (the addresses are released at once; nil). A socket
// that fails and a question that panics begin the planned stop, whose end returns their error; a panic of the loop itself leaves
// time for the least: the release is advertised and the addresses are removed. The sockets are closed when it returns.
func (l *Loop) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	g, ctx := guard.WithContext(ctx)
	l.workers = g
	g.Go(func() error {
		defer close(l.ended)
		defer l.close()
		defer cancel() // before the sockets close, so that the watchers know the end as one
		return l.guarded(ctx)
	})
	for _, p := range l.cfg.Ports {
		l.work(func() error { return l.watch(ctx, p.Conn) })
	}
	l.work(func() error { return l.watchTimer(ctx) })
	err := g.Wait()
	select {
	case failed := <-l.failed:
		return errors.Join(failed, err)
	default:
		return err
	}
}

// work calls a function in a goroutine of its own. Its error begins the planned stop: the loop goes on until that is complete.
func (l *Loop) work(f func() error) {
	l.workers.Go(func() error {
		if err := guard.Run(f); err != nil {
			l.fail(err)
		}
		return nil
	})
}

// fail begins the planned stop because of an error, the first of which Run returns.
func (l *Loop) fail(err error) {
	select {
	case l.failed <- err:
		l.cfg.Log.Error(err, logging.MsgElectionFailed, logging.KeyStack, guard.Stack(err))
	default:
	}
	l.Shutdown()
}

// guarded runs the loop. After a panic nothing of the election can be trusted any more but what it held.
func (l *Loop) guarded(ctx context.Context) error {
	err := guard.Run(func() error { return l.loop(ctx) })
	if err != nil {
		l.cfg.Log.Error(err, logging.MsgElectionFailed, logging.KeyStack, guard.Stack(err))
		l.abandon()
	}
	return err
}

// abandon does the least for the others: each step is tried, whatever became of the one before it.
func (l *Loop) abandon() {
	state := election.Active
	_ = guard.Run(func() error { state = l.cfg.Election.State(); return nil })
	if state == election.Active || state == election.Leaving {
		for _, p := range l.cfg.Ports {
			adv := p.Advertisement
			adv.Priority = vrrp.PriorityRelease
			l.attempt("advertise", func() error { return p.Conn.Send(adv) })
		}
	}
	release := l.cfg.Addresses.Release
	_ = guard.Run(func() error {
		if l.cfg.Election.Releases().Spare {
			release = l.cfg.Addresses.ReleaseOwn
		}
		return nil
	})
	l.attempt("release", release)
	_ = guard.Run(func() error { l.publish(); return nil }) // for who asks for the status meanwhile
}

// attempt logs the error of an action that no other one depends on.
func (l *Loop) attempt(action string, f func() error) {
	if err := guard.Run(f); err != nil {
		l.cfg.Log.Error(err, logging.MsgActionFailed, logging.KeyAction, action)
	}
}

// close ends those who watch.
func (l *Loop) close() {
	_ = l.cfg.Timer.Close() // nobody waits for it any more
	for _, p := range l.cfg.Ports {
		_ = p.Conn.Close() // nothing is left to be sent
	}
}

// loop is the one goroutine that steps the election. Each turn takes what is queued on the sockets before it looks at
// the clock's deadlines: a process that was frozen must hear its successor before its own overdue timers speak.
func (l *Loop) loop(ctx context.Context) error {
	shutdown := l.shutdown
	l.step(ctx, election.Startup{})
	for !l.finished {
		if err := l.arm(); err != nil {
			return fmt.Errorf("set the time of the next turn: %w", err)
		}
		select {
		case <-ctx.Done():
			l.perform(ctx, l.cfg.Election.Releases())
			l.publish()
			return nil
		case drained := <-l.readable:
			l.drain(ctx)
			drained <- struct{}{}
		case ev := <-l.events:
			l.drain(ctx)
			l.step(ctx, ev)
		case r := <-l.rebinds:
			l.drain(ctx)
			l.rebind(ctx, r)
		case <-shutdown:
			shutdown = nil
			l.drain(ctx)
			l.step(ctx, election.Shutdown{})
		case err := <-l.rang:
			if err != nil {
				return fmt.Errorf("wait for the time of the next turn: %w", err)
			}
			l.drain(ctx)
		}
		l.tick(ctx)
		l.traceForger()
	}
	return nil
}

// arm sets the timer to the election's deadline, at most a quarter more than Interval ahead: where the holder advertises in time, its
// advertisements turn the loop of a Backup, and the timer does not do it once more.
func (l *Loop) arm() error {
	wait := l.cfg.Interval + l.cfg.Interval/4
	if d := l.cfg.Election.Deadline(); !d.IsZero() {
		wait = max(0, min(wait, d.Sub(l.cfg.Now())))
	}
	return l.cfg.Timer.Set(wait)
}

func (l *Loop) drain(ctx context.Context) {
	for _, p := range l.cfg.Ports {
		for range maxDrain {
			packet, ok, err := p.Conn.Receive()
			_ = l.outcome("receive", err)
			if !ok {
				break
			}
			l.cfg.Metrics.Received()
			l.arrived(packet)
			l.step(ctx, election.Received{Source: packet.Source, Advertisement: packet.Advertisement})
		}
	}
}

func (l *Loop) tick(ctx context.Context) {
	if d := l.cfg.Election.Deadline(); !d.IsZero() {
		if late := l.cfg.Now().Sub(d); late >= 0 {
			l.cfg.Metrics.Late(late.Seconds())
		}
	}
	l.step(ctx, election.Tick{})
}

// step gives one event to the election and performs its actions. An action whose failure the election must know of
// yields a further event, which is stepped next.
func (l *Loop) step(ctx context.Context, ev election.Event) {
	l.cause = election.CauseOther
	l.takeover.note(ev, l.cfg.Now())
	for ev != nil {
		var next election.Event
		broken := false // an action failed: those that build on it are not performed
		for _, a := range l.cfg.Election.Step(l.cfg.Now(), ev) {
			if broken && !election.Stands(a) {
				continue
			}
			if e := l.perform(ctx, a); e != nil && !broken {
				_, unsent := e.(election.AdvertisementUnsent)
				next, broken = e, !unsent
			}
		}
		ev = next
	}
	l.publish()
}
