// SPDX-License-Identifier: Apache-2.0

package vrrpconn

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/socket"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

var (
	vip4 = netip.MustParseAddr("192.168.238.100")
	vip6 = netip.MustParseAddr("fd00:99::100")
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m.Run)) }

// must ends the test at an error.
var must = labtest.Must

// mode is one way to send.
type mode struct {
	name    string
	version vrrp.Version
	ipv6    bool
	unicast bool
}

var modes = []mode{
	{name: "version 2 multicast", version: vrrp.Version2},
	{name: "version 2 unicast", version: vrrp.Version2, unicast: true},
	{name: "version 3 IPv4 multicast", version: vrrp.Version3},
	{name: "version 3 IPv4 unicast", version: vrrp.Version3, unicast: true},
	{name: "version 3 IPv6 multicast", version: vrrp.Version3, ipv6: true},
	{name: "version 3 IPv6 unicast", version: vrrp.Version3, ipv6: true, unicast: true},
}

func (m mode) vip() netip.Addr {
	if m.ipv6 {
		return vip6
	}
	return vip4
}

func (m mode) advertisement(priority uint8) vrrp.Advertisement {
	return vrrp.Advertisement{
		Version: m.version, VRID: 51, Priority: priority, Interval: time.Second, Addresses: []netip.Addr{m.vip()},
	}
}

// address is the address of a host that its packets come from.
func (m mode) address(t *testing.T, h *lab.Host) netip.Addr {
	t.Helper()
	switch {
	case !m.ipv6:
		return h.Address.Addr()
	case m.unicast:
		return h.Address6.Addr()
	}
	var found netip.Addr
	must(t, h.Do(func() error {
		addrs, err := eth0(t).Addrs()
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().IsLinkLocalUnicast() && p.Addr().Is6() {
				found = p.Addr().WithZone("")
			}
		}
		return err
	}))
	return found
}

// eth0 is the interface of the host that the caller is in.
func eth0(t *testing.T) *net.Interface {
	ifi, err := net.InterfaceByName(lab.Interface)
	if err != nil {
		t.Error(err)
		return &net.Interface{}
	}
	return ifi
}

// config is that of a host among peers.
func (m mode) config(t *testing.T, h *lab.Host, peers ...*lab.Host) Config {
	t.Helper()
	source := m.address(t, h)
	cfg := Config{Source: source, Dropped: new(drops).count, Rules: vrrp.Rules{
		Version: m.version, VRID: 51, Addresses: []netip.Addr{m.vip()}, Interval: time.Second,
		Own: []netip.Addr{source}, Multicast: !m.unicast, MinimumTTL: 255,
	}}
	for _, p := range peers {
		if m.unicast {
			cfg.Peers = append(cfg.Peers, m.address(t, p))
		}
	}
	if m.unicast {
		cfg.Rules.Sources = cfg.Peers
	}
	return cfg
}

// listen opens a Conn in a host, which the test closes.
func listen(t *testing.T, h *lab.Host, cfg Config) *Conn {
	t.Helper()
	var c *Conn
	must(t, h.Do(func() error {
		cfg.Interface = *eth0(t)
		var err error
		c, err = Listen(cfg)
		return err
	}))
	t.Cleanup(func() { _ = c.Close() }) // the test may have closed it
	return c
}

// receive returns the next accepted packet.
func receive(t *testing.T, c *Conn) vrrp.Packet {
	t.Helper()
	var p vrrp.Packet
	must(t, lab.Until(5*time.Second, "a packet is accepted", func() bool {
		got, ok, err := c.Receive()
		must(t, err)
		p = got
		return ok
	}))
	return p
}

// inject sends any bytes as the payload of a packet.
func inject(c *Conn, payload []byte, to netip.Addr) error {
	return socket.Control(c.raw, func(fd int) error { return new(writer).send(fd, payload, c.source, to, c.cfg.Interface.Index) })
}

// drops counts the packets that a Conn did not accept.
type drops struct {
	mu       sync.Mutex
	byReason map[string]int
	total    int
	source   netip.Addr
}

func (d *drops) count(reason string, source netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byReason == nil {
		d.byReason = map[string]int{}
	}
	d.byReason[reason]++
	d.total++
	d.source = source
}

func (d *drops) sum() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.total
}
