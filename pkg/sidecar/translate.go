// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/membership"
	"github.com/harbinger-ha/harbinger/pkg/proxy"
)

// lifetime is how long the kernel keeps the virtual addresses without a refresh.
func lifetime(cfg *config.HarbingerConfiguration) time.Duration {
	return election.Lifetime(cfg.Election.VRRP.AdvertisementInterval)
}

func (s *Sidecar) electionConfig() election.Config {
	view, cfg, l := s.members.now(), s.cfg, s.cfg.Election.Lease
	v := cfg.Election.VRRP
	times := election.LeaseTimes{RenewInterval: l.RenewInterval, StaleAfter: l.StaleAfter, Duration: l.Duration}
	if cfg.Election.Mode == election.LeaseOnly {
		times.StaleAfter = l.Duration // nothing else tells that the holder is dead
	}
	return election.Config{
		Node: s.node, Identity: s.node + "/" + s.incarnation, Lease: times,
		Mode: cfg.Election.Mode, Version: v.Version, Priority: v.Priority, AdvertisementInterval: v.AdvertisementInterval,
		Preempt: v.Preempt, PreemptDelay: v.PreemptDelay, Primary: view.Sources(), Peers: view.Nodes(),
		Lifetime: lifetime(cfg), Jitter: rand.Float64,
	}
}

// settings are what the balancer is told. own are the addresses of this node on any interface.
func settings(v membership.View, own []netip.Addr) proxy.Settings {
	lb, check := v.Config.LoadBalancer, v.Config.HealthCheck
	s := proxy.Settings{
		Policy: lb.Policy, SlowStart: lb.SlowStart, KeepSessions: lb.OnBackendDown == balance.KeepSessions,
		HealthCheck: proxy.HealthCheck{
			Scheme: check.Scheme, Path: check.Path, CAFile: check.CAFile, ServerName: check.ServerName,
			InsecureSkipVerify: check.InsecureSkipVerify, Interval: check.Interval, Timeout: check.Timeout,
			SuccessThreshold: check.SuccessThreshold, FailureThreshold: check.FailureThreshold,
		},
		Limits:   proxy.Limits{Total: lb.ConnectionLimits.Total, PerBackend: lb.ConnectionLimits.PerBackend},
		Timeouts: proxy.Timeouts{Connect: lb.Timeouts.Connect, KeepAlive: lb.Timeouts.KeepAlive, HalfClosed: lb.Timeouts.HalfClosed},
	}
	for _, b := range v.Backends(own) {
		s.Backends = append(s.Backends, proxy.Backend{Address: b.Address, Backup: b.Backup})
	}
	return s
}
