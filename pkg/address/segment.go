// SPDX-License-Identifier: Apache-2.0

package address

import (
	"cmp"
	"net/netip"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// mostOfSegment bounds the links of Segment: the kernel takes 256 devices in a chain of a filter.
const mostOfSegment = 64

// wired are the kinds of links that lead to neighbours, not to containers or tunnels of this host.
var wired = []string{"device", "bond", "team", "vlan", "macvlan", "macvtap", "ipvlan"}

// Segment returns the names of the links by which neighbours may reach the addresses of this host, that of an index first: Linux answers for each
// address on every link. The ports of a bridge or a bond are not among them, as what arrives there is that one's. Those that lead to
// containers are not, either, but for a veth with a subnet: their frames for the virtual addresses may be on the way to another host.
func Segment(links []Link, index int) (names []string) {
	found := slices.DeleteFunc(slices.Clone(links), func(l Link) bool {
		return !l.Ethernet || l.Master != 0 || l.Index != index && !l.leadsOut() && !l.bridges(links, index)
	})
	slices.SortFunc(found, func(a, b Link) int {
		rank := func(l Link) int {
			if l.Index == index {
				return 0
			}
			return l.Index
		}
		return cmp.Compare(rank(a), rank(b))
	})
	for _, l := range found[:min(len(found), mostOfSegment)] {
		names = append(names, l.Name)
	}
	return names
}

func (l Link) leadsOut() bool {
	return slices.Contains(wired, l.Kind) || l.Kind == "veth" && l.hasSubnet()
}

// bridges reports whether a link is a bridge with a port that leads out, or that of an index.
func (l Link) bridges(links []Link, index int) bool {
	return l.Kind == "bridge" && slices.ContainsFunc(links, func(port Link) bool {
		return port.Master == l.Index && (port.Index == index || port.leadsOut())
	})
}

// hasSubnet reports whether a link has an address with neighbours.
func (l Link) hasSubnet() bool { return slices.ContainsFunc(l.Addresses, isSubnet) }

func isSubnet(p netip.Prefix) bool { return !p.IsSingleIP() && !p.Addr().IsLinkLocalUnicast() }

// neighbours reports whether a message is about an address with neighbours: the link that has it leads out from then on.
func neighbours(m syscall.NetlinkMessage) bool {
	a := addressOf(m)
	return a.IsValid() && isSubnet(netip.PrefixFrom(a, int(m.Data[1]))) // the length of the prefix, of ifaddrmsg
}

// segment is what each link was when the kernel reported it last, by its index.
type segment map[int]identity

// identity is what a filter on a link depends on.
type identity struct {
	name   string
	master uint32
}

// changed notes a message about a link, and reports whether it is another one than before: new, gone, with another name or of another
// master. The kernel reports much else about links.
func (s segment) changed(m syscall.NetlinkMessage) bool {
	index := indexOf(m)
	before, known := s[index]
	if m.Header.Type == unix.RTM_DELLINK {
		delete(s, index)
		return true
	}
	now := identityOf(m)
	s[index] = now
	return !known || before != now
}

func identityOf(m syscall.NetlinkMessage) (i identity) {
	if len(m.Data) < unix.SizeofIfInfomsg {
		return i
	}
	attrs, err := nl.ParseRouteAttr(m.Data[unix.SizeofIfInfomsg:])
	if err != nil {
		return i
	}
	for _, a := range attrs {
		switch a.Attr.Type {
		case unix.IFLA_IFNAME:
			i.name = nl.BytesToString(a.Value)
		case unix.IFLA_MASTER:
			if len(a.Value) >= 4 {
				i.master = nl.NativeEndian().Uint32(a.Value)
			}
		}
	}
	return i
}
