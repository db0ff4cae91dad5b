// SPDX-License-Identifier: Apache-2.0

// Package trial puts a control plane on the hosts of a lab, does faults to it, and measures the outages of a client and
// which hosts have the virtual address. The sidecar on the hosts may be Harbinger, or keepalived with haproxy: the same
// faults are done to both.
package trial

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/lab/watch"
	"github.com/harbinger-ha/harbinger/e2e/load"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
)

// The numbers of the hosts that are no nodes.
const (
	clientNumber  = 200
	watcherNumber = 201
	controlNumber = 202
	unknownNumber = 203
)

// APIServerPort is the port of every host's API server.
const APIServerPort = 6443

// Main prepares the program for trials and runs it; see [lab.Main].
func Main(run func() int) int {
	return lab.Main(run, guest.APIServerRole, guest.ConfinedRole, load.BackendRole, load.SecureBackendRole, load.ClientRole, load.HolderRole, load.PacerRole)
}

// Config describes a control plane.
type Config struct {
	System           System
	Nodes            int            // 3 if not set
	Prefix6          netip.Prefix   // IPv6 network of the hosts, if any
	VirtualAddresses []netip.Prefix // 192.168.238.100/24 if not set
	Port             uint16         // of the virtual address; 4300 if not set
	Interval         time.Duration  // between advertisements; the default of the product if not set
	// Kubernetes is the directory with the programs of a real cluster; see [guest.Kubernetes]. Not set, stand-ins take the
	// place of API servers.
	Kubernetes string
	// Backplane gives the members of etcd a network of their own.
	Backplane bool
	// Client says how often the client asks and how long it waits. On a loaded machine it has to wait longer, or it measures
	// the load.
	Client watch.ClientConfig
}

func (c *Config) setDefaults() {
	c.Nodes, c.Port, c.Interval = cmp.Or(c.Nodes, 3), cmp.Or(c.Port, 4300), cmp.Or(c.Interval, v1alpha1.DefaultAdvertisementInterval)
	if c.VirtualAddresses == nil {
		c.VirtualAddresses = []netip.Prefix{netip.MustParsePrefix("192.168.238.100/24")}
	}
}

// A System is a program, or a set of programs, that holds a virtual address and balances the connections to it.
type System interface {
	Name() string
	// Start runs the system on one node of the plane.
	Start(p *Plane, n *Node) (*Sidecar, error)
	// Ready reports whether the system on a node has found all API servers healthy.
	Ready(n *Node) bool
}

// A Plane is a control plane on the hosts of a lab: an API server and a sidecar on each node, and on further hosts a client,
// an ARP watcher, and an API server without a sidecar, which the client's host asks as the control.
type Plane struct {
	Config
	Lab     *lab.Lab
	Nodes   []*Node
	CA      *guest.Authority
	Control *watch.Control
	Cluster *guest.Kubernetes // nil with stand-ins
	Client  *watch.Client
	Holders *watch.Holders // of the first virtual address
	Answers *watch.Watcher // for the first virtual address

	// Spare is the API server that no fault is done to, for a plane whose own ones a fault takes along.
	Spare netip.AddrPort

	clientHost *lab.Host
	unknown    *lab.Host    // nil before the first call of UnknownHost
	admin      *guest.User  // nil with stand-ins
	endSlow    func() error // of slow API servers
}

// A Node is a host of the control plane.
type Node struct {
	*lab.Host
	Etcd      *lab.Process // nil with a stand-in for the API server
	APIServer *lab.Process
	Sidecar   *Sidecar // the last one; nil before the first
	past      string   // output of those before it
}

