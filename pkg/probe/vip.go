// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/fault"
	"github.com/harbinger-ha/harbinger/pkg/guard"
)

// Resolver finds the hardware addresses that answer for an address. It repeats lost questions soon: the kernel takes the
// answers too, and would let the connections of the probe wait a second for its own.
type Resolver interface {
	Resolve(ctx context.Context, target, source netip.Addr) ([]net.HardwareAddr, error)
	// Inquire asks so often as asks says, all the time of ctx, and returns the hosts that answer also when they are asked alone. Asked
	// and heard are the questions to neighbours that live, and their answers. An error says that fewer questions were sent; it is
	// context.DeadlineExceeded where this process did not run in its time.
	Inquire(ctx context.Context, target, source, gateway netip.Addr, asks int) (owners []net.HardwareAddr, asked, heard int, err error)
}

// VIPProbe asks a virtual address who serves it. All fields are required, but for Asks and Gateway.
type VIPProbe struct {
	Cluster, Node string // of this node
	Port          uint16 // of the identity endpoints
	Client        uint16 // of the control plane, for its clients
	Interface     int    // index of the one that the questions leave by, whatever the routes say
	Source        netip.Addr
	Resolver      Resolver
	PeerOf        func(net.HardwareAddr) (netip.Addr, bool)
	Asks          int        // how often it asks, as in election.Probe
	Gateway       netip.Addr // another neighbour that shows what the link loses; invalid: there is none
}

const (
	// attempts and attemptInterval outdo the loss of a packet: TCP itself would repeat it only after a second.
	attempts        = 3
	attemptInterval = 100 * time.Millisecond
	// mostAttempts bounds how many there are where more packets are lost. Each is heard with its answer, so that fewer suffice than
	// of the questions by ARP.
	mostAttempts = 16
)

// Probe asks on every channel until there is an answer or ctx ends: its deadline is the time that a live holder has for the
// answer. It always answers. What keeps this node from asking is CouldNotAsk, with the error in the detail: it says nothing of
// the others.
func (p VIPProbe) Probe(ctx context.Context, vip netip.Addr) election.ProbeDone {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	own := false
	var owners []net.HardwareAddr
	var asked, heard int
	var unresolved error
	var identity, client answer
	var asking guard.Workers
	asking.Go(func() { // a host may have so many addresses that to list them takes longer than to ask
		if own = local(vip); own {
			stop()
		}
	})
	asking.Go(func() {
		if p.Asks > 0 {
			owners, asked, heard, unresolved = p.Resolver.Inquire(ctx, vip, p.Source, p.Gateway, p.Asks)
			return
		}
		owners, unresolved = p.Resolver.Resolve(ctx, vip, p.Source)
	})
	asking.Go(func() { client = p.ask(ctx, netip.AddrPortFrom(vip, p.Client), p.knock) })
	asking.Go(func() {
		if identity = p.ask(ctx, netip.AddrPortFrom(vip, p.Port), p.identify); identity.holder() {
			stop() // nothing else counts
		}
	})
	asking.Wait()
	if own {
		return election.ProbeDone{Detail: fmt.Sprintf("%s is an address of this host: it cannot be asked from here", vip)}
	}
	if p.Asks > 0 && errors.Is(unresolved, context.DeadlineExceeded) {
		identity, client = identity.unheard(), client.unheard()
	}
	done := p.neighbour(owners, unresolved)
	done.Asked, done.Heard = asked, heard
	answered := done.Neighbour == election.Answers
	done.Identity, done.Client = identity.found(answered), client.found(answered)
	done.Detail = fmt.Sprintf("identity port %d: %s", p.Port, identity.detail)
	if !identity.holder() {
		done.Detail += fmt.Sprintf("; port %d: %s; %s", p.Client, client.detail, resolution(owners, unresolved))
	}
	return done
}

// local reports whether an address is this host's. An error means that the question will fail in its own way.
func local(addr netip.Addr) bool {
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.Equal(addr.AsSlice()) {
			return true
		}
	}
	return false
}

