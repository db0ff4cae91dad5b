// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/control"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/kubeapi"
	"github.com/harbinger-ha/harbinger/pkg/membership"
	"github.com/harbinger-ha/harbinger/pkg/staticpod"
)

// openAPI prepares the access to the API. Neither an apiserver nor credentials are needed yet.
func (s *Sidecar) openAPI() {
	if s.cfg.Election.Mode == election.VRRP && !s.cfg.LoadBalancer.Discovery {
		return
	}
	l := s.cfg.Election.Lease
	options := kubeapi.Options{
		Log: s.log.WithName("api"), Kubeconfig: l.Kubeconfig, Namespace: l.Namespace, Name: l.Name, Duration: l.Duration,
		Node: s.node, Backends: s.apiservers,
	}
	if s.cfg.LoadBalancer.Discovery {
		options.Discovery = &kubeapi.Discovery{
			OnEndpoints: s.discover, Exclude: s.members.now().VirtualAddresses(),
			StateFile: filepath.Join(config.StateDirectory, "backends.json"),
			WriteFile: staticpod.Write,
		}
	}
	s.api = kubeapi.New(options)
}

// apiservers are whom the API is asked of.
func (s *Sidecar) apiservers() []netip.AddrPort {
	var backends []membership.APIServer
	for _, b := range s.supervisor.Status().Backends {
		backends = append(backends, membership.APIServer{Address: b.Address, Healthy: b.Healthy})
	}
	return s.members.now().APIServers(backends, ownAddresses())
}

// ownAddresses are those of this node, on any interface; none where the kernel does not tell.
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

// arbiter asks the API for the Lease.
type arbiter struct{ api *kubeapi.Client }

// Read implements control.Arbiter.
func (a arbiter) Read(ctx context.Context) election.LeaseDone {
	return leaseDone(a.api.ReadLease(ctx))
}

// Write implements control.Arbiter.
func (a arbiter) Write(ctx context.Context, l election.Lease) election.LeaseDone {
	return leaseDone(a.api.WriteLease(ctx, l))
}

func leaseDone(l election.Lease, err error) election.LeaseDone {
	switch {
	case errors.Is(err, kubeapi.ErrRefused):
		return election.LeaseDone{Outcome: election.Refused, Detail: err.Error()}
	case err != nil:
		return election.LeaseDone{Outcome: election.Unanswered, Detail: err.Error()}
	}
	return election.LeaseDone{Outcome: election.Answered, Lease: l}
}

func (s *Sidecar) arbiter() control.Arbiter {
	if s.api == nil {
		return nil
	}
	return arbiter{s.api}
}

// notice leaves an Event in the cluster.
func (s *Sidecar) notice(reason, message string, warning bool) {
	if s.api != nil {
		s.api.Event(reason, message, warning)
	}
}
