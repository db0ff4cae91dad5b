// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/control"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/probe"
	"github.com/harbinger-ha/harbinger/pkg/proxy"
	"github.com/harbinger-ha/harbinger/pkg/socket"
	"github.com/harbinger-ha/harbinger/pkg/steer"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
	"github.com/harbinger-ha/harbinger/pkg/vrrpconn"
)

// openListeners opens every listening socket. The frontends stay open as long as the keeper lives, whatever becomes of a
// balancer; those on a virtual address do not wait for it.
func (s *Sidecar) openListeners() error {
	for _, a := range s.members.now().Frontends() {
		ln, err := proxy.Listen(a)
		if err != nil {
			return fmt.Errorf("open frontend: %w", err)
		}
		s.atEnd(ln.Close)
		s.frontends = append(s.frontends, ln)
	}
	var err error
	if s.status, err = net.Listen("tcp", s.cfg.Status.BindAddress.String()); err != nil {
		return fmt.Errorf("open status endpoint (status.bindAddress): %w", err)
	}
	s.atEnd(s.status.Close)
	freebind := net.ListenConfig{Control: socket.FreeBind}
	var bound []netip.Addr
	for _, vip := range s.members.now().VirtualAddresses() {
		bound = append(bound, vip, s.link.Primary(vip))
	}
	for _, a := range bound {
		ln, err := freebind.Listen(context.Background(), "tcp", netip.AddrPortFrom(a, s.cfg.Status.IdentityPort).String())
		if err != nil {
			return fmt.Errorf("open identity endpoint (status.identityPort): %w", err)
		}
		s.atEnd(ln.Close)
		s.identities = append(s.identities, ln)
	}
	return nil
}

// openSteering prepares the steering and leaves it off: until a backend is healthy, VIP:port is the local apiserver's.
func (s *Sidecar) openSteering() error {
	if !s.cfg.ControlPlane.Shared() || s.cfg.LoadBalancer.Steering.Mode == balance.SteeringNone {
		return nil
	}
	var fronts []steer.Frontend
	for i, vip := range s.members.now().VirtualAddresses() {
		fronts = append(fronts, steer.Frontend{VIP: netip.AddrPortFrom(vip, s.cfg.ControlPlane.Port), Listener: s.frontends[i]})
	}
	var err error
	s.steering, err = steer.New(steer.Config{Mode: s.cfg.LoadBalancer.Steering.Mode, Frontends: fronts})
	if err != nil {
		return fmt.Errorf("prepare steering of port %d to the balancer (loadBalancer.steering): %w", s.cfg.ControlPlane.Port, err)
	}
	s.atEnd(s.steering.Close)
	return nil
}

// openPorts opens one socket of protocol 112 for each virtual address: each is of a family of its own. The loop closes
// them.
func (s *Sidecar) openPorts() ([]control.Port, error) {
	if s.cfg.Election.Mode == election.LeaseOnly {
		return nil, nil // nothing is advertised
	}
	view := s.members.now()
	var ports []control.Port
	for _, vip := range view.VirtualAddresses() {
		conn, err := vrrpconn.Listen(vrrpconn.Config{
			Interface: net.Interface{Index: s.link.Index, Name: s.link.Name}, Source: view.Source(vip), Peers: view.Peers(vip),
			Rules: view.Rules(vip), Dropped: s.dropped,
		})
		if err != nil {
			return nil, fmt.Errorf("open advertisement socket: %w", err)
		}
		s.ports = append(s.ports, port{conn: conn, vip: vip})
		ports = append(ports, control.Port{Conn: learningConn{conn, s, s.link.Primary(vip)}, Advertisement: view.Advertisement(vip)})
	}
	return ports, nil
}

// learningConn makes every node that is heard known to the announcer as a peer.
type learningConn struct {
	*vrrpconn.Conn
	sidecar *Sidecar
	primary netip.Addr
}

// Receive implements control.Conn.
func (c learningConn) Receive() (vrrp.Packet, bool, error) {
	p, ok, err := c.Conn.Receive()
	if ok && p.Source.Is6() == c.primary.Is6() {
		c.sidecar.learn(p.Source, c.primary)
	}
	return p, ok, err
}

func (s *Sidecar) serveIdentity(ctx context.Context, ln net.Listener) error {
	return probe.ServeIdentity(ctx, ln, s.identity)
}