// neighbour says what ARP or neighbour discovery found: a peer among those who answered, else the first.
func (p VIPProbe) neighbour(owners []net.HardwareAddr, err error) (done election.ProbeDone) {
	switch {
	case len(owners) > 0:
		done.Neighbour, done.Owner = election.Answers, owners[0].String()
	case err == nil:
		done.Neighbour = election.Nobody
	}
	for _, mac := range owners {
		if peer, ok := p.PeerOf(mac); ok {
			done.Owner, done.Peer = mac.String(), peer
			break
		}
	}
	return done
}

// resolution says the same in words.
func resolution(owners []net.HardwareAddr, err error) string {
	switch {
	case err != nil:
		return fault.Brief(err)
	case len(owners) == 0:
		return "no hardware address"
	}
	return fmt.Sprintf("hardware address %s", owners)
}

// answer is what one attempt found.
type answer struct {
	finding election.Finding
	detail  string
	// otherwise is the finding where no host answers ARP or neighbour discovery: then an error is not the answer of a host.
	otherwise election.Finding
	sent      bool // an attempt that failed was on the wire
}

// holder reports whether a holder of this cluster has said who it is.
func (a answer) holder() bool {
	return a.finding == election.SaysActive || a.finding == election.SaysDistress || a.finding == election.SaysLeaving
}

// unheard makes a silence in which this process did not run no silence: it may not have asked, or not have listened.
func (a answer) unheard() answer {
	if a.finding == election.Nobody {
		a.finding = election.CouldNotAsk
	}
	return a
}

// found returns the finding of a connection to an address that a host answers for, or does not.
func (a answer) found(answered bool) election.Finding {
	if a.finding == election.Rejected && !answered {
		return a.otherwise
	}
	return a.finding
}

// ask makes the attempts and returns the first reaction. Without one, an attempt that could not ask counts before silence: too
// few questions may have been heard.
func (p VIPProbe) ask(ctx context.Context, to netip.AddrPort, attempt func(context.Context, netip.AddrPort) answer) answer {
	if ctx.Err() != nil { // this process did not run while it should have asked
		return noConnection(fmt.Errorf("began too late: %s", ctx.Err().Error())) // not wrapped: it is no silence of the address
	}
	ctx, cancel := context.WithCancel(ctx)
	var running guard.Workers
	defer running.Wait()
	defer cancel()
	times := p.attempts(ctx)
	answers := make(chan answer, len(times)) // room for all: the rest is not read
	for _, after := range times {
		running.Go(func() {
			var found answer
			defer func() { answers <- found }() // also after a panic, which is that of who waits
			pause(ctx, after)
			found = attempt(ctx, to)
		})
	}
	found := <-answers
	for range len(times) - 1 {
		if found.finding > election.Rejected {
			break
		}
		found = found.with(<-answers)
	}
	return found
}

// attempts returns when each attempt begins: at the latest at three quarters of the time, so that there is some for the answer.
func (p VIPProbe) attempts(ctx context.Context) (times []time.Duration) {
	count, interval := attempts, attemptInterval
	if deadline, ok := ctx.Deadline(); ok && p.Asks > 0 {
		count = min(max(p.Asks, attempts), mostAttempts)
		interval = time.Until(deadline) * 3 / 4 / time.Duration(count)
	}
	for i := range count {
		times = append(times, time.Duration(i)*interval)
	}
	return times
}

// with returns which of two answers counts, where the first is no reaction.
func (a answer) with(next answer) answer {
	if next.finding > election.Nobody || next.finding == election.CouldNotAsk && a.finding != election.Rejected {
		return next
	}
	return a
}

// origin is where the questions leave this node.
func (p VIPProbe) origin() origin { return origin{index: p.Interface, source: p.Source} }

// identify asks a process who it is.
func (p VIPProbe) identify(ctx context.Context, to netip.AddrPort) answer {
	conn, err := p.origin().tcp(ctx, to, func(int) error { return nil })
	if err != nil {
		return noConnection(err)
	}
	id, err := identityOf(ctx, conn)
	if err != nil {
		return answer{finding: election.Answers, detail: fmt.Sprintf("connected to %s: %v", conn.RemoteAddr(), err)}
	}
	return p.judge(id)
}

