// SPDX-License-Identifier: Apache-2.0

package dnat

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// End has the kernel forget the connections to a port that it has passed on to one of the backends, and returns how many there were. Their
// clients are made to send something, and reset with that, as what it is for is not known any more: rules without these backends come first.
func End(port uint16, backends []netip.AddrPort) (count int, failed error) {
	return end(port, func(_ netip.Addr, backend netip.AddrPort) bool { return slices.Contains(backends, backend) })
}

// Leave is End for the connections to some addresses, which are about to leave this host.
func Leave(port uint16, addresses []netip.Addr) (count int, failed error) {
	return end(port, func(asked netip.Addr, _ netip.AddrPort) bool { return slices.Contains(addresses, asked) })
}

// end lists the connections of both families at once: the kernel walks through its whole table for each list, which takes it 10 ms with the
// 262144 buckets that most hosts have, and no connection.
func end(port uint16, picks func(asked netip.Addr, backend netip.AddrPort) bool) (count int, failed error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return 0, fmt.Errorf("open conntrack: %w", err)
	}
	defer conn.Close()
	all, err := conn.Execute(message(messageGet, netlink.Dump, unix.AF_UNSPEC, nil))
	if err != nil {
		return 0, fmt.Errorf("list connections: %w", err)
	}
	var ended []flow
	for _, m := range all {
		c, ok := parse(m.Data, port)
		if !ok || c.asked == c.backend || !picks(c.asked.Addr(), c.backend) {
			continue
		}
		ended = append(ended, c.flow)
		switch _, err := conn.Execute(message(messageDelete, netlink.Acknowledge, m.Data[0], m.Data[headerSize:])); {
		case err == nil:
			count++
		case !errors.Is(err, os.ErrNotExist) && failed == nil: // one says enough
			failed = fmt.Errorf("end the connection of %s: %w", c.client, err)
		}
	}
	return count, errors.Join(failed, prompt(ended))
}
