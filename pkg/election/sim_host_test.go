// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// elector is what a process elects with: an Election, or the model of keepalived.
type elector interface {
	Step(now time.Time, ev Event) []Action
	Deadline() time.Time
	State() State
}

// name is what a host is called in a trace.
func name(i int) string { return string(rune('a' + i)) }

// host is a machine with a clock, a kernel that may hold the virtual address, and a process.
type host struct {
	w      *world
	id     int
	addr   netip.Addr
	cfg    Config
	plain  bool
	create func() elector

	powered, paused bool
	port, carrier   bool // frames pass its port of the switch; it sees a carrier
	dropPaused      bool // frames for a paused machine are lost, not queued
	rate            float64
	clock, clockAt  time.Duration

	held     bool
	since    time.Duration // by the clock of the world
	sound    time.Duration // since when the process was not in distress
	distress bool
	expires  time.Duration // by the clock of the machine
	kernel   int           // number of the last timer
	fence    time.Duration // its timeout; 0: there is none
	shut     time.Duration // when it closes, by the clock of the machine
	refuses  bool          // questions for the address are not answered
	asked    bool          // another host has asked such a question since

	core            elector
	running, frozen bool
	incarnation     int
	restart         time.Duration
	healthy         bool // the balancer has a healthy backend
	ill             bool // it has none, whatever the API does
	api             access
	barred          bool          // the API refuses it
	offline         bool          // the API is on the other side of a cut
	shared          bool          // its control plane answers on every address
	gagged          bool          // its advertisements cannot be sent
	unable, blind   bool          // it can make no connection; it can ask nothing by ARP
	blocked         bool          // its port of the control plane answers nobody at the virtual address
	lies            bool          // it reports to every holder that it cannot reach it
	began           time.Duration // when its process was started, by the clock of the world
	seizing         time.Duration
	released        bool // the last advertisement heard was a release
	packets, events fifo
	timer           int
	refreshed       time.Duration
	ran             time.Duration
	said            said
	overslept       bool
}

func newHost(w *world, i int, p params) *host {
	h := &host{
		w: w, id: i, addr: address(i), powered: true, port: true, carrier: true, healthy: true,
		rate: 1 + (w.rng.Float64()-0.5)*0.002, clock: w.random(0, time.Hour), dropPaused: w.rng.IntN(2) == 0,
	}
	h.cfg = Config{
		Mode: VRRP, Version: vrrp.Version3, Priority: 100, AdvertisementInterval: time.Second, Preempt: true,
		Primary: []netip.Addr{h.addr}, Lifetime: 2 * time.Second, Jitter: w.rng.Float64,
	}
	for j := range p.hosts {
		h.cfg.Peers = append(h.cfg.Peers, address(j))
	}
	for _, o := range p.options {
		o(&h.cfg)
	}
	if p.each != nil {
		p.each(i, &h.cfg)
	}
	if p.fence != nil && p.fence(i) {
		h.fence = FenceTimeout(h.cfg.AdvertisementInterval, true)
	}
	if p.hybrid {
		h.cfg.Mode, h.cfg.Node = Hybrid, fmt.Sprintf("n%d", i)
		h.cfg.Lease = LeaseTimes{RenewInterval: time.Second, StaleAfter: 2 * time.Second, Duration: 5 * time.Second}
		if h.cfg.AdvertisementInterval < time.Second && p.interval == 0 {
			h.cfg.Lease.RenewInterval, h.cfg.Lease.StaleAfter = 500*time.Millisecond, time.Second
		}
	}
	h.create = func() elector {
		h.cfg.Identity = fmt.Sprintf("n%d/%d", i, h.incarnation)
		return New(h.cfg)
	}
	if p.plain != nil && p.plain(i) {
		h.keepalived()
	}
	return h
}

func (h *host) keepalived() {
	h.plain = true
	h.create = func() elector { return newKeepalived(h.cfg) }
}

// contests reports whether the process waits for a read of the Lease that is to confirm another's claim.
func (h *host) contests() bool {
	e, ours := h.core.(*Election)
	return ours && !e.challenge.since.IsZero()
}

// alive says that the machine runs, live that the process does, too.
func (h *host) alive() bool { return h.powered && !h.paused }
func (h *host) live() bool  { return h.alive() && h.running && !h.frozen }

// shows reports whether the machine answers for the address on its link: a fence that is closed lets no frame for it in.
func (h *host) shows() bool {
	return h.held && (h.fence == 0 || h.plain || h.guest() < h.shut)
}

