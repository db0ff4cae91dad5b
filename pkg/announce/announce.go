// SPDX-License-Identifier: Apache-2.0

// Package announce speaks ARP and neighbour discovery on one Ethernet link: it announces the hardware
// address of a virtual address to the neighbours, reports other hosts that claim it, and asks which hosts answer for an address.
//
// It works on the wire alone: the neighbour tables of the kernel are neither read nor changed, and it does not decide
// who may claim an address.
package announce

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/mdlayher/packet"
)

// A Link is the interface to speak on.
type Link struct {
	Name  string
	Index int
	MAC   net.HardwareAddr
}

func (l Link) listen(protocol int, cfg *packet.Config) (*packet.Conn, error) {
	ifi := &net.Interface{Name: l.Name, Index: l.Index, HardwareAddr: l.MAC}
	conn, err := packet.Listen(ifi, packet.Raw, protocol, cfg)
	if err != nil {
		return nil, fmt.Errorf("open packet socket on %s: %w", l.Name, err)
	}
	return conn, nil
}

// An Announcer sends and watches on one link. Its methods may be called from several goroutines.
type Announcer struct {
	mu     sync.Mutex
	link   Link
	conn   *packet.Conn    // sends; it is bound to no protocol and receives nothing
	valid  context.Context // ends when the link is replaced
	expire context.CancelFunc
	peers  map[netip.Addr]peer
	owners map[netip.Addr]net.HardwareAddr // who claimed a watched address last
	spare  map[int]*receiver               // for the next question, by protocol
}

// A peer is a node of the group.
type peer struct {
	mac     net.HardwareAddr // nil until learned
	asked   time.Time
	heard   time.Time // when Learn was called for it last
	named   bool      // by Name: no other host displaces it
	doubted bool      // it may have another hardware address by now
}

const (
	// maxHeard bounds how many nodes are remembered that nobody has named: any host may invent some.
	maxHeard = 32
	// forgetAfter is for how long such a node keeps its place after it was heard.
	forgetAfter = 10 * time.Second
	// askInterval is the time between two questions to a peer that does not answer.
	askInterval = time.Second
)

// New returns an announcer for a link, which may be down.
func New(link Link) (*Announcer, error) {
	a := &Announcer{peers: map[netip.Addr]peer{}, owners: map[netip.Addr]net.HardwareAddr{}, spare: map[int]*receiver{}, expire: func() {}}
	if err := a.SetLink(link); err != nil {
		return nil, err
	}
	return a, nil
}

// SetLink replaces the link: another interface, or one that has another hardware address now. What is known of the neighbours
// stays, and a Watch goes on there. After an error the link is the one before.
func (a *Announcer) SetLink(link Link) error {
	if len(link.MAC) != macLen {
		return fmt.Errorf("interface %s: hardware address %q is not Ethernet's", link.Name, link.MAC)
	}
	conn, err := link.listen(0, nil)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.conn != nil {
		_ = a.conn.Close() // nothing is lost: it does not receive
	}
	a.expire()
	a.closeSpare()
	a.link, a.conn = link, conn
	a.valid, a.expire = context.WithCancel(context.Background())
	return nil
}

// Close ends the announcer.
func (a *Announcer) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.expire()
	a.closeSpare()
	return a.conn.Close()
}

// current returns the link, and a context that ends when it is replaced.
func (a *Announcer) current() (Link, context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.link, a.valid
}

// Announce announces the address to all neighbours: one gratuitous ARP request, or one unsolicited neighbour
// advertisement. The frames are those of keepalived.
func (a *Announcer) Announce(addr netip.Addr) error {
	link, _ := a.current()
	frame, err := announcement(link.MAC, addr)
	if err != nil {
		return fmt.Errorf("announce %s: %w", addr, err)
	}
	return a.send(frame)
}

// Name says which nodes are peers whether or not they are heard. They have a place among any number of others; those that are not
// named any more are forgotten until they are heard.
func (a *Announcer) Name(addrs []netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for addr, p := range a.peers {
		if p.named && !slices.Contains(addrs, addr) {
			delete(a.peers, addr)
		}
	}
	for _, addr := range addrs {
		p := a.peers[addr]
		p.named = true
		a.peers[addr] = p
	}
}

// Learn makes a node known as a peer, so that PeerOf finds it by its hardware address. While that is unknown, each call
// asks for it, at most once a second; source is the address of this node to ask with. The answer arrives at Watch. Learn does
// not wait and may be called at every packet of the peer.
func (a *Announcer) Learn(addr, source netip.Addr) error {
	if !a.due(addr, time.Now()) {
		return nil
	}
	return a.ask(addr, source)
}

// due reports whether it is time to ask for the hardware address of a peer, and notes that it is done.
func (a *Announcer) due(addr netip.Addr, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, known := a.peers[addr]
	if !known && !a.makeRoom(now) {
		return false
	}
	p.heard = now
	ask := (p.mac == nil || p.doubted) && now.Sub(p.asked) >= askInterval
	if ask {
		p.asked = now
	}
	a.peers[addr] = p
	return ask
}

// makeRoom reports whether there is room for a node that nobody has named. Of those that are there, the one that was heard longest
// ago gives way, but not one of a moment ago: a host that invents nodes would make this one ask for each. The caller has the lock.
func (a *Announcer) makeRoom(now time.Time) bool {
	heard, oldest := 0, netip.Addr{}
	for addr, p := range a.peers {
		if p.named {
			continue
		}
		heard++
		if !oldest.IsValid() || p.heard.Before(a.peers[oldest].heard) {
			oldest = addr
		}
	}
	if heard < maxHeard {
		return true
	}
	if now.Sub(a.peers[oldest].heard) < forgetAfter {
		return false
	}
	delete(a.peers, oldest)
	return true
}

// Doubt has every peer asked for its hardware address again at the next Learn, as one may have changed its: an unknown hardware
// address was seen. Until the answer the one before counts.
func (a *Announcer) Doubt() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for addr, p := range a.peers {
		p.doubted = true
		a.peers[addr] = p
	}
}

// PeerOf returns the peer that has a hardware address.
func (a *Announcer) PeerOf(mac net.HardwareAddr) (netip.Addr, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for addr, p := range a.peers {
		if p.mac != nil && slices.Equal(p.mac, mac) {
			return addr, true
		}
	}
	return netip.Addr{}, false
}

// known returns the hardware addresses of some peers of a family.
func (a *Announcer) known(family netip.Addr, most int) map[netip.Addr]net.HardwareAddr {
	a.mu.Lock()
	defer a.mu.Unlock()
	some := map[netip.Addr]net.HardwareAddr{}
	for addr, p := range a.peers {
		if p.mac != nil && addr.Is6() == family.Is6() && len(some) < most {
			some[addr] = p.mac
		}
	}
	return some
}

// see remembers the hardware address of a peer.
func (a *Announcer) see(s sighting) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p, ok := a.peers[s.addr]; ok {
		p.mac, p.doubted = s.mac, false
		a.peers[s.addr] = p
	}
}

// claimed remembers who claimed an address.
func (a *Announcer) claimed(s sighting) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.owners[s.addr] = s.mac
}

func (a *Announcer) owner(addr netip.Addr) net.HardwareAddr {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.owners[addr]
}

func (a *Announcer) send(frame []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, err := a.conn.WriteTo(frame, &packet.Addr{HardwareAddr: frame[:macLen]})
	if err != nil {
		return fmt.Errorf("send on %s: %w", a.link.Name, err)
	}
	return nil
}
