// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"cmp"
	"errors"
	"slices"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
)

// VirtualRouterID is that of every plane.
const VirtualRouterID = 51

// Keepalived is the classic pair: keepalived and haproxy on every node.
type Keepalived struct {
	Version  int   // of VRRP; 3 if not set
	Priority uint8 // 100 if not set
	Ranked   bool  // each node has a higher priority than the next one, by more than a busy machine can be late
	Password string
	Unicast  bool
}

// rank is the step between two priorities that are ranked: a skew time of 78 ms with an interval of 1 s.
const rank = 20

// Name returns what the system is called in tables.
func (Keepalived) Name() string { return "keepalived" }

// Installed returns an error that names what of the pair is missing.
func (Keepalived) Installed() error {
	_, keeper := lab.FindProgram("keepalived")
	_, balancer := lab.FindProgram("haproxy")
	return errors.Join(keeper, balancer)
}

// Ready is true: haproxy takes the API servers for healthy until its checks fail.
func (Keepalived) Ready(*Node) bool { return true }

// Start runs keepalived and haproxy on one node.
func (k Keepalived) Start(p *Plane, n *Node) (*Sidecar, error) {
	balancer, err := guest.HAProxy{Port: p.Port, Backends: p.Backends(), ObserveTraffic: true}.Start(n.Host)
	if err != nil {
		return nil, err
	}
	keeper, err := k.guest(p, n).Start(n.Host)
	if err != nil {
		return nil, errors.Join(err, balancer.Kill())
	}
	return &Sidecar{Keeper: keeper, Balancer: balancer}, nil
}

func (k Keepalived) guest(p *Plane, n *Node) guest.Keepalived {
	g := guest.Keepalived{
		Version:               k.Version,
		VirtualRouterID:       VirtualRouterID,
		Priority:              cmp.Or(k.Priority, 100),
		AdvertisementInterval: p.Interval,
		Password:              k.Password,
		VirtualAddresses:      p.VirtualAddresses,
	}
	if k.Ranked {
		g.Priority += rank * uint8(len(p.Nodes)-slices.Index(p.Nodes, n))
	}
	if k.Unicast {
		g.Source = p.NodeAddress(n)
		for _, other := range p.Nodes {
			if other != n {
				g.Peers = append(g.Peers, p.NodeAddress(other))
			}
		}
	}
	return g
}