// answers reports whether the machine answers who asks for the address by ARP.
func (h *host) answers() bool { return h.shows() && !h.refusing() }

// refusing reports whether it answers nobody. Without a fence it cannot.
func (h *host) refusing() bool { return h.refuses && h.fence > 0 }

// answer is answers, of a question that another host asks: the fence counts it.
func (h *host) answer() bool {
	h.asked = true
	return h.answers()
}

// guest is the time by the machine's clock, which stands still while the machine is paused.
func (h *host) guest() time.Duration {
	if h.paused {
		return h.clock
	}
	return h.clock + time.Duration(float64(h.w.now-h.clockAt)*h.rate)
}

func (h *host) setPaused(paused bool) {
	h.clock, h.clockAt = h.guest(), h.w.now
	h.paused = paused
	if !paused {
		h.closes()
		h.expire()
		h.wake()
	}
}

// closes has the oracle look when the fence closes.
func (h *host) closes() {
	if left := h.shut - h.guest(); h.fence > 0 && left >= 0 {
		h.in(left+time.Microsecond, func() {})
	}
}

// in schedules what happens on the machine alone after a time of its clock.
func (h *host) in(d time.Duration, do func()) {
	h.w.with(h, h.real(d), do)
}

// real is a time of the machine's clock by that of the world, and a moment longer.
func (h *host) real(d time.Duration) time.Duration {
	return time.Duration(float64(d)/h.rate) + time.Microsecond
}

// The kernel.

func (h *host) add() {
	if !h.held {
		h.since, h.refuses = h.w.now, false
	}
	h.held, h.refreshed = true, h.guest()
	h.shut = h.guest() + h.fence
	h.closes()
	h.expires = h.guest() + h.cfg.Lifetime + h.w.random(0, 1060*time.Millisecond) // as measured
	h.expire()
}

func (h *host) remove() { h.held = false }

// expire removes the address when its lifetime is over, and reports it to the process.
func (h *host) expire() {
	if !h.held || h.paused || h.plain || h.w.endless {
		return
	}
	if h.guest() < h.expires {
		h.kernel++
		timer := h.kernel
		h.in(h.expires-h.guest(), func() {
			if h.kernel == timer {
				h.expire()
			}
		})
		return
	}
	h.w.log("%s address expires", name(h.id))
	h.remove()
	h.frame(AddressLost{})
}

// The process, with the order of the control loop: all queued packets are heard before timers speak.

func (h *host) start() {
	if h.running || !h.powered {
		return
	}
	h.w.disturb("%s starts", name(h.id))
	h.running, h.frozen, h.restart = true, false, 0
	h.incarnation++
	h.began = h.w.now
	h.core = h.create()
	h.packets.clear()
	h.events.clear()
	h.ran, h.overslept = h.guest(), false
	h.step(Startup{})
	if !h.carrier {
		h.events.push(LinkChanged{Up: false})
	}
	h.check(h.w.random(20*time.Millisecond, 500*time.Millisecond))
	h.wake()
}

// check reports its health to the process after a while.
func (h *host) check(after time.Duration) {
	incarnation := h.incarnation
	h.w.after(after, func() {
		if h.incarnation == incarnation {
			h.event(HealthChanged{Healthy: h.healthy})
		}
	})
}

func (h *host) kill() {
	h.running, h.frozen = false, false
	h.incarnation++
	h.packets.clear()
	h.events.clear()
}

func (h *host) packet(ev Event) {
	if h.running && h.powered && !(h.paused && h.dropPaused) {
		h.packets.push(ev)
		h.wake()
	}
}

func (h *host) frame(ev Event) {
	if !(h.paused && h.dropPaused) {
		h.event(ev)
	}
}

func (h *host) event(ev Event) {
	if h.running && h.powered {
		h.events.push(ev)
		h.wake()
	}
}

// wake lets the process do what there is to do, and sets its timer.
func (h *host) wake() {
	if !h.live() {
		return
	}
	h.overslept = h.guest()-h.ran >= 3*h.cfg.AdvertisementInterval
	if h.w.rng.IntN(2) == 0 {
		h.turn(nil) // the loop may take its timer before an event
	}
	for h.running && !h.events.empty() {
		h.turn(h.events.pop())
	}
	h.turn(nil)
	h.ran, h.overslept = h.guest(), false
	h.arm()
}

