// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"net/netip"
	"path/filepath"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/kubeapi"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/membership"
	"github.com/harbinger-ha/harbinger/pkg/proxy"
	"github.com/harbinger-ha/harbinger/pkg/staticpod"
)

// openAPI prepares the access to the API, where use is made of it. Neither an apiserver nor credentials are needed yet.
func (s *sidecar) openAPI() {
	if s.cfg.Election.Mode == election.VRRP && !s.cfg.LoadBalancer.Discovery {
		return
	}
	l := s.cfg.Election.Lease
	options := kubeapi.Options{
		Log: s.Log.WithName("api"), Kubeconfig: l.Kubeconfig, Namespace: l.Namespace, Name: l.Name, Predecessor: l.Predecessor, Duration: l.Duration,
		Node: s.Node, Backends: s.apiServers,
	}
	if s.cfg.LoadBalancer.Discovery {
		options.Discovery = &kubeapi.Discovery{
			OnEndpoints: s.discover, Take: s.take,
			StateFile: filepath.Join(config.StateDirectory, "backends.json"), WriteFile: staticpod.Write,
		}
	}
	s.api = kubeapi.New(options)
	s.runs("API", s.api.Run)
}

// apiServers are whom the API is asked of.
func (s *sidecar) apiServers() []netip.AddrPort {
	var backends []membership.APIServer
	for _, b := range s.balancing.supervisor.Status().Backends {
		backends = append(backends, membership.APIServer{Address: b.Address, Healthy: b.Healthy})
	}
	return s.members.now().APIServers(backends, s.own.now())
}

// take chooses from the apiservers that the API names, and remembers what is left out.
func (s *sidecar) take(found []netip.AddrPort) []netip.AddrPort {
	view := s.members.now()
	taken, left := view.Take(found, ownAddresses())
	if left.String() != view.Left.String() {
		s.members.change(func(v *membership.View) { v.Left = left })
	}
	return taken
}

// discover adds the apiservers of the cluster to the backends.
func (s *sidecar) discover(found []netip.AddrPort) {
	s.members.change(func(v *membership.View) { *v = v.Discovers(found) })
	s.Log.Info(logging.MsgDiscovered, logging.KeyBackends, found)
}

// checked makes those of the discovered apiservers peers that have proved that they belong to the cluster.
func (s *sidecar) checked(status proxy.Status) {
	var healthy, proved []netip.AddrPort
	for _, b := range status.Backends {
		if b.State == health.Healthy {
			healthy = append(healthy, b.Address)
		}
		if b.Proved {
			proved = append(proved, b.Address)
		}
	}
	before := s.members.now()
	if next, isNew := before.Checked(healthy, proved); isNew {
		s.members.change(func(v *membership.View) { *v, _ = v.Checked(healthy, proved) })
		if peers := next.Nodes(); len(peers) > len(before.Nodes()) {
			s.Log.Info(logging.MsgPeersProved, logging.KeyPeers, peers)
		}
	}
}

// ownAddresses are those of this node, on any interface; none where the kernel does not answer.
func ownAddresses() []netip.Addr {
	links, err := address.Links()
	if err != nil {
		return nil
	}
	var own []netip.Addr
	for _, l := range links {
		for _, p := range l.Addresses {
			own = append(own, p.Addr())
		}
	}
	return own
}
