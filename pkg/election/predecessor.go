// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// PredecessorPrefix begins the identity of every node of Harbinger in the Lease of a predecessor. The name of the node follows.
const PredecessorPrefix = "harbinger/"

// PredecessorLease is what the election reads of the Lease of a predecessor: kube-vip, which had the virtual addresses before
// Harbinger and may have them still.
type PredecessorLease struct {
	// Version is metadata.resourceVersion; empty: there is no such object.
	Version string
	// Holder is spec.holderIdentity: the name of a node where kube-vip holds it, PredecessorPrefix and that name where Harbinger
	// does; empty: released.
	Holder string
	// Duration is spec.leaseDurationSeconds: a holder that does not renew for so long has given up.
	Duration time.Duration
}

// String returns the holder and version.
func (l PredecessorLease) String() string {
	switch {
	case l.Version == "":
		return "no lease"
	case l.Holder == "":
		return "lease released version=" + l.Version
	}
	return fmt.Sprintf("lease of %s version=%s", l.Holder, l.Version)
}

// ReadPredecessor asks for the Lease of the predecessor. It is answered by exactly one PredecessorDone, at the latest after Timeout.
type ReadPredecessor struct{ Timeout time.Duration }

// TakePredecessor stores this node as the holder of the Lease of the predecessor, if its Version is still the stored one. It is
// answered as ReadPredecessor is.
type TakePredecessor struct {
	Timeout time.Duration
	Lease   PredecessorLease
}

// PredecessorDone answers a ReadPredecessor or a TakePredecessor. The fields are those of LeaseDone.
type PredecessorDone struct {
	Outcome LeaseOutcome
	Lease   PredecessorLease
	Sent    time.Time
	Detail  string
}

// Waits reports whom this node waits for, where that is news; Over says that the predecessor is over.
type Waits struct {
	Detail string
	Over   bool
}

func (PredecessorDone) event()  {}
func (ReadPredecessor) action() {}
func (TakePredecessor) action() {}
func (Waits) action()           {}

func (e PredecessorDone) String() string {
	return fmt.Sprintf("predecessor %s: %s %s", e.Outcome, e.Lease, e.Detail)
}
func (ReadPredecessor) String() string   { return "read predecessor" }
func (a TakePredecessor) String() string { return "take predecessor " + a.Lease.String() }
func (a Waits) String() string           { return fmt.Sprintf("waits over=%t: %s", a.Over, a.Detail) }

// predecessor is what this node knows of the program that has the virtual addresses before Harbinger. While its Lease is not
// Harbinger's, this node takes nothing and removes nothing: rows 41 to 43. Harbinger takes that Lease as one of its own
// candidates would, so that no further one can have it afterwards.
type predecessor struct {
	cfg *Config

	lease    PredecessorLease
	known    bool
	first    time.Time // when an answer first showed this version
	asked    time.Time // when the latest question was sent whose answer showed it
	last     string    // the node on which the predecessor held the Lease last
	failures int       // questions without an answer, in a row
	failure  string    // why the last of them had none
	taking   bool      // the question under way is a write
	tried    bool      // a write was sent, which may be carried out late
	pending  bool      // a question is under way
	next     time.Time // when the next one is due
	over     bool      // the Lease was Harbinger's, or was not there
	overAt   time.Time
	kept     bool   // Claiming: what it may have left on this host stays until this node has the addresses
	settled  bool   // somebody of this virtual router has had the addresses since
	said     string // what was reported last
}

// configured reports whether there is a predecessor at all.
func (p *predecessor) configured() bool { return p.cfg.Predecessor != "" }

// waits reports whether the addresses may be the predecessor's.
func (p *predecessor) waits() bool { return p.configured() && !p.over }

// leaving reports whether the predecessor may not have removed the addresses yet.
func (p *predecessor) leaving() bool { return p.configured() && p.over && p.last != "" && !p.settled }

// ours reports whether a node of Harbinger is the holder.
func (p *predecessor) ours() bool {
	return p.known && strings.HasPrefix(p.lease.Holder, PredecessorPrefix)
}

// duration returns how long the holder may be silent.
func (p *predecessor) duration() time.Duration {
	if p.lease.Duration <= 0 {
		return predecessorDuration
	}
	return p.lease.Duration
}

// stale reports whether the holder has given up. As for the own Lease, two questions prove it (F6).
func (p *predecessor) stale() bool { return p.asked.Sub(p.first) >= p.duration() }

// mayTake reports whether this node is to become the holder now. Where the predecessor has died, its own node is the first: the
// addresses are still there, and serve until it has them. A node without a healthy backend leaves it to the others for a while.
func (p *predecessor) mayTake(now time.Time, distress bool) bool {
	var delay time.Duration
	if distress {
		delay = predecessorTurn
	}
	switch {
	case !p.known || p.lease.Version == "":
		return false
	case p.lease.Holder == "":
		return now.Sub(p.first) >= delay
	case !p.stale():
		return false
	}
	if p.last != p.cfg.Node {
		delay += predecessorTurn
	}
	return now.Sub(p.first.Add(p.duration())) >= delay
}

// observe notes what is stored.
func (p *predecessor) observe(now time.Time, ev PredecessorDone) {
	if !p.known || p.lease.Version != ev.Lease.Version {
		p.first = now
	}
	p.lease, p.known, p.asked, p.failures = ev.Lease, true, ev.Sent, 0
	if !p.ours() && ev.Lease.Holder != "" {
		p.last = ev.Lease.Holder
	}
}

// due returns when the next question is due: whoever waits looks often, the holder of the addresses renews.
func (p *predecessor) due(s State) time.Time {
	if !p.configured() || p.pending || p.over && s != Active {
		return time.Time{}
	}
	return p.next
}