func (h *host) turn(ev Event) {
	if h.w.timerFirst {
		h.step(Tick{})
	}
	for h.running && !h.packets.empty() {
		h.step(h.packets.pop())
	}
	if ev != nil {
		h.step(ev)
	}
	h.step(Tick{})
}

func (h *host) arm() {
	if !h.running {
		return
	}
	deadline := h.core.Deadline()
	if deadline.IsZero() {
		return
	}
	h.timer++
	h.w.schedule(h.real(max(10*time.Microsecond, deadline.Sub(h.time()))), happening{of: h, timer: h.timer})
}

func (h *host) time() time.Time { return epoch.Add(h.guest()) }

// step performs the actions of an event. What fails is an event in turn, and the actions after it are not performed.
func (h *host) step(ev Event) {
	f, forged := ev.(forgery)
	if forged {
		ev = f.Received
	}
	for ev != nil && h.running {
		was := h.core.State()
		h.w.oracle.hears(h, ev)
		actions := h.core.Step(h.time(), ev)
		h.w.oracle.heard(h, was, ev, forged)
		ev, forged = nil, false
		for _, a := range actions {
			if t, ok := a.(Transition); ok {
				h.w.log("%s %s", name(h.id), t)
				h.said.probe = nil
				h.overslept = false
			} else if _, last := a.(Advertise); (ev == nil || Stands(a)) && !(h.w.curt && last && was == Active && h.core.State() == Backup) {
				h.w.oracle.acts(h, was, a)
				if h.notable(a) {
					h.w.log("%s %s", name(h.id), a)
				}
				if a == (Acquire{}) && !h.held && was != Active { // what is repaired is not taken
					h.w.oracle.takes(h)
					h.w.oracle.takesBesideKubeVIP(h)
				}
				if e := h.perform(a); e != nil {
					ev = e
				}
			}
		}
		h.w.oracle.stepped(h)
	}
}

// said is the last action of some kinds, for the trace.
type said struct{ advertise, alarm, probe Action }

// anew reports whether an action is another one than the last, and remembers it.
func anew(last *Action, a Action) bool {
	repeats := *last == a
	*last = a
	return !repeats
}

// notable reports whether an action belongs in a trace: what a holder repeats does not.
func (h *host) notable(a Action) bool {
	switch a := a.(type) {
	case Acquire:
		return !h.held
	case Release:
		return h.held
	case Advertise:
		return anew(&h.said.advertise, a)
	case Alarm:
		return anew(&h.said.alarm, a)
	case Probe:
		return anew(&h.said.probe, a)
	case Finished:
		return true
	}
	return false
}

func (h *host) perform(a Action) Event {
	switch a := a.(type) {
	case Acquire:
		h.add()
	case Refresh:
		if h.guest()-h.refreshed > h.cfg.Lifetime && !h.w.endless {
			h.remove()
			return AddressLate{}
		}
		if h.fence > 0 && !h.w.reopens && h.guest() >= h.shut { // it never opens again by a renewal
			h.remove()
			return AddressLate{}
		}
		h.add() // the kernel adds again what it has dropped
	case Resolve:
		h.refuses, h.asked = !a.Answered, false
		h.w.asksFor(h)
	case Release:
		h.remove()
	case Advertise:
		h.w.advertise(h, a.Priority)
	case Announce:
		h.w.announce(h)
	case Probe:
		if h.w.credulous {
			return found(Free)
		}
		h.w.question(h, a)
	case AskPeers:
		h.w.muster(h, a.Timeout)
	case CheckHolder:
		h.w.checkHolder(h, a.Timeout)
	case Rehearse:
		h.w.rehearse(h, a.Timeout)
	case ReadLease, WriteLease:
		h.w.consult(h, a)
	case ReadPredecessor, TakePredecessor:
		h.w.askKubeVIP(h, a)
	case Finished:
		h.kill()
		if h.restart > 0 {
			h.w.after(h.restart, h.start)
		}
	}
	return nil
}

// identity is what the process says of itself at the virtual address.
func (h *host) identity() Finding {
	switch s := h.core.(*Election).Status(); {
	case s.State == Leaving:
		return SaysLeaving
	case s.State == Active && s.Distress:
		return SaysDistress
	case s.State == Active:
		return SaysActive
	}
	return SaysBackup
}

// found is what the channels find where the kernel of this host reacts to connections.
func (h *host) found(reaction Finding) ProbeDone {
	return ProbeDone{Identity: reaction, Client: reaction, Neighbour: Answers, Owner: h.addr.String(), Peer: h.addr, Detail: reaction.String()}
}
