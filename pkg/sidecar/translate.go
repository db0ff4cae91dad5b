// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/membership"
	"github.com/harbinger-ha/harbinger/pkg/proxy"
)

// lifetime is how long the kernel keeps the virtual addresses without a refresh.
func lifetime(cfg *config.HarbingerConfiguration) time.Duration {
	return election.Lifetime(cfg.Election.VRRP.AdvertisementInterval)
}

func (s *Sidecar) electionConfig() election.Config {
	view, cfg := s.members.now(), s.cfg
	v := cfg.Election.VRRP
	return election.Config{
		Node: s.node, Identity: s.node + "/" + s.incarnation, Lease: cfg.Election.Lease.LeaseTimes,
		Mode: cfg.Election.Mode, Version: v.Version, Priority: v.Priority, AdvertisementInterval: v.AdvertisementInterval,
		Preempt: v.Preempt, PreemptDelay: v.PreemptDelay, Primary: view.Sources(), Peers: view.Nodes(),
		Lifetime: lifetime(cfg), Jitter: rand.Float64,
	}
}

// settings are what the balancer is told. own are the addresses of this node on any interface.
func settings(v membership.View, own []netip.Addr) proxy.Settings {
	s := proxy.Settings{Settings: v.Config.LoadBalancer.Settings, HealthCheck: v.Config.HealthCheck}
	s.Backends = v.Backends(own)
	return s
}
