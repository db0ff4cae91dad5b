// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"net/netip"
	"path/filepath"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/kubeapi"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/membership"
	"github.com/harbinger-ha/harbinger/pkg/staticpod"
)

// openAPI prepares the access to the API, where use is made of it. Neither an apiserver nor credentials are needed yet.
func (s *sidecar) openAPI() {
	if s.cfg.Election.Mode == election.VRRP && !s.cfg.LoadBalancer.Discovery {
		return
	}
	l := s.cfg.Election.Lease
	options := kubeapi.Options{
		Log: s.Log.WithName("api"), Kubeconfig: l.Kubeconfig, Namespace: l.Namespace, Name: l.Name, Duration: l.Duration,
		Node: s.Node, Backends: s.apiServers,
	}
	if s.cfg.LoadBalancer.Discovery {
		options.Discovery = &kubeapi.Discovery{
			OnEndpoints: s.discover, Exclude: s.members.now().VirtualAddresses(),
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
	return s.members.now().APIServers(backends, ownAddresses())
}

// discover adds the apiservers of the cluster to the backends and to the peers of unicast advertisements.
func (s *sidecar) discover(found []netip.AddrPort) {
	s.members.change(func(v *membership.View) { v.Discovered = found })
	s.Log.Info(logging.MsgDiscovered, logging.KeyBackends, found)
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