// New returns a plane whose sidecars do not run yet. Stand-ins for API servers do; a real cluster is started by
// [Plane.StartCluster].
func New(cfg Config) (*Plane, error) {
	cfg.setDefaults()
	network := lab.Config{Nodes: cfg.Nodes, Prefix6: cfg.Prefix6}
	if cfg.Backplane {
		network.Backplane = netip.MustParsePrefix("10.238.0.0/24")
	}
	l, err := lab.New(network)
	if err != nil {
		return nil, err
	}
	p := &Plane{Config: cfg, Lab: l}
	for _, h := range l.Hosts() {
		p.Nodes = append(p.Nodes, &Node{Host: h})
	}
	if err := errors.Join(p.startAPIServers(), p.startObservers()); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Plane) startAPIServers() (err error) {
	if p.CA, err = guest.NewAuthority(); err != nil {
		return err
	}
	if p.Config.Kubernetes != "" {
		return p.prepareCluster()
	}
	return p.Each(p.StartAPIServer)
}

// StartAPIServer runs the API server of a node, for the first time or again. A real one needs a while until it is ready.
func (p *Plane) StartAPIServer(n *Node) (err error) {
	if p.Cluster != nil {
		n.APIServer, err = p.Cluster.StartAPIServer(n.Host, APIServerPort)
		return err
	}
	standIn, err := guest.StartAPIServer(n.Host, p.CA, APIServerPort, p.VirtualAddress())
	if standIn != nil {
		n.APIServer = standIn.Process
	}
	return err
}

func (p *Plane) startObservers() (err error) {
	if p.clientHost, err = p.Lab.AddHost("client", clientNumber); err != nil {
		return err
	}
	control, err := p.Lab.AddHost("control", controlNumber)
	if err != nil {
		return err
	}
	if _, err := guest.StartAPIServer(control, p.CA, APIServerPort); err != nil {
		return err
	}
	client := p.Config.Client
	if p.Cluster != nil && client.Try == nil { // a real one answers by HTTPS
		client.Try = watch.HTTPS(&tls.Config{RootCAs: p.CA.Pool(), ServerName: "kubernetes"}, "/readyz")
	}
	p.Spare = netip.AddrPortFrom(control.Address.Addr(), APIServerPort)
	if p.Control, err = watch.StartControl(p.clientHost, p.Spare, client); err != nil {
		return err
	}
	watcher, err := p.Lab.AddHost("watcher", watcherNumber)
	if err != nil {
		return err
	}
	if p.Holders, err = watch.NewHolders(p.Control, p.VirtualAddress(), p.hosts()...); err != nil {
		return err
	}
	if p.Answers, err = watch.Watch(p.Control, p.Lab, watcher, p.VirtualAddress()); err != nil {
		return err
	}
	p.Client = p.StartClient(client)
	return nil
}

// UnknownHost returns a host that has no part in the plane, the same each time.
func (p *Plane) UnknownHost() (h *lab.Host, err error) {
	if p.unknown == nil {
		p.unknown, err = p.Lab.AddHost("unknown", unknownNumber)
	}
	return p.unknown, err
}

// ClientHost returns the host whose clients are measured.
func (p *Plane) ClientHost() *lab.Host { return p.clientHost }

// VirtualAddress returns the first of the virtual addresses.
func (p *Plane) VirtualAddress() netip.Addr { return p.VirtualAddresses[0].Addr() }

// NodeAddress returns a node's address of the family of the virtual one.
func (p *Plane) NodeAddress(n *Node) netip.Addr {
	if p.VirtualAddress().Is6() {
		return n.Address6.Addr()
	}
	return n.Address.Addr()
}

// Backends returns the addresses of the API servers.
func (p *Plane) Backends() []netip.AddrPort {
	var backends []netip.AddrPort
	for _, n := range p.Nodes {
		backends = append(backends, netip.AddrPortFrom(p.NodeAddress(n), APIServerPort))
	}
	return backends
}

func (p *Plane) hosts() []*lab.Host {
	var hosts []*lab.Host
	for _, n := range p.Nodes {
		hosts = append(hosts, n.Host)
	}
	return hosts
}

