// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/pkg/announce"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/fault"
	"github.com/harbinger-ha/harbinger/pkg/guard"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/metrics"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
	"github.com/harbinger-ha/harbinger/pkg/vrrpconn"
)

const (
	// learnEvery is how often a node is asked for its hardware address as long as it has not answered.
	learnEvery = 5 * time.Second
	// watchRetry is how soon the watch for foreign claims is opened again after the link failed under it.
	watchRetry = time.Second
)

// A notify gives an event to the election.
type notify func(context.Context, election.Event)

// neighbours are the other hosts on the link: the nodes, whose hardware addresses the announcer learns, and foreign hosts
// that claim a virtual address.
type neighbours struct {
	log       logr.Logger
	metrics   *metrics.Metrics
	members   *members
	announcer *announce.Announcer
}

// learn makes a node known as a peer. Its hardware address arrives later, at the watch for claims.
func (n *neighbours) learn(peer, primary netip.Addr) {
	if err := n.announcer.Learn(peer, primary); err != nil {
		n.metrics.Failed("learn")
		n.log.V(1).Info(logging.MsgPeerNotAsked, logging.KeyPeer, peer, logging.KeyReason, fault.Words(err))
	}
}

// peerOf returns the peer that has a hardware address. An unknown one may be a peer's new one: they are asked again.
func (n *neighbours) peerOf(mac net.HardwareAddr) (netip.Addr, bool) {
	peer, known := n.announcer.PeerOf(mac)
	if !known {
		n.announcer.Doubt()
		n.learnAll()
	}
	return peer, known
}

// announceOwn announces the own addresses, which the kernel does not do for a new hardware address.
func (n *neighbours) announceOwn(own []netip.Addr) {
	for _, a := range own {
		if err := n.announcer.Announce(a); err != nil {
			n.metrics.Failed("announce")
		}
	}
}

// learnAll makes the nodes known that the members name: those in Backup are never heard, and a claim of one must not be taken
// for a foreign host's.
func (n *neighbours) learnAll() {
	nodes := n.members.now().Neighbours()
	var named []netip.Addr
	for _, node := range nodes {
		named = append(named, node.Address)
	}
	n.announcer.Name(named)
	for _, node := range nodes {
		n.learn(node.Address, node.Source)
	}
}

// watch reports every other host that claims a virtual address, and learns the nodes.
func (n *neighbours) watch(ctx context.Context, notify notify) error {
	claims := make(chan announce.Claim)
	g, ctx := guard.WithContext(ctx)
	g.Go(func() error {
		defer close(claims)
		n.watchClaims(ctx, claims)
		return nil
	})
	g.Go(func() error {
		for c := range claims {
			if !c.Peer.IsValid() { // of a foreign host, or of a peer whose hardware address is new: the next claim shows it
				n.peerOf(c.MAC)
			}
			notify(ctx, election.AddressClaimed{Address: c.Address, Owner: c.MAC.String(), Peer: c.Peer})
		}
		return nil
	})
	g.Go(func() error {
		for {
			n.learnAll()
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(learnEvery):
			}
		}
	})
	return g.Wait()
}

// watchClaims sends every claim until ctx ends. A link that goes down ends the socket's reads, but not the watch.
func (n *neighbours) watchClaims(ctx context.Context, claims chan<- announce.Claim) {
	for {
		err := n.announcer.Watch(ctx, n.members.now().VirtualAddresses(), claims)
		if ctx.Err() != nil {
			return
		}
		n.metrics.Failed("watch")
		n.log.V(1).Info(logging.MsgClaimWatchFailed, logging.KeyReason, fault.Words(err))
		select {
		case <-ctx.Done():
		case <-time.After(watchRetry):
		}
	}
}

// learningConn makes every node that is heard known as a peer.
type learningConn struct {
	*vrrpconn.Conn
	neighbours *neighbours
	vip        netip.Addr
}

// Receive implements control.Conn.
func (c learningConn) Receive() (vrrp.Packet, bool, error) {
	p, ok, err := c.Conn.Receive()
	if ok {
		c.neighbours.learn(p.Source, c.neighbours.members.now().Primary(c.vip))
	}
	return p, ok, err
}
