// SPDX-License-Identifier: Apache-2.0

package wild

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// A firewall is what a distribution's does with packets to a host: those of ssh, DHCPv6, Cockpit, Kubernetes and the
// virtual address come in, protocol 112 and the identity port of Harbinger do not.
type firewall struct {
	name string
	// The chain of input: how it begins, and how it ends.
	begin, end string
}

var (
	// firewalld is zone public of firewalld, as it loads it with its backend for nftables.
	firewalld = firewall{"firewalld", "type filter hook input priority filter + 10; policy accept;", "reject with icmpx type admin-prohibited"}
	// dropping is what the documentation of nftables begins with.
	dropping = firewall{"nft drop", "type filter hook input priority filter; policy drop;", ""}
)

// tables returns it in the language of nft.
func (f firewall) tables(port uint16) string {
	return fmt.Sprintf(`table inet firewall {
	chain input {
		%s
		ct state { established, related } accept
		iifname "lo" accept
		ct state invalid drop
		icmp type echo-request accept
		icmpv6 type { echo-request, nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept
		ip6 daddr fe80::/64 udp dport 546 accept
		tcp dport { 22, 9090, 2379-2380, %d, 10250, 10257, 10259 } accept
		tcp dport %d accept
		%s
	}
}
`, f.begin, trial.APIServerPort, port, f.end)
}

// A setting is what a scenario changes of the plane.
type setting struct {
	name   string
	six    bool // the virtual address is one of IPv6
	shared bool // it has the port of the API server
	lease  bool // a real cluster has a Lease that arbitrates
	part   part // of the hosts that has the firewall

	unicast   bool   // advertisements go to the peers
	backplane bool   // the API is alive by another network
	rule      string // of closing, that closes the port of the clients

	without guest.Denial // what the sidecars may not do
}

// A part says which hosts have the firewall.
type part int

const (
	everybody part = iota
	theHolder
	aBackup
)

// of returns a configuration of the setting.
func (s setting) of(cfg trial.Config, kubernetes string) trial.Config {
	if s.six {
		cfg.Prefix6 = netip.MustParsePrefix("fd00:238::/64")
		cfg.VirtualAddresses = []netip.Prefix{netip.MustParsePrefix("fd00:238::100/64")}
	}
	if s.shared {
		cfg.Port = trial.APIServerPort
	}
	if s.lease {
		cfg.Kubernetes, cfg.Port, cfg.Client.Timeout = kubernetes, trial.APIServerPort, 500*time.Millisecond
	}
	if s.without != "" {
		system := cfg.System.(trial.Harbinger)
		system.Without = s.without
		cfg.System = system
	}
	if cfg.Backplane = s.backplane; s.unicast {
		cfg.System = withPeers(cfg)
	}
	return cfg
}

// withPeers returns the system of a configuration, with every node as a peer.
func withPeers(cfg trial.Config) trial.System {
	system := cfg.System.(trial.Harbinger)
	system.Flags = slices.Clone(system.Flags)
	for i := range cfg.Nodes {
		peer := fmt.Sprintf("192.168.238.%d", lab.FirstNode+i)
		if cfg.Prefix6.IsValid() {
			peer = fmt.Sprintf("fd00:238::%x", lab.FirstNode+i)
		}
		system.Flags = append(system.Flags, "--peer", peer)
	}
	return system
}

// settings are those in which a fault is done behind a firewall.
func settings(f fault.Fault, long bool) []setting {
	all := []setting{{}}
	if f.Act == fault.StartFiltered {
		all = append(all, setting{name: ", Lease", lease: true})
	}
	if f.Act == fault.LoadFirewall {
		all = append(all, setting{name: ", of the holder", part: theHolder}, setting{name: ", of a Backup", part: aBackup})
	}
	if long {
		all = append(all, setting{name: ", IPv6", six: true}, setting{name: ", shared port", shared: true})
	}
	if long && f.Act == fault.LoadFirewall {
		all = append(all, setting{name: ", Lease", lease: true})
	}
	return all
}

// behindFirewalls returns a fault behind each firewall on so many hosts, in each setting. A cluster has three of them,
// and takes the time of many rows: not in the long matrix, it is behind one firewall only.
func behindFirewalls(f fault.Fault, long bool, hosts ...int) (all []scenario) {
	for _, s := range settings(f, long) {
		for _, w := range []firewall{firewalld, dropping} {
			for _, n := range hosts {
				if !s.lease || n == 3 && (long || w == firewalld) {
					all = append(all, scenario{fault: f, hosts: n, firewall: w, setting: s})
				}
			}
		}
	}
	return all
}

// loadFirewalls loads the firewall of every host.
func (r *run) loadFirewalls() error { return r.Each(r.loadFirewallOf) }