// knock asks a kernel whether anybody listens.
func (p VIPProbe) knock(ctx context.Context, to netip.AddrPort) answer {
	conn, passed, err := p.origin().counted(ctx, to, quiet)
	if err != nil {
		a := noConnection(err)
		a.sent = passed.Out > 0
		return a
	}
	drop(conn)
	return answer{finding: election.Answers, detail: "accepts connections"}
}

// checks are the parts of the time at which a Check tries a connection.
var checks = []float64{0, .15, .3, .45, .6}

// Check asks whether the port of the control plane takes connections at a virtual address: one that is made is enough. Otherwise
// the strongest reaction counts, and where there is none, an attempt that could not ask counts before silence.
func (p VIPProbe) Check(ctx context.Context, vip netip.Addr) election.Finding {
	if local(vip) || ctx.Err() != nil {
		return election.CouldNotAsk
	}
	var mu sync.Mutex
	strongest, unasked := election.CouldNotAsk, false
	spread(ctx, checks, func(ctx context.Context) bool {
		a := p.knock(ctx, netip.AddrPortFrom(vip, p.Client))
		mu.Lock()
		defer mu.Unlock()
		if a.finding == election.Rejected && !a.sent {
			a.finding = election.CouldNotAsk // the own host forbids it
		}
		strongest, unasked = max(strongest, a.finding), unasked || a.finding == election.CouldNotAsk
		return a.finding == election.Answers
	})
	deadline, bounded := ctx.Deadline()
	frozen := bounded && time.Since(deadline) > frozenFor
	if strongest == election.Nobody && (unasked || frozen) {
		return election.CouldNotAsk
	}
	return strongest
}

// What the error of a connection says. Every other error is this node's own: it has no route to the address, no source address,
// no interface, no port, no file descriptor, or no permission.
var (
	// silences: no host is there. The time is over.
	silences = []error{context.DeadlineExceeded, os.ErrDeadlineExceeded, syscall.ETIMEDOUT}
	// refusals: a kernel is there and refuses.
	refusals = []error{syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ENOPROTOOPT}
	// rejections: an ICMP message came back; or no host answers ARP or neighbour discovery.
	rejections = []error{syscall.EHOSTUNREACH, syscall.EHOSTDOWN}
	// prohibitions: an ICMP message came back; or this host has no route, or a rule of its own forbids it.
	prohibitions = []error{syscall.ENETUNREACH, syscall.EACCES}
)

// noConnection says what a connection that was not made means.
func noConnection(err error) answer {
	says := func(meanings []error) bool {
		return slices.ContainsFunc(meanings, func(meaning error) bool { return errors.Is(err, meaning) })
	}
	switch {
	case says(silences):
		return answer{finding: election.Nobody, detail: "no reaction: " + fault.Brief(err)}
	case says(refusals):
		return answer{finding: election.Reset, detail: fault.Brief(err)}
	case says(rejections):
		return answer{finding: election.Rejected, otherwise: election.Nobody, detail: fault.Brief(err)}
	case says(prohibitions):
		return answer{finding: election.Rejected, otherwise: election.CouldNotAsk, detail: "could not ask: " + fault.Brief(err)}
	}
	return answer{finding: election.CouldNotAsk, detail: "could not ask: " + fault.Brief(err)}
}

// judge says what an identity at the virtual address means.
func (p VIPProbe) judge(id Identity) answer {
	a := answer{finding: election.SaysBackup, detail: fmt.Sprintf("node %s of cluster %s is %s", id.Node, id.Cluster, id.State)}
	switch {
	case id.Cluster != p.Cluster:
		a.finding = election.SaysForeign
	case id.Node == p.Node:
		a.detail += ": another host has the name of this node"
	case id.State == stateLeaving:
		a.finding = election.SaysLeaving
	case id.State == stateActive && id.Distress:
		a.finding = election.SaysDistress
	case id.State == stateActive:
		a.finding = election.SaysActive
	}
	return a
}
