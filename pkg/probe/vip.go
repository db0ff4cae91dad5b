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
	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// Resolver finds the hardware addresses that answer for an address. It repeats lost questions soon: the kernel takes the
// answers too, and would let the connections of the probe wait a second for its own.
type Resolver interface {
	Resolve(ctx context.Context, target, source netip.Addr) ([]net.HardwareAddr, error)
}

// VIPProbe asks a virtual address who serves it. All fields are required.
type VIPProbe struct {
	Cluster, Node string // of this node
	Port          uint16 // of the identity endpoints
	Interface     string // that the questions leave by, whatever the routes say
	Source        netip.Addr
	Resolver      Resolver
	KnownPeer     func(net.HardwareAddr) bool
}

const (
	// attempts and attemptInterval outdo the loss of a packet: TCP itself would repeat it only after a second.
	attempts        = 3
	attemptInterval = 100 * time.Millisecond
)

// Probe asks until there is an answer or ctx ends: its deadline is the time that a live holder has for the answer. It always
// answers. What keeps this node from asking is Unasked, with the error as its detail: it says nothing of the others.
func (p VIPProbe) Probe(ctx context.Context, vip netip.Addr) election.ProbeDone {
	if local(vip) {
		return election.ProbeDone{Verdict: election.Zombie, Detail: fmt.Sprintf("%s is an address of this host: it cannot be probed from here", vip)}
	}
	resolving, stop := context.WithCancel(ctx)
	defer stop()
	var owners []net.HardwareAddr
	var err error
	var resolver sync.WaitGroup
	resolver.Go(func() { owners, err = p.Resolver.Resolve(resolving, vip, p.Source) })
	r := p.ask(ctx, vip)
	if r.Verdict != election.Zombie && r.Verdict != election.Foreign && r.Verdict != election.Unasked {
		stop()
	}
	resolver.Wait()
	if err != nil {
		r.Detail += "; " + err.Error()
	}
	owner, known := p.owner(owners)
	r.Owner, r.KnownOwner = owner.String(), known
	return r.ProbeDone
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

// owner returns a peer among those who answered, else the first.
func (p VIPProbe) owner(macs []net.HardwareAddr) (net.HardwareAddr, bool) {
	for _, mac := range macs {
		if p.KnownPeer(mac) {
			return mac, true
		}
	}
	if len(macs) == 0 {
		return nil, false
	}
	return macs[0], false
}

// answer is what one attempt found.
type answer struct {
	election.ProbeDone
	reaction bool // a host reacted: no other attempt knows better
}

// ask makes the attempts and returns the first reaction. Without one, an attempt that could not ask counts before silence: too
// few questions may have been heard.
func (p VIPProbe) ask(ctx context.Context, vip netip.Addr) answer {
	if ctx.Err() != nil { // this process did not run while it should have asked
		return noConnection(fmt.Errorf("began too late: %s", ctx.Err().Error())) // not wrapped: it is no silence of the address
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	answers := make(chan answer, attempts) // room for all: the rest is not read
	for i := range attempts {
		running.Go(func() {
			pause(ctx, time.Duration(i)*attemptInterval)
			answers <- p.attempt(ctx, vip)
		})
	}
	found := <-answers
	for range attempts - 1 {
		if found.reaction {
			break
		}
		found = found.with(<-answers)
	}
	return found
}

// with returns which of two answers counts, where the first is no reaction.
func (a answer) with(next answer) answer {
	if next.reaction || next.Verdict == election.Unasked {
		return next
	}
	return a
}

// attempt makes one connection.
func (p VIPProbe) attempt(ctx context.Context, vip netip.Addr) answer {
	dialer := net.Dialer{
		LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(p.Source, 0)),
		Control:   p.bind,
	}
	conn, err := dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(vip, p.Port).String())
	if err != nil {
		return noConnection(err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })() // ends the read
	id, err := readIdentity(conn)
	if err != nil {
		return answer{election.ProbeDone{Verdict: election.Zombie, Detail: fmt.Sprintf("connected to %s: %v", conn.RemoteAddr(), err)}, true}
	}
	return answer{p.judge(id), true}
}

// bind keeps a socket on the interface.
func (p VIPProbe) bind(_, _ string, c syscall.RawConn) error {
	return socket.Control(c, func(fd int) error { return syscall.BindToDevice(fd, p.Interface) })
}

// What the error of a connection says about the host at the address. Every other error is this node's own: it has no route to
// the address, no source address, no interface, no port, no file descriptor, or no permission.
var (
	// silences: no host is there. The time is over, or no host answers ARP or neighbour discovery.
	silences = []error{context.DeadlineExceeded, os.ErrDeadlineExceeded, syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.EHOSTDOWN}
	// refusals: a kernel is there and refuses.
	refusals = []error{syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ENOPROTOOPT}
)

// noConnection says what a connection that was not made means.
func noConnection(err error) answer {
	says := func(meanings []error) bool {
		return slices.ContainsFunc(meanings, func(meaning error) bool { return errors.Is(err, meaning) })
	}
	switch {
	case says(silences):
		return answer{ProbeDone: election.ProbeDone{Verdict: election.Free, Detail: fmt.Sprintf("no reaction: %v", err)}}
	case says(refusals):
		return answer{election.ProbeDone{Verdict: election.Zombie, Detail: err.Error()}, true}
	}
	return answer{ProbeDone: election.ProbeDone{Verdict: election.Unasked, Detail: fmt.Sprintf("could not ask: %v", err)}}
}

// judge says what an identity at the virtual address means.
func (p VIPProbe) judge(id Identity) election.ProbeDone {
	r := election.ProbeDone{Detail: fmt.Sprintf("node %s of cluster %s is %s", id.Node, id.Cluster, id.State)}
	switch {
	case id.Cluster != p.Cluster:
		r.Verdict = election.Foreign
	case id.Node == p.Node:
		r.Verdict = election.Zombie
		r.Detail += ": another host has the name of this node"
	case id.State == stateLeaving:
		r.Verdict = election.Free
	case id.State != stateActive:
		r.Verdict = election.Zombie
	case id.Distress:
		r.Verdict = election.LiveDistress
	default:
		r.Verdict = election.Live
	}
	return r
}
