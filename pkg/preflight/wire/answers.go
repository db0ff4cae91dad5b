// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/announce"
	"github.com/harbinger-ha/harbinger/pkg/membership"
	"github.com/harbinger-ha/harbinger/pkg/probe"
)

const (
	// questions are asked so often for a virtual address, each for that long: two that have it may answer one after the other.
	questions    = 3
	questionTime = 400 * time.Millisecond
	// maxAnswers bounds how many hosts that answer are kept apart, and maxNodes how many nodes are asked for their own address.
	maxAnswers, maxNodes = 16, 8
)

// askAddresses asks who has the virtual addresses, by ARP or neighbour discovery, and whose the hardware addresses of the nodes are.
func askAddresses(ctx context.Context, view membership.View, link address.Link, nodes []netip.Addr) []answer {
	var answers []answer
	announcer, err := announce.New(announce.Link{Name: link.Name, Index: link.Index, MAC: link.MAC})
	if err == nil {
		defer announcer.Close()
	}
	for _, vip := range view.VirtualAddresses() {
		a := answer{vip: vip, err: err}
		if err == nil {
			a.macs, a.err = resolve(ctx, announcer, vip, view.Primary(vip))
		}
		if len(a.macs) > 0 {
			a.complete(ctx, announcer, view, link, nodes)
		}
		answers = append(answers, a)
	}
	return answers
}

// resolve returns the hardware addresses that answer for an address.
func resolve(ctx context.Context, announcer *announce.Announcer, target, source netip.Addr) ([]net.HardwareAddr, error) {
	var all []net.HardwareAddr
	for range questions {
		asking, cancel := context.WithTimeout(ctx, questionTime)
		macs, err := announcer.Resolve(asking, target, source)
		cancel()
		if err != nil {
			return all, err
		}
		for _, mac := range macs {
			if len(all) < maxAnswers && !slices.ContainsFunc(all, func(known net.HardwareAddr) bool { return slices.Equal(known, mac) }) {
				all = append(all, mac)
			}
		}
	}
	return all, nil
}

// complete finds out whose the hardware addresses are.
func (a *answer) complete(ctx context.Context, announcer *announce.Announcer, view membership.View, link address.Link, nodes []netip.Addr) {
	source := view.Primary(a.vip)
	a.says = identityAt(ctx, link.Index, source, netip.AddrPortFrom(a.vip, view.Config.Status.IdentityPort))
	first := func(target netip.Addr) net.HardwareAddr {
		asking, cancel := context.WithTimeout(ctx, questionTime)
		defer cancel()
		macs, _ := announcer.Resolve(asking, target, source)
		if len(macs) == 0 {
			return nil
		}
		return macs[0]
	}
	if gateway, err := address.Gateway(link.Index, a.vip); err == nil && gateway.IsValid() {
		a.gateway = first(gateway)
	}
	a.nodes = map[string]netip.Addr{}
	for _, node := range nodes {
		if len(a.nodes) < maxNodes && node.Is6() == a.vip.Is6() && link.Neighbour(node) {
			if mac := first(node); mac != nil {
				a.nodes[mac.String()] = node
			}
		}
	}
}

// identify asks the routers that have our virtual router ID who they are.
func (s *session) identify(ctx context.Context) map[netip.Addr]probe.Identity {
	identities := map[netip.Addr]probe.Identity{}
	view := s.found.view
	for _, vip := range view.VirtualAddresses() {
		for _, r := range s.found.routers.of(view.Config.Election.VRRP.VirtualRouterID, vip.Is6()) {
			if len(identities) >= maxIdentities {
				return identities
			}
			source := view.Primary(vip)
			if r.source.IsLinkLocalUnicast() {
				source = netip.Addr{}
			}
			to := netip.AddrPortFrom(zoned(r.source, s.link.Name), view.Config.Status.IdentityPort)
			identities[r.source] = identityAt(ctx, s.link.Index, source, to)
		}
	}
	return identities
}
