// SPDX-License-Identifier: Apache-2.0

package address

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A Link is a network interface as the kernel sees it at one moment.
type Link struct {
	Name  string
	Index int
	MAC   net.HardwareAddr
	// Up reports whether packets can pass: administratively up, with carrier.
	Up bool
	// Master is the index of the bridge, bond or team of which the link is a port; 0: of none. What arrives at a port is the
	// master's: the addresses of a port serve nobody.
	Master int
	// Kind is the type of a virtual device in the words of ip-link(8), such as bridge, veth or dummy; device: none.
	Kind string
	// Ethernet says that frames of Ethernet arrive at it.
	Ethernet bool
	// Addresses are the addresses that belong to the node, those that are deprecated last. A virtual address of this package is
	// never among them.
	Addresses []netip.Prefix
}

// Equal reports whether nothing differs.
func (l Link) Equal(other Link) bool {
	return l.Name == other.Name && l.Index == other.Index && slices.Equal(l.MAC, other.MAC) && l.Up == other.Up &&
		l.Master == other.Master && slices.Equal(l.Addresses, other.Addresses)
}

// Primary returns the node's own address in the subnet of a virtual address, or the zero Addr.
func (l Link) Primary(virtual netip.Addr) netip.Addr {
	if all := l.Primaries(virtual); len(all) > 0 {
		return all[0]
	}
	return netip.Addr{}
}

// Primaries returns the node's own addresses in the subnet of a virtual address.
func (l Link) Primaries(virtual netip.Addr) []netip.Addr {
	var all []netip.Addr
	for _, p := range l.Addresses {
		if p.Contains(virtual) && p.Addr() != virtual {
			all = append(all, p.Addr())
		}
	}
	return all
}

// Owns reports whether an address is one of this node's on the link.
func (l Link) Owns(addr netip.Addr) bool {
	return slices.ContainsFunc(l.Addresses, func(p netip.Prefix) bool { return p.Addr() == addr })
}

// Neighbour reports whether an address belongs to another host in a subnet of the link.
func (l Link) Neighbour(addr netip.Addr) bool {
	near := false
	for _, p := range l.Addresses {
		if p.Addr() == addr {
			return false
		}
		near = near || p.Contains(addr)
	}
	return near
}

// LinkLocal returns the link-local IPv6 address, or the zero Addr.
func (l Link) LinkLocal() netip.Addr {
	for _, p := range l.Addresses {
		if p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() {
			return p.Addr()
		}
	}
	return netip.Addr{}
}

// Links returns the interfaces of the host, those that are down included.
func Links() ([]Link, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	defer h.Close()
	return readLinks(h)
}

