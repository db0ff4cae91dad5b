// SPDX-License-Identifier: Apache-2.0

package election

import (
	"net/netip"
	"slices"
)

// maxClaimants bounds how many hosts that are no known peers are remembered for a claim: any host of the link may send one.
const maxClaimants = 16

// claimants are the hosts that advertise a claim, in the order of their last advertisement. A release of one of them stands for a
// release of its Lease (F10).
type claimants []claimant

type claimant struct {
	from     netip.Addr
	priority uint8
	peer     bool // a known one, which no other host displaces
}

// claim returns the priority of a host's claim, 0 if it has none.
func (c claimants) claim(from netip.Addr) uint8 {
	if i := c.index(from); i >= 0 {
		return c[i].priority
	}
	return 0
}

func (c claimants) index(from netip.Addr) int {
	return slices.IndexFunc(c, func(x claimant) bool { return x.from == from })
}

// note remembers the claim of a host. Of the hosts that are no known peers, the one that was heard longest ago makes room.
func (c *claimants) note(from netip.Addr, priority uint8, peer bool) {
	c.forget(from)
	unknown := 0
	for _, x := range *c {
		if !x.peer {
			unknown++
		}
	}
	if !peer && unknown >= maxClaimants {
		oldest := slices.IndexFunc(*c, func(x claimant) bool { return !x.peer })
		*c = slices.Delete(*c, oldest, oldest+1)
	}
	*c = append(*c, claimant{from: from, priority: priority, peer: peer})
}

// forget forgets the claim of a host.
func (c *claimants) forget(from netip.Addr) {
	if i := c.index(from); i >= 0 {
		*c = slices.Delete(*c, i, i+1)
	}
}