// text says whom this node waits for.
func (p *predecessor) text() string {
	lease := "the Lease " + p.cfg.Predecessor
	switch {
	case p.failures >= UnreachableAfter:
		return fmt.Sprintf("waits for kube-vip: %s cannot be read: %s", lease, p.failure)
	case !p.known:
		return fmt.Sprintf("waits for kube-vip: %s was not read yet", lease)
	case p.lease.Version == "":
		return fmt.Sprintf("waits for kube-vip: %s does not exist", lease)
	case p.lease.Holder == "":
		return fmt.Sprintf("waits for kube-vip, which has released %s", lease)
	}
	return fmt.Sprintf("waits for kube-vip on %s, which holds %s", p.lease.Holder, lease)
}

// askPredecessor asks for the Lease of the predecessor what is due: rows 41 and 43.
func (e *Election) askPredecessor() {
	p := &e.predecessor
	if !e.started || !e.due(p.due(e.state)) {
		return
	}
	p.pending, p.next = true, e.now.Add(predecessorEvery)
	if p.over {
		p.next = e.now.Add(predecessorRenew)
	}
	mine := PredecessorLease{Version: p.lease.Version, Holder: PredecessorPrefix + e.cfg.Node, Duration: predecessorKept}
	renews := p.over && p.known && (p.ours() || p.mayTake(e.now, false))
	if p.taking = renews && p.lease.Version != ""; p.taking {
		e.do(TakePredecessor{Lease: mine})
		return
	}
	if p.taking = p.waits() && e.linkUp && p.mayTake(e.now, e.health.distress); p.taking {
		p.tried = true
		e.do(TakePredecessor{Lease: mine})
		return
	}
	e.do(ReadPredecessor{})
}

// predecessorDone takes the answer to a question for the Lease of the predecessor.
func (e *Election) predecessorDone(ev PredecessorDone) {
	p := &e.predecessor
	p.pending, p.taking = false, false
	switch ev.Outcome {
	case Unanswered:
		p.failures++
		p.failure = ev.Detail
	case Refused: // somebody else was faster
		p.known, p.next = false, e.now
	case Answered:
		p.observe(e.now, ev)
	}
	if !p.waits() {
		return
	}
	switch {
	case ev.Outcome != Answered:
	case p.ours():
		e.succeed(p.tried && p.lease.Holder == PredecessorPrefix+e.cfg.Node)
		return
	case p.lease.Version == "" && p.asked.Sub(p.first) >= predecessorAbsent:
		e.succeed(false)
		return
	case p.mayTake(e.now, e.health.distress):
		p.next = e.now
	}
	held := p.known && p.failures == 0 && (p.lease.Holder != "" || p.lease.Version == "")
	if text := p.text(); text != p.said && (held || p.failures == UnreachableAfter) {
		p.said = text
		e.do(Waits{Detail: text})
	}
	e.askPredecessor()
}

// succeed is row 42: the predecessor is over. Who has taken its Lease is the first to claim; the others remove what it may have
// left on their hosts.
func (e *Election) succeed(first bool) {
	p := &e.predecessor
	p.over, p.overAt, p.next = true, e.now, e.now.Add(predecessorRenew)
	if first && p.last == "" {
		p.last = p.cfg.Predecessor // it was released before this process could read whose it was
	}
	e.do(Waits{Over: true, Detail: fmt.Sprintf("kube-vip no longer has the Lease %s: %s", p.cfg.Predecessor, p.lease)})
	if e.state != Backup || !e.linkUp {
		return
	}
	if !first {
		e.do(Release{})
		e.restartDown(e.now)
		return
	}
	e.probe.drop()
	p.kept = true
	e.become(Claiming, "kube-vip has given up the virtual addresses")
	e.ask(e.probeTimeout())
	e.arbiter.next = e.now
	e.consult()
}

// leavesClaiming removes what kube-vip may have left on this host where this node does not become the holder.
func (e *Election) leavesClaiming(to State) {
	if e.predecessor.kept && to != Claiming {
		e.predecessor.kept = false
		if to != Active {
			e.do(Release{})
		}
	}
}

// forgetPredecessor ends the wait for kube-vip: the configuration no longer has it.
func (e *Election) forgetPredecessor() {
	waited := e.predecessor.waits()
	e.cfg.Predecessor = ""
	if waited && e.started {
		e.do(Release{})
	}
}

// standBy is row 41: the end of the Active_Down_Timer moves nothing while the addresses may be the predecessor's.
func (e *Election) standBy() {
	e.probe.drop()
	e.become(Backup, e.predecessor.text())
	e.downAt = e.now.Add(vrrp.ActiveDownInterval(e.cfg.Version, e.priority(), e.heard.interval))
}

// leftBehind is row 42 where a host still serves the addresses: kube-vip releases its Lease before it deletes them, so that they are
// asked for again. Where they stay, it has left them behind on a host without Harbinger, which is a conflict.
func (e *Election) leftBehind(a ProbeDone, why string) {
	p := &e.predecessor
	if e.now.Sub(p.overAt) < predecessorLeaves {
		e.await(why)
		return
	}
	a.Detail = fmt.Sprintf("kube-vip (last on %s) gave up the Lease %s and has left the virtual address behind: start Harbinger on that host, "+
		"which removes it, or remove it there (ip address del ADDRESS/32 dev INTERFACE): %s", p.last, p.cfg.Predecessor, a.Detail)
	e.becomeConflict(a)
}

// releases returns how the addresses are removed from the kernel of a node that does not hold them.
func (e *Election) releases() Release { return Release{Spare: e.predecessor.waits()} }

// Releases returns the same for a caller that ends without the election.
func (e *Election) Releases() Release { return e.releases() }
