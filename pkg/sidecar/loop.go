// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/control"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/membership"
	"github.com/harbinger-ha/harbinger/pkg/probe"
	"github.com/harbinger-ha/harbinger/pkg/scheduling"
	"github.com/harbinger-ha/harbinger/pkg/vrrpconn"
)

// advertisementSocket is a socket of protocol 112 and the virtual address that it is for.
type advertisementSocket struct {
	conn *vrrpconn.Conn
	vip  netip.Addr
}

// openLoop makes the control loop of the election, with its sockets.
func (s *sidecar) openLoop() error {
	s.drops.metrics = s.metrics
	if v := s.cfg.Election.VRRP; v.Signed() {
		s.signing.state = newStateFile(s.Log, s.link.Name, v.VirtualRouterID)
	}
	ports, err := s.openPorts()
	if err != nil {
		return err
	}
	timer, err := scheduling.NewTimer()
	if err != nil {
		return err
	}
	elects := s.members.now().Election(s.Node, s.node.Incarnation)
	elects.Jitter = rand.Float64
	cfg := control.Config{
		Log: s.Log.WithName("election"), Metrics: s.metrics, Election: election.New(elects),
		Ports: ports, VirtualAddresses: s.members.now().VirtualAddresses(), Addresses: s.fenced, Announcer: s.neighbours.announcer,
		Prober: prober{s}, Silent: s.balancing.doubt, Leave: s.leave, Interval: s.cfg.Election.VRRP.AdvertisementInterval, Timer: timer,
	}
	if s.api != nil {
		cfg.Arbiter, cfg.Predecessor, cfg.Notice = s.api, s.api, s.api.Event
	}
	s.loop = control.New(cfg)
	return nil
}

// openPorts opens one socket of protocol 112 for each virtual address: each is of a family of its own. The loop closes
// them.
func (s *sidecar) openPorts() ([]control.Port, error) {
	if s.cfg.Election.Mode == election.LeaseOnly {
		return nil, nil // nothing is advertised
	}
	view, link := s.members.now(), s.members.link()
	var ports []control.Port
	var sockets []advertisementSocket
	for _, vip := range view.VirtualAddresses() {
		conn, err := s.listen(view, link, vip)
		if err != nil {
			for _, p := range ports {
				_ = p.Conn.Close() // nobody has it
			}
			return nil, fmt.Errorf("open advertisement socket: %w", err)
		}
		sockets = append(sockets, advertisementSocket{conn: conn, vip: vip})
		ports = append(ports, control.Port{
			Conn: learningConn{conn, s.neighbours, vip}, Advertisement: view.Advertisement(vip),
		})
	}
	s.sockets = sockets
	s.reception.hears(s.sockets)
	return ports, nil
}

// listen opens the socket of a virtual address.
func (s *sidecar) listen(view membership.View, link address.Link, vip netip.Addr) (*vrrpconn.Conn, error) {
	signs, err := s.signing.of(view, vip)
	if err != nil {
		return nil, err
	}
	return vrrpconn.Listen(vrrpconn.Config{
		Interface: net.Interface{Index: link.Index, Name: link.Name}, Source: view.Source(vip), Peers: view.Peers(vip),
		Rules: view.Rules(vip), Signing: signs, Dropped: s.drops.add,
	})
}

// prober asks the other hosts by the link and the own addresses of the moment.
type prober struct{ *sidecar }

// Probe implements control.Prober.
func (s prober) Probe(ctx context.Context, asks int) election.ProbeDone {
	return s.vips(asks).Probe(ctx)
}

// vips are the questions to the virtual addresses, so often as asks says.
func (s prober) vips(asks int) probe.VIPs {
	vips := probe.VIPs{}
	view := s.members.now()
	gateway := s.gateway(view)
	for _, vip := range view.VirtualAddresses() {
		vips[vip] = probe.VIPProbe{
			Cluster: s.cfg.ControlPlane.ClusterName, Node: s.Node, Port: s.cfg.Status.IdentityPort, Client: s.cfg.ControlPlane.Port,
			Interface: s.members.link().Index, Source: view.Primary(vip), Resolver: s.neighbours.announcer, PeerOf: s.neighbours.peerOf,
			Asks: asks, Gateway: gateway,
		}
	}
	return vips
}
