// SPDX-License-Identifier: Apache-2.0

package membership

import (
	"net/netip"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// minimumTTL is the least TTL or hop limit of a multicast advertisement that is accepted: it has passed no router (RFC 9568,
// section 5.1.1.3).
const minimumTTL = 255

// Advertisement returns what this node advertises for a virtual address, without the priority of the moment.
func (v View) Advertisement(virtual netip.Addr) vrrp.Advertisement {
	c := v.Config.Election.VRRP
	return vrrp.Advertisement{
		Version: c.Version, VRID: c.VirtualRouterID, Interval: c.AdvertisementInterval,
		Addresses: []netip.Addr{virtual}, Authentication: c.Authentication,
	}
}

// Rules returns what the advertisements of the other nodes for a virtual address must be like.
func (v View) Rules(virtual netip.Addr) vrrp.Rules {
	c, own := v.Config.Election.VRRP, v.Advertisement(virtual)
	r := vrrp.Rules{
		Version: own.Version, VRID: own.VRID, Addresses: own.Addresses, Interval: own.Interval, Authentication: own.Authentication,
		Own: []netip.Addr{v.Source(virtual)}, Sources: v.Peers(virtual), MinimumTTL: minimumTTL, Checksum: c.Checksum,
	}
	if len(r.Sources) == 0 {
		r.Sources, r.Multicast = nil, true
	} else {
		r.MinimumTTL = int(c.MinimumTTL)
	}
	return r
}