// Start runs the sidecar of every node and waits until the plane is settled and every node could serve at once.
func (p *Plane) Start() error {
	if err := p.StartSidecars(); err != nil {
		return err
	}
	err := p.Settle()
	if err == nil {
		err = p.Control.Until(settleTime, "every node knows the API servers", func() bool {
			return !slices.ContainsFunc(p.Nodes, func(n *Node) bool { return !p.System.Ready(n) })
		})
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, p.LastOutput())
	}
	return nil
}

// StartSidecars runs the sidecar of every node.
func (p *Plane) StartSidecars() error { return p.Each(p.StartSidecar) }

// Output returns what all sidecars of a node have written.
func (n *Node) Output() string {
	if n.Sidecar == nil {
		return ""
	}
	return n.past + n.Sidecar.Keeper.Output()
}

// SaveOutput writes what all sidecars of each node have written to files of a directory, whose names begin with a text.
func (p *Plane) SaveOutput(directory, name string) error {
	return p.Each(func(n *Node) error {
		return os.WriteFile(filepath.Join(directory, name+", "+n.Name+".log"), []byte(n.Output()), 0o644)
	})
}

// LastOutput returns the last lines of the sidecars.
func (p *Plane) LastOutput() string {
	var b strings.Builder
	for _, n := range p.Nodes {
		if n.Sidecar != nil {
			fmt.Fprintf(&b, "%s of %s: %s\n", p.System.Name(), n.Name, lastLines(n.Sidecar.Keeper))
		}
	}
	return b.String()
}

// StartSidecar runs the sidecar of a node, for the first time or again.
func (p *Plane) StartSidecar(n *Node) error {
	sidecar, err := p.System.Start(p, n)
	if err != nil {
		return fmt.Errorf("start %s on %s: %w", p.System.Name(), n.Name, err)
	}
	if n.Sidecar != nil {
		n.past += n.Sidecar.Keeper.Output()
	}
	n.Sidecar = sidecar
	return nil
}

// settleTime is the time within which a plane must recover from every fault.
const settleTime = 20 * time.Second

// Settle waits until one host has the virtual address and serves it. Hosts that are named may have it too: they are dead,
// frozen or cut off.
func (p *Plane) Settle(except ...string) error {
	return p.Control.Until(settleTime, "one node holds the virtual address and serves it", func() bool { return p.Settled(except...) })
}

// Settled reports whether one host has had the virtual address for a moment, and has served it; see [Plane.Settle].
func (p *Plane) Settled(except ...string) bool {
	const calm = 500 * time.Millisecond
	spans := p.Holders.Since(time.Now().Add(-calm), except...)
	return len(spans) == 1 && len(spans[0].Hosts) == 1 && p.Client.Served(calm)
}

// Holder returns the node that has the virtual address, alone of those that are not named.
func (p *Plane) Holder(except ...string) (*Node, error) {
	holders := slices.DeleteFunc(slices.Clone(p.Holders.Now()), func(name string) bool {
		return slices.Contains(except, name)
	})
	if len(holders) != 1 {
		return nil, fmt.Errorf("%d nodes hold the virtual address: %v", len(holders), holders)
	}
	return p.Node(holders[0]), nil
}

// Node returns the node of that name, or nil.
func (p *Plane) Node(name string) *Node {
	for _, n := range p.Nodes {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// Others returns the nodes but one.
func (p *Plane) Others(n *Node) []*Node {
	return slices.DeleteFunc(slices.Clone(p.Nodes), func(o *Node) bool { return o == n })
}

// Close ends the plane and its lab.
func (p *Plane) Close() error {
	if p.Control != nil {
		p.Control.Stop()
	}
	if p.Client != nil {
		p.Client.Stop()
	}
	if p.Holders != nil {
		p.Holders.Stop()
	}
	if p.Answers != nil {
		p.Answers.Stop()
	}
	return p.Lab.Close()
}
