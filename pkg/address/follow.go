// SPDX-License-Identifier: Apache-2.0

package address

import (
	"net/netip"
	"slices"
)

// Carries reports whether a node has an address of its own on the link for every virtual address.
func (l Link) Carries(virtual []netip.Prefix) bool {
	return !slices.ContainsFunc(virtual, func(v netip.Prefix) bool { return !l.Primary(v.Addr()).IsValid() })
}

// without returns the link without virtual addresses, which are never the node's own, whoever added them.
func (l Link) without(virtual []netip.Prefix) Link {
	l.Addresses = slices.DeleteFunc(slices.Clone(l.Addresses), func(p netip.Prefix) bool {
		return slices.ContainsFunc(virtual, func(v netip.Prefix) bool { return v.Addr() == p.Addr() })
	})
	return l
}

// Follow returns what has become of a link: the link of its index as long as that carries the virtual addresses, whatever its
// name is now. Otherwise it is the one to which the addresses of the node have moved (a bridge or a bond that was made of it), the
// link of the configured name, or without a name the only one that carries them. Where there is none, it is the link of the
// index as it is, or the zero Link once that is gone.
//
// The addresses that the link has had come first, in their order: one that is added, or is deprecated, changes nothing.
func Follow(links []Link, last Link, name string, virtual []netip.Prefix) Link {
	var same Link
	if i := slices.IndexFunc(links, func(l Link) bool { return l.Index == last.Index }); i >= 0 {
		same = links[i]
	}
	if same.Master == 0 && same.Carries(virtual) {
		return same.like(last, virtual)
	}
	carrying := slices.DeleteFunc(slices.Clone(links), func(l Link) bool {
		return l.Index == last.Index || l.Master != 0 || !l.Carries(virtual)
	})
	for _, chosen := range []func(Link) bool{
		func(l Link) bool { return l.Index == same.Master },
		func(l Link) bool { return l.hasPrimaries(last, virtual) },
		func(l Link) bool { return l.Name == name },
		func(Link) bool { return name == "" && len(carrying) == 1 },
	} {
		if i := slices.IndexFunc(carrying, chosen); i >= 0 {
			return carrying[i].like(last, virtual)
		}
	}
	return same.like(last, virtual)
}

// hasPrimaries reports whether a link has the node's own addresses that another had.
func (l Link) hasPrimaries(last Link, virtual []netip.Prefix) bool {
	return !slices.ContainsFunc(virtual, func(v netip.Prefix) bool { return !l.Owns(last.Primary(v.Addr())) })
}

// like returns the link without virtual addresses, and with the addresses that another had in its order.
func (l Link) like(last Link, virtual []netip.Prefix) Link {
	l = l.without(virtual)
	age := func(p netip.Prefix) int {
		i := slices.IndexFunc(last.Addresses, func(q netip.Prefix) bool { return q.Addr() == p.Addr() })
		if i < 0 {
			return len(last.Addresses)
		}
		return i
	}
	slices.SortStableFunc(l.Addresses, func(p, q netip.Prefix) int { return age(p) - age(q) })
	return l
}

// missing returns the first address that the node has lost, where the link has no other in its place: one in the subnet of a
// virtual address, a required one, or the link-local one of IPv6. A port has lost all.
func (l Link) missing(last Link, virtual []netip.Prefix, required []netip.Addr) (netip.Addr, bool) {
	for _, v := range virtual {
		if own := l.Primary(v.Addr()); !own.IsValid() || l.Master != 0 {
			return last.Primary(v.Addr()), true
		}
		if ll := last.LinkLocal(); v.Addr().Is6() && ll.IsValid() && !l.LinkLocal().IsValid() {
			return ll, true
		}
	}
	for _, addr := range required {
		if !l.Owns(addr) {
			return addr, true
		}
	}
	return netip.Addr{}, false
}
