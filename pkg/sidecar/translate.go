// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/proxy"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// lifetime is how long the kernel keeps the virtual addresses without a refresh. It counts in whole seconds and may keep
// them up to a second longer, which must end before another node could take over: 3 advertisement intervals at the least.
func lifetime(cfg *config.HarbingerConfiguration) time.Duration {
	if cfg.Election.VRRP.AdvertisementInterval < time.Second {
		return time.Second
	}
	return 2 * time.Second
}

var modes = map[config.Mode]election.Mode{
	config.ModeVRRP: election.VRRP, config.ModeHybrid: election.Hybrid, config.ModeLease: election.LeaseOnly,
}

func (s *Sidecar) electionConfig() election.Config {
	cfg, l := s.cfg, s.cfg.Election.Lease
	v := cfg.Election.VRRP
	times := election.LeaseTimes{RenewInterval: l.RenewInterval, StaleAfter: l.StaleAfter, Duration: l.Duration}
	if cfg.Election.Mode == config.ModeLease {
		times.StaleAfter = l.Duration // nothing else tells that the holder is dead
	}
	return election.Config{
		Node: s.node, Identity: s.node + "/" + s.incarnation, Lease: times,
		Mode: modes[cfg.Election.Mode], Version: vrrp.Version(v.Version), Priority: v.Priority, AdvertisementInterval: v.AdvertisementInterval,
		Preempt: v.Preempt, PreemptDelay: v.PreemptDelay, Primary: sources(cfg, s.link), Peers: s.nodes(),
		Lifetime: lifetime(cfg), Jitter: rand.Float64,
	}
}

// nodes are the addresses of the nodes, as far as the configuration and the API name them: by multicast, from the backends.
func (s *Sidecar) nodes() []netip.Addr { return nodes(s.live.Load(), s.found()) }

func nodes(cfg *config.HarbingerConfiguration, found []netip.AddrPort) []netip.Addr {
	out := slices.Clone(cfg.Election.VRRP.Peers)
	if out == nil {
		for _, b := range cfg.LoadBalancer.Backends {
			out = append(out, b.Address.Addr())
		}
	}
	return with(out, found)
}

// with adds the addresses of discovered apiservers that are not there yet.
func with(nodes []netip.Addr, found []netip.AddrPort) []netip.Addr {
	for _, f := range found {
		if !slices.Contains(nodes, f.Addr()) {
			nodes = append(nodes, f.Addr())
		}
	}
	return nodes
}

// settings are what the balancer is told.
func (s *Sidecar) settings(cfg *config.HarbingerConfiguration) proxy.Settings {
	return settings(cfg, s.found(), ownAddresses())
}

func settings(cfg *config.HarbingerConfiguration, found []netip.AddrPort, own []netip.Addr) proxy.Settings {
	lb, check := cfg.LoadBalancer, cfg.HealthCheck
	s := proxy.Settings{
		Policy: balance.Policy(lb.Policy), SlowStart: lb.SlowStart, KeepSessions: lb.OnBackendDown == config.KeepSessions,
		HealthCheck: proxy.HealthCheck{
			Scheme: string(check.Scheme), Path: check.Path, CAFile: check.CAFile, ServerName: check.ServerName,
			InsecureSkipVerify: check.InsecureSkipVerify, Interval: check.Interval, Timeout: check.Timeout,
			SuccessThreshold: check.SuccessThreshold, FailureThreshold: check.FailureThreshold,
		},
		Limits:   proxy.Limits{Total: lb.ConnectionLimits.Total, PerBackend: lb.ConnectionLimits.PerBackend},
		Timeouts: proxy.Timeouts{Connect: lb.Timeouts.Connect, KeepAlive: lb.Timeouts.KeepAlive, HalfClosed: lb.Timeouts.HalfClosed},
	}
	for _, b := range lb.Backends {
		s.Backends = append(s.Backends, proxy.Backend{Address: b.Address, Backup: b.Backup})
	}
	for _, f := range found {
		if !slices.ContainsFunc(s.Backends, func(b proxy.Backend) bool { return b.Address == f }) {
			s.Backends = append(s.Backends, proxy.Backend{Address: f})
		}
	}
	// The apiserver of this node may be none of the cluster's yet, but is the first that there is.
	if len(lb.Backends) == 0 && !slices.ContainsFunc(found, func(f netip.AddrPort) bool { return slices.Contains(own, f.Addr()) }) {
		s.Backends = append(s.Backends, proxy.Backend{Address: local(cfg)})
	}
	return s
}

