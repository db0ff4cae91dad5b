// SPDX-License-Identifier: Apache-2.0

//go:build linux

package trial

import (
	"errors"

	"github.com/harbinger-ha/harbinger/pkg/internal/lab/guest"
)

// VirtualRouterID is that of every plane.
const VirtualRouterID = 51

// Keepalived is the classic pair: keepalived and haproxy on every node.
type Keepalived struct {
	Version int // of VRRP; 3 if not set
}

// Name returns what the system is called in tables.
func (Keepalived) Name() string { return "keepalived" }

// Start runs keepalived and haproxy on one node.
func (k Keepalived) Start(p *Plane, n *Node) (*Sidecar, error) {
	balancer, err := guest.HAProxy{Port: p.Port, Backends: p.Backends(), ObserveTraffic: true}.Start(n.Host)
	if err != nil {
		return nil, err
	}
	keeper, err := guest.Keepalived{
		Version:               k.Version,
		VirtualRouterID:       VirtualRouterID,
		Priority:              100,
		AdvertisementInterval: p.Interval,
		VirtualAddresses:      p.VirtualAddresses,
	}.Start(n.Host)
	if err != nil {
		return nil, errors.Join(err, balancer.Kill())
	}
	return &Sidecar{Keeper: keeper, Balancer: balancer}, nil
}