func readLinks(h *netlink.Handle) ([]Link, error) {
	found, err := list(h.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	addrs, err := addresses(h)
	if err != nil {
		return nil, err
	}
	routed := map[int]bool{} // the masters whose ports keep their addresses: a VRF only chooses another routing table
	for _, l := range found {
		routed[l.Attrs().Index] = l.Type() == "vrf"
	}
	links := make([]Link, 0, len(found))
	for _, l := range found {
		link := newLink(l.Attrs(), addrs)
		link.Kind = l.Type()
		if routed[link.Master] {
			link.Master = 0
		}
		links = append(links, link)
	}
	return links, nil
}

func newLink(attrs *netlink.LinkAttrs, addrs []netlink.Addr) Link {
	const passing = unix.IFF_UP | unix.IFF_RUNNING | unix.IFF_LOWER_UP
	l := Link{
		Name:   attrs.Name,
		Index:  attrs.Index,
		MAC:    attrs.HardwareAddr,
		Up:     attrs.RawFlags&passing == passing,
		Master: attrs.MasterIndex,
		// lo is of another type than Ethernet (ARPHRD_ETHER in linux/if_arp.h)
		Ethernet: attrs.EncapType == "ether",
	}
	var deprecated []netip.Prefix
	for _, a := range addrs {
		switch {
		case a.LinkIndex != attrs.Index || !owned(a):
		case a.Flags&unix.IFA_F_DEPRECATED != 0:
			deprecated = append(deprecated, prefixOf(a))
		default:
			l.Addresses = append(l.Addresses, prefixOf(a))
		}
	}
	l.Addresses = append(l.Addresses, deprecated...)
	return l
}

// owned reports whether the node uses an address as its own: no temporary one that privacy extensions will replace, not waiting
// for or failed in duplicate address detection, and none that was added as entry of this package does. A deprecated address is
// valid and reachable: a router may have withdrawn its prefix.
func owned(a netlink.Addr) bool {
	if p := prefixOf(a); a.Flags&unix.IFA_F_DEPRECATED != 0 && p.IsSingleIP() {
		return false
	}
	unusable := unix.IFA_F_DADFAILED
	if a.Flags&unix.IFA_F_OPTIMISTIC == 0 {
		unusable |= unix.IFA_F_TENTATIVE
	}
	if a.IP.To4() == nil {
		unusable |= unix.IFA_F_TEMPORARY // IPv4 reads the same bit as "secondary"
	}
	return a.Flags&unusable == 0
}

func prefixOf(a netlink.Addr) netip.Prefix {
	addr, _ := netip.AddrFromSlice(a.IP)
	bits, _ := a.Mask.Size()
	return netip.PrefixFrom(addr.Unmap(), bits)
}

// addresses lists the addresses of all interfaces.
func addresses(h *netlink.Handle) ([]netlink.Addr, error) {
	addrs, err := list(func() ([]netlink.Addr, error) { return h.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	return addrs, nil
}

// list calls a netlink dump until the kernel did not change what it dumps meanwhile. Under constant change the last
// answer has to do: what it misses comes as a change of its own.
func list[T any](dump func() ([]T, error)) ([]T, error) {
	const attempts = 5
	var found []T
	var err error
	for range attempts {
		if found, err = dump(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return found, err
		}
	}
	return found, nil
}

// Find returns the link of that name or, without a name, the one link whose subnet holds the first virtual address. The bridge
// or bond of which the named link is a port stands for it. Every virtual address must be in a subnet of the link: its
// neighbours could not reach it otherwise.
func Find(links []Link, name string, virtual []netip.Prefix) (Link, error) {
	link, err := find(links, name, virtual[0].Addr())
	if err != nil {
		return Link{}, err
	}
	if i := slices.IndexFunc(links, func(l Link) bool { return link.Master != 0 && l.Index == link.Master }); i >= 0 && links[i].Carries(virtual) {
		link = links[i]
	}
	for _, v := range virtual {
		if !link.Primary(v.Addr()).IsValid() {
			return Link{}, fmt.Errorf("%s is in no subnet of interface %s, which has %s", v.Addr(), link.Name, subnets(link))
		}
	}
	return link.without(virtual), nil
}

func find(links []Link, name string, first netip.Addr) (Link, error) {
	matches := func(l Link) bool { return l.Primary(first).IsValid() }
	wanted := fmt.Sprintf("no interface has an address in the subnet of %s", first)
	if name != "" {
		matches = func(l Link) bool { return l.Name == name }
		wanted = fmt.Sprintf("interface %q does not exist", name)
	}
	i := slices.IndexFunc(links, matches)
	if i < 0 {
		return Link{}, fmt.Errorf("%s; the interfaces are %s", wanted, names(links))
	}
	if j := slices.IndexFunc(links[i+1:], matches); j >= 0 {
		return Link{}, fmt.Errorf("%s and %s both have an address in the subnet of %s: name the interface to use",
			links[i].Name, links[i+1+j].Name, first)
	}
	return links[i], nil
}

func names(links []Link) string {
	all := make([]string, 0, len(links))
	for _, l := range links {
		all = append(all, l.Name)
	}
	return strings.Join(all, ", ")
}

func subnets(l Link) string {
	if len(l.Addresses) == 0 {
		return "no address"
	}
	all := make([]string, 0, len(l.Addresses))
	for _, p := range l.Addresses {
		all = append(all, p.String())
	}
	return strings.Join(all, ", ")
}
