// SPDX-License-Identifier: Apache-2.0

package dnat

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ended picks the connections to forget: what clients have sent to a port of this host, and the kernel to another address or port.
type ended struct {
	port  uint16
	picks func(asked netip.Addr, backend netip.AddrPort) bool
	all   []flow // that were picked
}

// MatchConntrackFlow is for the library.
func (e *ended) MatchConntrackFlow(x *netlink.ConntrackFlow) bool {
	if x.Forward.Protocol != unix.IPPROTO_TCP || x.Forward.DstPort != e.port {
		return false
	}
	asked, backend := endpoint(x.Forward.DstIP, x.Forward.DstPort), endpoint(x.Reverse.SrcIP, x.Reverse.SrcPort)
	if asked == backend || !e.picks(asked.Addr(), backend) {
		return false
	}
	e.all = append(e.all, flow{asked, endpoint(x.Forward.SrcIP, x.Forward.SrcPort)})
	return true
}

func endpoint(ip net.IP, port uint16) netip.AddrPort {
	address, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(address.Unmap(), port)
}

// End has the kernel forget the connections to a port that it has passed on to one of the backends, and returns how many there were. Their
// clients are made to send something, and reset with that, as what it is for is not known any more: rules without these backends come first.
func End(port uint16, backends []netip.AddrPort) (count int, failed error) {
	return end(&ended{port: port, picks: func(_ netip.Addr, backend netip.AddrPort) bool { return slices.Contains(backends, backend) }})
}

// Leave is End for the connections to some addresses, which are about to leave this host.
func Leave(port uint16, addresses []netip.Addr) (count int, failed error) {
	return end(&ended{port: port, picks: func(asked netip.Addr, _ netip.AddrPort) bool { return slices.Contains(addresses, asked) }})
}

func end(connections *ended) (count int, failed error) {
	handle, err := netlink.NewHandle(unix.NETLINK_NETFILTER)
	if err != nil {
		return 0, fmt.Errorf("open conntrack: %w", err)
	}
	defer handle.Close()
	for _, f := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
		n, err := handle.ConntrackDeleteFilters(netlink.ConntrackTable, f, connections)
		count += int(n)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("end connections: %w", err))
		}
	}
	return count, errors.Join(failed, prompt(connections.all))
}
