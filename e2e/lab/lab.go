// SPDX-License-Identifier: Apache-2.0

// Package lab builds a network of hosts on one machine: network namespaces on a bridge, with links that can be cut, filters
// that can be set, and processes that can be killed, frozen and thawed. Tests, the demo and the benchmarks run on it.
//
// A lab lives in anonymous namespaces that only open files keep alive, its hosts write to memory, and its processes die with
// their parent: whatever happens to the program that made it, nothing stays behind. No namespace has a default route but to
// another one, see [Host.RouteBy], so no packet leaves the machine. The package measures nothing; package watch does.
package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
)

// The switches that all hosts are plugged into.
const (
	bridgeName    = "switch"
	backplaneName = "backplane"
)

// FirstNode is the number of the first of the hosts that [Config.Nodes] asks for: the first address of the classic
// keepalived recipe ends in it.
const FirstNode = 130

// Config describes a lab.
type Config struct {
	// Nodes is how many hosts named node1, node2, … are made at once.
	Nodes int
	// Prefix is the IPv4 network of the hosts: 192.168.238.0/24 if not set.
	Prefix netip.Prefix
	// Prefix6 is their IPv6 network. Not set, they have link-local addresses only.
	Prefix6 netip.Prefix
	// Backplane is a second IPv4 network of the hosts, on an interface and a switch of its own, which no fault of the first
	// one touches. Not set, there is none.
	Backplane netip.Prefix
}

// A Lab is a bridge and the hosts that are plugged into it.
type Lab struct {
	cfg       Config
	wire      *Netns // holds the bridges, and is no host's
	bridge    *netlink.Bridge
	backplane *netlink.Bridge // nil without a second network
	filter    filter

	mu    sync.Mutex
	hosts []*Host
}

// New returns a lab with its first hosts.
func New(cfg Config) (*Lab, error) {
	if !cfg.Prefix.IsValid() {
		cfg.Prefix = netip.MustParsePrefix("192.168.238.0/24")
	}
	wire, err := NewNetns()
	if err != nil {
		return nil, err
	}
	l := &Lab{cfg: cfg, wire: wire}
	l.filter.wire = wire
	if err := l.build(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Lab) build() error {
	if err := l.wire.Do(l.addBridges); err != nil {
		return err
	}
	for i := range l.cfg.Nodes {
		if _, err := l.AddHost(fmt.Sprintf("node%d", i+1), uint8(FirstNode+i)); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) addBridges() (err error) {
	if err := plainSwitch(); err != nil {
		return err
	}
	if l.bridge, err = addBridge(bridgeName); err != nil || !l.cfg.Backplane.IsValid() {
		return err
	}
	l.backplane, err = addBridge(backplaneName)
	return err
}

// plainSwitch has the bridges pass no frame to the hooks of IP, as they do where br_netfilter is loaded, which Docker and kubeadm ask for: that
// costs each frame time which no switch takes.
func plainSwitch() error {
	for _, family := range []string{"iptables", "ip6tables", "arptables"} {
		err := os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-"+family, []byte("0"), 0)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("have the bridge pass frames on as a switch does: %w", err)
		}
	}
	return nil
}

func addBridge(name string) (*netlink.Bridge, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	snooping := false // a switch without a querier floods; say so
	bridge := &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &snooping}
	if err := netlink.LinkAdd(bridge); err != nil {
		return nil, fmt.Errorf("add bridge: %w", err)
	}
	// The switch itself stays silent on the wire.
	if err := netlink.LinkSetIP6AddrGenMode(bridge, addrGenModeNone); err != nil {
		return nil, fmt.Errorf("silence bridge: %w", err)
	}
	return bridge, netlink.LinkSetUp(bridge)
}

// AddHost plugs a host into the lab. The number ends its addresses in both networks and its MAC address.
func (l *Lab) AddHost(name string, number uint8) (*Host, error) {
	ns, err := NewNetns()
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	return l.addHost(ns, name, number)
}

func (l *Lab) addHost(ns *Netns, name string, number uint8) (*Host, error) {
	h := &Host{
		Netns:   ns,
		Name:    name,
		Address: numbered(l.cfg.Prefix, number),
		MAC:     net.HardwareAddr{0x02, 0, 0, 0, 0, number},
		lab:     l,
	}
	if l.cfg.Prefix6.IsValid() {
		h.Address6 = numbered(l.cfg.Prefix6, number)
	}
	if l.cfg.Backplane.IsValid() {
		h.Backplane = numbered(l.cfg.Backplane, number)
	}
	l.mu.Lock()
	l.hosts = append(l.hosts, h)
	l.mu.Unlock()
	if err := h.build(); err != nil {
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	return h, nil
}

// numbered returns the address with that last byte in a network.
func numbered(prefix netip.Prefix, number uint8) netip.Prefix {
	b := prefix.Masked().Addr().AsSlice()
	b[len(b)-1] = number
	addr, _ := netip.AddrFromSlice(b)
	return netip.PrefixFrom(addr, prefix.Bits())
}

// Hosts returns the hosts in the order they were added.
func (l *Lab) Hosts() []*Host {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.hosts)
}

// HostOf returns the host whose interface has that MAC address.
func (l *Lab) HostOf(mac net.HardwareAddr) (*Host, bool) {
	for _, h := range l.Hosts() {
		if slices.Equal(h.MAC, mac) {
			return h, true
		}
	}
	return nil, false
}

// Close kills every process in the lab and takes its hosts down.
func (l *Lab) Close() error {
	var errs []error
	for _, h := range l.Hosts() {
		errs = append(errs, h.close())
	}
	return errors.Join(append(errs, l.wire.Close())...)
}
