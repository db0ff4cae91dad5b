// SPDX-License-Identifier: Apache-2.0

package election

import (
	"net/netip"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// Mode says who elects the holder of the virtual addresses.
type Mode string

// The modes. An Election without one is in mode VRRP.
const (
	VRRP      Mode = "VRRP"   // VRRP alone
	Hybrid    Mode = "Hybrid" // a Lease while it can be read; VRRP otherwise
	LeaseOnly Mode = "Lease"  // a Lease alone: nothing is advertised, and without the API nobody holds
)

// Config configures an Election. The caller has checked the ranges.
type Config struct {
	Mode     Mode
	Version  vrrp.Version
	Priority uint8 // 1 to 254
	// AdvertisementInterval is the own one; a Backup of version 3 follows that of the Active router.
	AdvertisementInterval time.Duration
	// Preempt lets a higher priority take the addresses from a lower one that is heard (RFC 9568, section 6.1).
	Preempt bool
	// PreemptDelay is how long after its start a node does not preempt.
	PreemptDelay time.Duration
	// Primary are the own addresses that advertisements come from, one for each family.
	Primary []netip.Addr
	// Known are the own addresses by which the other nodes know this one, one for each family: over IPv6, where advertisements come
	// from a link-local address, others than Primary. Nil: those of Primary.
	Known []netip.Addr
	// Peers, where they are known, rank takeovers of equal priority, so that two do not collide.
	Peers []netip.Addr
	// Lifetime is how long the kernel keeps the addresses without a Refresh.
	Lifetime time.Duration
	// Jitter returns a number in [0,1).
	Jitter func() float64
	// Node is the name of this node, and Identity that of this process: the node, a slash, and what distinguishes its processes.
	Node, Identity string
	Lease          LeaseTimes
	// Predecessor names the Lease of kube-vip, from which the nodes take the addresses over: its namespace, a slash, and its name.
	// Empty: there is none. Mode VRRP has none.
	Predecessor string
}

// LeaseTimes are the times of the arbitration. They are not used in mode VRRP.
type LeaseTimes struct {
	// RenewInterval is the time between two writes of a holder.
	RenewInterval time.Duration
	// StaleAfter is how long a Lease must be seen not to be renewed before another may claim it. Mode LeaseOnly has Duration
	// in its place.
	StaleAfter time.Duration
	// Duration is, in mode LeaseOnly, how long a Lease holds without a renewal: the holder gives the addresses up at two thirds
	// of it, and another may claim the Lease at the end.
	Duration time.Duration
}

// arbitrates reports whether a Lease has a say at all.
func (c *Config) arbitrates() bool { return c.Mode != VRRP }

// reachEvery returns the time between two questions of a holder whom it reaches.
func (c *Config) reachEvery() time.Duration { return min(longestReach, 10*c.AdvertisementInterval) }

func (c *Config) refreshEvery() time.Duration {
	return RefreshInterval(c.AdvertisementInterval, c.Lifetime)
}

// expires returns when a kernel has dropped addresses at the latest that were last refreshed at a time.
func (c *Config) expires(refreshed time.Time) time.Time {
	return refreshed.Add(c.Lifetime + KernelSlack)
}

// leaving returns how long a leaving holder serves on at the longest, where it hears no successor (row 36).
func (c *Config) leaving() time.Duration {
	return vrrp.ActiveDownInterval(c.Version, lowestPriority, c.AdvertisementInterval) + leaveSlack
}

// settle returns how long two holders that hear each other may both hold at the longest, and a time for a busy host (S1).
func (c *Config) settle() time.Duration { return 2*c.AdvertisementInterval + settleSlack }

// own returns the own address of the family of another.
func (c *Config) own(other netip.Addr) netip.Addr { return ofFamily(c.Primary, other) }

// known returns the own address that ranks this node with a peer: both compare the same two.
func (c *Config) known(peer netip.Addr) netip.Addr {
	if k := ofFamily(c.Known, peer); k.IsValid() {
		return k
	}
	return c.own(peer)
}

// ofFamily returns the address that is of the family of another.
func ofFamily(all []netip.Addr, other netip.Addr) netip.Addr {
	for _, a := range all {
		if a.Is6() == other.Is6() {
			return a
		}
	}
	return netip.Addr{}
}

// firstFamily reports whether an address is of the family of the first own address.
func (c *Config) firstFamily(other netip.Addr) bool {
	return c.own(other) == c.Primary[0]
}

// others returns the other nodes, by their addresses of the first family; the other family has the same nodes.
func (c *Config) others() []netip.Addr {
	return slices.DeleteFunc(slices.Clone(c.Peers), func(peer netip.Addr) bool {
		return !c.firstFamily(peer) || c.known(peer) == peer
	})
}

// turn returns the delay of this node among its peers: the highest address first, as in the tie-break of RFC 9568, section
// 6.4.3. All turns together are short in comparison with the interval, and longer than a frame takes where the interval allows it.
func (c *Config) turn() time.Duration { return c.turnWithout(netip.Addr{}) }

// turnWithout is turn where one of the peers is silent, and takes none.
func (c *Config) turnWithout(silent netip.Addr) time.Duration {
	var rank time.Duration
	others := c.others()
	for _, peer := range others {
		if peer != silent && c.known(peer).Less(peer) {
			rank++
		}
	}
	all := time.Duration(max(1, len(others)))
	return rank * min(RankStep, max(c.AdvertisementInterval/10/all, min(shortestStep, c.AdvertisementInterval/2/all)))
}