func (r *run) loadFirewallOf(n *trial.Node) error { return n.Firewall(r.firewall.tables(r.Port)) }

// startCluster starts the real one, where there is one.
func (r *run) startCluster() error {
	if !r.setting.lease {
		return nil
	}
	return errors.Join(r.StartCluster(), r.Each(r.cfg.System.Allow))
}

// startBehindFirewall starts every host behind its firewall, and waits until one serves the address.
func (r *run) startBehindFirewall() error {
	return errors.Join(r.startCluster(), r.loadFirewalls(), r.StartSidecars(), r.Settle())
}

// behindFirewall watches hosts that start behind their firewalls. That one takes the address at first is no move.
func (r *run) behindFirewall() error {
	start := time.Now()
	if err := r.startBehindFirewall(); err != nil {
		r.sample(r.Sample(start))
		return err
	}
	served := time.Now()
	if r.setting.lease {
		observeFor(r.cfg.Watch / 2) // nothing else runs meanwhile
	} else {
		observeFor(r.cfg.Watch)
	}
	s := r.Sample(start)
	s.Outage = r.Client.Outage(served)
	s.Moves--
	r.sample(s)
	return errors.Join(r.Settle(), r.explained(r.Nodes...))
}

// killBehindFirewall kills the holder, and starts it again once another serves.
func (r *run) killBehindFirewall() error {
	if err := r.startBehindFirewall(); err != nil {
		return err
	}
	err := r.eachHolder(func(holder *trial.Node) error {
		start := time.Now()
		if err := holder.Sidecar.Kill(); err != nil {
			return err
		}
		err := r.Control.Until(deafTime, "another host has the address", func() bool {
			now := r.Holders.Now()
			return len(now) == 1 && now[0] != holder.Name
		})
		if err == nil {
			err = r.Settle()
		}
		r.sample(r.Sample(start, holder.Name))
		if err != nil {
			return err
		}
		back := time.Now()
		if err := r.StartSidecar(holder); err != nil {
			return err
		}
		observeFor(backTime)
		r.sample(r.Sample(back))
		return nil
	})
	if err != nil {
		return err
	}
	return errors.Join(r.Settle(), r.explained(r.Nodes...))
}

// The time within which hosts that hear nobody find a successor, and for which one that is back is watched.
const (
	deafTime = 30 * time.Second
	backTime = 8 * time.Second
)

// loadFirewall loads firewalls while hosts hear each other.
func (r *run) loadFirewall() error {
	if err := errors.Join(r.startCluster(), r.Start()); err != nil {
		return err
	}
	holder, err := r.Holder()
	if err != nil {
		return err
	}
	filtered := map[part][]*trial.Node{everybody: r.Nodes, theHolder: {holder}, aBackup: r.Others(holder)[:1]}[r.setting.part]
	start := time.Now()
	for _, n := range filtered {
		if err := r.loadFirewallOf(n); err != nil {
			return err
		}
	}
	observeFor(r.cfg.Watch / 2)
	r.sample(r.Sample(start))
	return errors.Join(r.Settle(), r.explained(filtered...))
}

// explained returns an error unless every host of those that are filtered, but for the holder, says that it is not ready, and
// names what is filtered and the holder from which it comes. A host that is alone is ready.
func (r *run) explained(filtered ...*trial.Node) error {
	holder, err := r.Holder()
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range filtered {
		s, err := n.Status()
		switch {
		case err != nil:
			errs = append(errs, err)
		case n == holder && len(r.Nodes) == 1 && !s.Ready:
			errs = append(errs, fmt.Errorf("%s is alone and serves, but is not ready: %v", n.Name, s.NotReady))
		case n != holder && s.Ready:
			errs = append(errs, fmt.Errorf("%s cannot hear the holder, and says that it is ready", n.Name))
		case n != holder:
			errs = append(errs, r.named(n, holder, s))
		}
	}
	return errors.Join(errs...)
}

// named returns an error unless status and alarm of a host name what is filtered, and the holder.
func (r *run) named(n, holder *trial.Node, status any) error {
	text, err := json.Marshal(status)
	if err != nil {
		return err
	}
	peer := r.NodeAddress(holder).String()
	var errs []error
	for _, want := range []string{"112", "10444", peer} {
		if !strings.Contains(string(text), want) {
			errs = append(errs, fmt.Errorf("the status of %s does not name %s", n.Name, want))
		}
	}
	alarmed := false
	for line := range strings.Lines(n.Output()) {
		alarmed = alarmed || strings.Contains(line, "Filtered") && strings.Contains(line, peer) && strings.Contains(line, "112")
	}
	if !alarmed {
		errs = append(errs, fmt.Errorf("no alarm Filtered of %s names 112 and %s", n.Name, peer))
	}
	return errors.Join(errs...)
}