// source is the address that the advertisements for a virtual address come from: the configured one, else the node's own
// address in its subnet, and for IPv6 multicast the link-local address (RFC 9568, section 5.1.2.1).
func source(cfg *config.HarbingerConfiguration, link address.Link, vip netip.Addr) netip.Addr {
	configured := cfg.Election.VRRP.SourceAddress
	switch {
	case configured.IsValid() && configured.Is6() == vip.Is6():
		return configured
	case vip.Is6() && len(peers(cfg, link, vip)) == 0:
		return link.LinkLocal()
	}
	return link.Primary(vip)
}

func sources(cfg *config.HarbingerConfiguration, link address.Link) []netip.Addr {
	var out []netip.Addr
	for _, vip := range addrs(cfg.VirtualAddresses) {
		out = append(out, source(cfg, link, vip))
	}
	return out
}

// peers are the unicast peers of a virtual address's family without the own addresses; none means multicast.
func peers(cfg *config.HarbingerConfiguration, link address.Link, vip netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(cfg.Election.VRRP.Peers), func(p netip.Addr) bool {
		return p.Is6() != vip.Is6() || slices.ContainsFunc(link.Addresses, func(own netip.Prefix) bool { return own.Addr() == p })
	})
}

// rules are what the advertisements of the other nodes for a virtual address must be like.
func rules(cfg *config.HarbingerConfiguration, link address.Link, vip netip.Addr) vrrp.Rules {
	v := cfg.Election.VRRP
	r := vrrp.Rules{
		Version: vrrp.Version(v.Version), VRID: v.VirtualRouterID, Addresses: []netip.Addr{vip},
		Interval: v.AdvertisementInterval, Authentication: authentication(v.Authentication),
		Own: []netip.Addr{source(cfg, link, vip)}, Sources: peers(cfg, link, vip), MinimumTTL: maxTTL,
		Checksum: checksumPolicies[v.Checksum],
	}
	switch {
	case len(r.Sources) == 0:
		r.Sources, r.Multicast = nil, true
	case vip.Is6():
		r.MinimumTTL = keepalivedTTL
	}
	return r
}

// What the TTL or hop limit of an advertisement must be at least: 255 says that no router was passed (RFC 9568, section
// 5.1.1.3). keepalived leaves it at the kernel's 64 for IPv6 unicast.
const (
	maxTTL        = 255
	keepalivedTTL = 64
)

var checksumPolicies = map[config.Checksum]vrrp.ChecksumPolicy{
	config.ChecksumAuto:    vrrp.ChecksumAuto,
	config.ChecksumPseudo:  vrrp.ChecksumKeepalived,
	config.ChecksumRFC9568: vrrp.ChecksumRFC9568,
}

// checksumForm is the form that is sent over IPv4 in version 3. keepalived refuses the one of RFC 9568 by default, so that
// it is sent only where it is asked for.
func checksumForm(c config.Checksum) vrrp.ChecksumForm {
	if c == config.ChecksumRFC9568 {
		return vrrp.ChecksumNone
	}
	return vrrp.ChecksumPseudo
}

func authentication(a config.Authentication) vrrp.Authentication {
	if a.Type == config.AuthenticationPassword {
		return vrrp.Authentication{Type: vrrp.AuthenticationPassword, Password: a.Password}
	}
	return vrrp.Authentication{}
}
