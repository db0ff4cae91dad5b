// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/guard"
	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// A Peer is another host to ask.
type Peer struct {
	Address netip.Addr
	Source  netip.Addr // of the questions
	// APIServer is the port of its apiserver; 0: not known.
	APIServer uint16
}

// Peers asks other nodes, and the gateway, whether they answer. Only what nobody but the host itself can send is a proof: a segment
// of TCP, or the answer to an echo with a nonce. Switches and routers answer ARP, and send ICMP errors, for hosts that they do not
// reach.
type Peers struct {
	Cluster, Node string       // of this node
	Port          uint16       // of the identity endpoints
	Interface     int          // index of the one that the questions leave by, whatever the routes say
	Own           []netip.Addr // the addresses of this node that advertisements come from, and that others know it by
	Peers         []Peer
	// Gateway is the next hop of the default route. An invalid address: there is none.
	Gateway Peer
	// Known is what is known of the gateway from earlier questions.
	Known *Gateway
	// Neighbour asks the hardware address of the gateway, and nobody else, for it by ARP or neighbour discovery.
	Neighbour func(ctx context.Context, target, source netip.Addr) (answers bool, err error)
}

// connections are the parts of the time at which a connection is tried, as TCP repeats a lost packet only after a second.
var connections = []float64{0, .25, .5}

// afterwards are those of what is asked only where there was no answer at once: the apiserver, all hosts by ARP, and peers by an echo,
// which begins with the first of them.
var afterwards = []float64{.15, .4, .6}

// frozenFor is how much too late an answer shows that this process did not run while it should have listened.
const frozenFor = 500 * time.Millisecond

// Ask asks all of them at once, until each has answered or ctx ends. It always answers.
func (p Peers) Ask(ctx context.Context) election.PeersDone {
	if ctx.Err() != nil { // this process did not run while it should have asked
		return election.PeersDone{CouldNotAsk: true}
	}
	deadline, bounded := ctx.Deadline()
	found := make([]reach, len(p.Peers))
	var gateway election.Finding
	var asking guard.Workers
	for i, peer := range p.Peers {
		asking.Go(func() { p.reach(ctx, peer, &found[i]) })
	}
	if p.Gateway.Address.IsValid() {
		asking.Go(func() { gateway = p.askGateway(ctx) })
	}
	asking.Wait()
	done := p.conclude(found)
	done.Gateway = gateway
	if bounded && time.Since(deadline) > frozenFor {
		done.CouldNotAsk = true
	}
	return done
}

// conclude says what was found.
func (p Peers) conclude(found []reach) election.PeersDone {
	done := election.PeersDone{CouldNotAsk: len(found) > 0}
	for i := range found {
		r, peer := &found[i], p.Peers[i].Address
		if r.asked || r.proven {
			done.CouldNotAsk = false
		}
		if !r.proven {
			continue
		}
		done.Reached = append(done.Reached, peer)
		id := r.identity
		if id.Cluster != p.Cluster || id.Node == p.Node || !id.Witness.recent() {
			continue
		}
		if !id.Witness.of(p.Own) {
			if !id.Witness.Silent {
				done.Heard = append(done.Heard, id.Witness.Holder)
			}
			continue
		}
		done.Witnesses = append(done.Witnesses, peer)
		if id.Witness.Failures >= witnessFailures {
			done.Unreachable = append(done.Unreachable, peer)
		}
	}
	return done
}

// reach is what is known of one host.
type reach struct {
	mu       sync.Mutex
	asked    bool // something was sent to it
	proven   bool
	identity Identity // zero: it did not say
}

func (r *reach) note(asked, proven bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked, r.proven = r.asked || asked, r.proven || proven
}

func (r *reach) said(id Identity) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.identity = id
}

// reach asks a peer on every channel until it has answered on one. The identity port is asked for its line, too, also where the
// peer answers otherwise.
func (p Peers) reach(ctx context.Context, peer Peer, r *reach) {
	from, to := p.ends(peer)
	unproven, proves := context.WithCancel(ctx)
	defer proves()
	note := func(asked, proven bool) {
		if r.note(asked, proven); proven {
			proves()
		}
	}
	var asking guard.Workers
	defer asking.Wait()
	asking.Go(func() {
		spread(ctx, connections, func(ctx context.Context) (enough bool) {
			conn, passed, err := from.counted(ctx, netip.AddrPortFrom(to, p.Port), func(int) error { return nil })
			note(proof(passed, err))
			if err != nil {
				return passed.In > 0 // it refuses
			}
			id, err := identityOf(ctx, conn)
			if err == nil {
				r.said(id)
			}
			return err == nil
		})
	})
	if peer.APIServer != 0 {
		asking.Go(func() { from.knocks(unproven, netip.AddrPortFrom(to, peer.APIServer), afterwards, note) })
	}
	asking.Go(func() {
		if spare(unproven, afterwards[0]) {
			answered, asked := from.echo(unproven, to)
			note(asked, answered)
		}
	})
}

// ends returns where the questions to a host come from and go to. A link-local address needs its interface.
func (p Peers) ends(peer Peer) (origin, netip.Addr) {
	from, to := origin{index: p.Interface, source: peer.Source}, peer.Address
	if to.Is6() && to.IsLinkLocalUnicast() {
		from.source, to = netip.Addr{}, to.WithZone(strconv.Itoa(p.Interface))
	}
	return from, to
}

// proof says what an attempt to connect shows: whether it was sent, and whether the other kernel has answered.
func proof(passed socket.Segments, err error) (asked, proven bool) {
	return err == nil || passed.Out > 0, err == nil || passed.In > 0
}

// knocks tries connections to a port until there is an answer, and completes none.
func (o origin) knocks(ctx context.Context, to netip.AddrPort, at []float64, note func(asked, proven bool)) {
	spread(ctx, at, func(ctx context.Context) bool {
		conn, passed, err := o.counted(ctx, to, quiet)
		if err == nil {
			drop(conn)
		}
		asked, proven := proof(passed, err)
		note(asked, proven)
		return proven
	})
}

// identityOf reads what a process says and closes the connection.
func identityOf(ctx context.Context, conn net.Conn) (Identity, error) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })() // ends the read
	return ReadIdentity(conn)
}
