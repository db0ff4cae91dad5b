// SPDX-License-Identifier: Apache-2.0

// Package vrrpconn sends and receives the advertisements of package vrrp on one interface, over a raw socket of one
// address family. It applies the rules of receipt and says why a packet was refused. It keeps no time, decides nothing
// and never changes an address.
package vrrpconn

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/socket"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// Config says what a Conn sends and what it accepts. All fields but Peers and Signing are required.
type Config struct {
	Interface net.Interface
	Source    netip.Addr   // of our packets; its family is the socket's
	Peers     []netip.Addr // unicast to these; multicast without
	Rules     vrrp.Rules
	Signing   *Signing // nil: advertisements have no trailer
	// Dropped is called for each packet that is not accepted, by the goroutine that calls Receive. The source is invalid
	// for packets that the kernel dropped.
	Dropped func(reason string, source netip.Addr)
}

// Conn is a socket of protocol 112 on one interface. Send and Receive belong to one goroutine. Wait may run in another at
// the same time; Close, SetPeers and Look may be called from any.
type Conn struct {
	cfg  Config
	conn *net.IPConn
	raw  syscall.RawConn

	mu           sync.Mutex // guards where packets go to and come from: destinations, forbidden and cfg.Rules
	destinations []netip.Addr
	forbidden    map[netip.Addr]int // destinations that this host did not let the last advertisement out to, and for how many looks

	tapped  atomic.Bool // a tap is open
	tapping sync.Mutex  // guards tap, sought and closed
	sought  time.Time   // when a sender was looked for last
	tap     *tap        // nil: not open
	closed  bool

	source  []byte // control message that sets the source address
	message []byte // as last sent
	out     writer
	in      *reader
	taken   int // packets since Receive last reported that none is left
}

// Listen opens the socket. It needs CAP_NET_RAW and CAP_NET_ADMIN.
func Listen(cfg Config) (*Conn, error) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return socket.Control(raw, func(fd int) error { return configure(fd, cfg) })
	}}
	network := fmt.Sprintf("ip4:%d", vrrp.Protocol)
	if cfg.Source.Is6() {
		network = fmt.Sprintf("ip6:%d", vrrp.Protocol)
	}
	pc, err := lc.ListenPacket(context.Background(), network, "")
	if err != nil {
		return nil, fmt.Errorf("listen for VRRP on %s: %w", cfg.Interface.Name, err)
	}
	conn := pc.(*net.IPConn)
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &Conn{
		cfg: cfg, conn: conn, raw: raw,
		destinations: destinations(cfg.Source, cfg.Peers), forbidden: map[netip.Addr]int{}, source: sourceMessage(cfg), in: newReader(),
	}, nil
}

// SetPeers replaces the peers of a unicast socket: where advertisements go, and whose are accepted.
func (c *Conn) SetPeers(peers []netip.Addr) error {
	if len(c.cfg.Peers) == 0 || len(peers) == 0 {
		return errors.New("peers cannot be added to a multicast socket nor all be removed from a unicast one: open another socket")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.destinations, c.cfg.Rules.Sources = destinations(c.cfg.Source, peers), peers
	maps.DeleteFunc(c.forbidden, func(to netip.Addr, _ int) bool { return !slices.Contains(c.destinations, to) })
	return nil
}

// destinations are where an advertisement goes: the peers, or the group of the family.
func destinations(source netip.Addr, peers []netip.Addr) []netip.Addr {
	if len(peers) == 0 {
		return []netip.Addr{group(source)}
	}
	out := make([]netip.Addr, len(peers))
	for i, p := range peers {
		out[i] = p.WithZone("")
	}
	return out
}

func group(source netip.Addr) netip.Addr {
	if source.Is6() {
		return vrrp.GroupIPv6
	}
	return vrrp.GroupIPv4
}

// sourceMessage makes the control message that sets the source address. The socket is not bound to it: one that is
// hears no multicast over IPv4.
func sourceMessage(cfg Config) []byte {
	if cfg.Source.Is6() {
		return unix.PktInfo6(&unix.Inet6Pktinfo{Addr: cfg.Source.As16(), Ifindex: uint32(cfg.Interface.Index)})
	}
	return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: cfg.Source.As4(), Ifindex: int32(cfg.Interface.Index)})
}

// Send sends an advertisement to the group or to every peer. It never blocks; one peer that cannot be reached does not
// keep it from the others.
func (c *Conn) Send(a vrrp.Advertisement) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	trailer, err := c.sign(a)
	if err != nil {
		return err
	}
	return socket.Control(c.raw, func(fd int) error {
		var errs []error
		for _, to := range c.destinations {
			err := c.sendTo(fd, a, trailer, to)
			if delete(c.forbidden, to); errors.Is(err, unix.EPERM) {
				c.forbidden[to] = forbiddenLooks
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("send to %s: %w", to, err))
			}
		}
		return errors.Join(errs...)
	})
}

// sign returns the trailer of an advertisement, which is the same for every destination: it leaves the checksum out.
func (c *Conn) sign(a vrrp.Advertisement) (trailer []byte, err error) {
	if c.cfg.Signing == nil {
		return nil, nil
	}
	source := c.cfg.Source.WithZone("")
	c.message, err = a.AppendBinary(c.message[:0], source, group(source), c.cfg.Rules.Checksum.Form())
	if err != nil {
		return nil, err
	}
	return c.cfg.Signing.sign(c.message, source), nil
}

// sendTo makes the checksum here for IPv6 too. Were it left to the kernel (IPV6_CHECKSUM), the kernel would check it on
// receipt as well and drop packets that nobody counts under their reason.
func (c *Conn) sendTo(fd int, a vrrp.Advertisement, trailer []byte, to netip.Addr) error {
	var err error
	c.message, err = a.AppendSigned(c.message[:0], c.cfg.Source.WithZone(""), to, c.cfg.Rules.Checksum.Form(), trailer)
	if err != nil {
		return err
	}
	return c.out.send(fd, c.message, c.source, to, c.cfg.Interface.Index)
}

// Wait blocks until a packet is queued, without taking it. It returns net.ErrClosed after Close.
func (c *Conn) Wait() error {
	woken := false
	return c.raw.Read(func(fd uintptr) bool {
		if woken { // Receive finds out whether there is one
			return true
		}
		woken = true
		return readable(int(fd))
	})
}

// Close closes the socket and ends Wait.
func (c *Conn) Close() error {
	c.tapping.Lock()
	defer c.tapping.Unlock()
	c.closeTap()
	c.closed = true
	return c.conn.Close()
}
