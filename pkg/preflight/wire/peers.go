// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"net/netip"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/probe"
)

const (
	// maxPeers bounds the hosts that are asked: others that say that they run the check are left out.
	maxPeers = maxReports
	// settledAfter is how long after it was met the last word on a peer is spoken: both have sent many packets by then.
	settledAfter = 3 * time.Second
	// completeAfter is for how much longer packets are sent after everything has passed: the peer may have met this host later.
	completeAfter = time.Second
	// reportAge is how long a peer must have been met before what it has not received counts as lost.
	reportAge = 1500 * time.Millisecond
)

// A peer is another host that runs the check, or is to run it.
type peer struct {
	address  netip.Addr
	name     string
	expected bool      // by the configuration or the command line
	group    uint64    // of its configuration
	met      time.Time // zero: it has not said that it runs the check
	complete time.Time // since when nothing is missing
	here     passed    // from it, and what it has answered
	there    passed    // what it says that has passed between it and this host
	thereAt  time.Time // when it said that last; zero: it has said nothing
	forbids  bool      // this host does not let packets out to it
	longest  int       // packet that passes both ways, where not all do; 0: not known
	says     probe.Identity
	// advertised says whether its advertisements have arrived at the interface of this host, and heard whether at a socket.
	advertised, heard bool
}

// everything is what a peer and this host receive of each other where nothing is lost.
const everything = groupDelivered | unicastDelivered | fullDelivered | identityAnswered | echoAnswered

// A roster is what is known of the peers.
type roster struct {
	instance uint64
	group    uint64
	own      []netip.Addr // without zones
	peers    []*peer
}

// add returns the peer of an address, or nil for one too many and for this host.
func (r *roster) add(address netip.Addr) *peer {
	address = address.Unmap().WithZone("")
	if slices.Contains(r.own, address) {
		return nil
	}
	for _, p := range r.peers {
		if p.address == address {
			return p
		}
	}
	if len(r.peers) >= maxPeers {
		return nil
	}
	p := &peer{address: address}
	r.peers = append(r.peers, p)
	return p
}

// hear takes a message from an address, and what has passed with it. One of this run itself, which the network has returned, does
// not count.
func (r *roster) hear(from netip.Addr, m message, what passed, now time.Time) {
	if m.instance == r.instance {
		return
	}
	p := r.add(from)
	if p == nil {
		return
	}
	if p.met.IsZero() {
		p.met = now
	}
	p.name, p.group, p.here = m.name, m.group, p.here|what
	if there, ok := m.about(r.own); ok {
		p.there, p.thereAt = p.there|there, now
	}
	if p.complete.IsZero() && p.here&everything == everything && p.there&everything == everything {
		p.complete = now
	}
}

// advertisement notes that a packet of VRRP has come from an address.
func (r *roster) advertisement(from netip.Addr, delivered bool) {
	for _, p := range r.peers {
		if p.address == from.WithZone("") {
			p.advertised, p.heard = true, p.heard || delivered
		}
	}
}

// settled reports whether nothing more is to be learned of a peer.
func (p *peer) settled(now time.Time) bool {
	return !p.met.IsZero() && (now.Sub(p.met) >= settledAfter || !p.complete.IsZero() && now.Sub(p.complete) >= completeAfter)
}

// done reports whether nothing more is to be learned: of those that are expected, where there are any, and of those that were met.
func (r *roster) done(now time.Time) bool {
	expects := false
	for _, p := range r.peers {
		expects = expects || p.expected
		if (p.expected || !p.met.IsZero()) && !p.settled(now) {
			return false
		}
	}
	return expects
}

// message returns what this host has to say to the peers.
func (r *roster) message(name string) message {
	m := message{instance: r.instance, group: r.group, name: name}
	for _, p := range r.peers {
		if p.here != 0 || !p.met.IsZero() {
			m.reports = append(m.reports, report{p.address, p.here})
		}
	}
	return m
}

// String names a peer.
func (p *peer) String() string {
	switch {
	case p.name != "":
		return p.address.String() + " (" + p.name + ")"
	case p.says.Node != "":
		return p.address.String() + " (" + p.says.Node + ")"
	}
	return p.address.String()
}
