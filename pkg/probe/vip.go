// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// Verdict is what a probe of a virtual address found.
type Verdict uint8

// The verdicts.
const (
	// Free: nobody reacts to a connection, whoever answers ARP for the address, or the holder is leaving.
	Free Verdict = iota
	// Zombie: somebody reacts, but nobody says that he holds the address. So does the kernel of a holder that was
	// killed or frozen, and a host that has nothing to do with the group.
	Zombie
	// Live: another node says that it is Active.
	Live
	// LiveDistress: the same, without a healthy backend.
	LiveDistress
	// Foreign: a node of another cluster answers.
	Foreign
)

var verdicts = [...]string{"Free", "Zombie", "Live", "LiveDistress", "Foreign"}

// String returns the name of the verdict.
func (v Verdict) String() string { return verdicts[v] }

// Result is the answer to a probe.
type Result struct {
	Verdict Verdict
	// Owner is the hardware address that answers for the virtual one, if the verdict may hang on it.
	Owner      net.HardwareAddr
	KnownOwner bool     // it is a peer's
	Identity   Identity // zero without one
	Detail     string   // for people
}

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

// Probe asks until there is an answer or ctx ends: its deadline is the time that a live holder has for the answer.
//
// What keeps the probe itself from working is a Zombie with the error as its detail: it proves nothing, and the caller
// waits for a Zombie only for a while.
func (p VIPProbe) Probe(ctx context.Context, vip netip.Addr) Result {
	if local(vip) {
		return Result{Verdict: Zombie, Detail: fmt.Sprintf("%s is an address of this host: it cannot be probed from here", vip)}
	}
	resolving, stop := context.WithCancel(ctx)
	defer stop()
	var owners []net.HardwareAddr
	var err error
	var resolver sync.WaitGroup
	resolver.Go(func() { owners, err = p.Resolver.Resolve(resolving, vip, p.Source) })
	r := p.ask(ctx, vip)
	if r.Verdict != Zombie && r.Verdict != Foreign {
		stop()
	}
	resolver.Wait()
	if err != nil {
		r.Detail += "; " + err.Error()
	}
	r.Owner, r.KnownOwner = p.owner(owners)
	return r
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

// ask makes the attempts and returns at the first that says something.
func (p VIPProbe) ask(ctx context.Context, vip netip.Addr) Result {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	results := make(chan Result, attempts) // room for all: nobody reads the rest
	for i := range attempts {
		running.Go(func() {
			pause(ctx, time.Duration(i)*attemptInterval)
			results <- p.attempt(ctx, vip)
		})
	}
	var r Result
	for range attempts {
		if r = <-results; r.Verdict != Free || r.Identity != (Identity{}) {
			break
		}
	}
	return r
}

// attempt makes one connection.
func (p VIPProbe) attempt(ctx context.Context, vip netip.Addr) Result {
	dialer := net.Dialer{
		LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(p.Source, 0)),
		Control:   p.bind,
	}
	conn, err := dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(vip, p.Port).String())
	if silent(err) {
		return Result{Verdict: Free, Detail: fmt.Sprintf("no reaction: %v", err)}
	}
	if err != nil {
		return Result{Verdict: Zombie, Detail: err.Error()}
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })() // ends the read
	id, err := readIdentity(conn)
	if err != nil {
		return Result{Verdict: Zombie, Detail: fmt.Sprintf("connected to %s: %v", conn.RemoteAddr(), err)}
	}
	return p.judge(id)
}

// bind keeps a socket on the interface.
func (p VIPProbe) bind(_, _ string, c syscall.RawConn) error {
	var err error
	return errors.Join(c.Control(func(fd uintptr) { err = syscall.BindToDevice(int(fd), p.Interface) }), err)
}

// silent reports whether an error of a connection says that nobody is there.
func silent(err error) bool {
	for _, none := range []error{
		context.DeadlineExceeded, context.Canceled, os.ErrDeadlineExceeded,
		syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.EHOSTDOWN, syscall.ENETUNREACH,
	} {
		if errors.Is(err, none) {
			return true
		}
	}
	return false
}

// judge says what an identity at the virtual address means.
func (p VIPProbe) judge(id Identity) Result {
	r := Result{Identity: id, Detail: fmt.Sprintf("node %s of cluster %s is %s", id.Node, id.Cluster, id.State)}
	switch {
	case id.Cluster != p.Cluster:
		r.Verdict = Foreign
	case id.Node == p.Node:
		r.Verdict = Zombie
		r.Detail += ": another host bears the name of this node"
	case id.State == stateLeaving:
		r.Verdict = Free
	case id.State != stateActive:
		r.Verdict = Zombie
	case id.Distress:
		r.Verdict = LiveDistress
	default:
		r.Verdict = Live
	}
	return r
}
