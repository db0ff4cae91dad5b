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
	return end(port, func(c Connection) bool { return slices.Contains(backends, c.Backend) })
}

// Leave is End for the connections to some addresses, which are about to leave this host.
func Leave(port uint16, addresses []netip.Addr) (count int, failed error) {
	return end(port, func(c Connection) bool { return slices.Contains(addresses, c.Frontend.Addr()) })
}

// Passed returns the connections to a port that the kernel passes on to another address. Those that have ended by themselves, which it
// remembers for minutes, are left out.
func Passed(port uint16) ([]Connection, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, fmt.Errorf("open conntrack: %w", err)
	}
	defer conn.Close()
	return passed(conn, port)
}

// passed lists the connections of both families at once: the kernel walks through its whole table for each list, which takes it 10 ms with
// the 262144 buckets that most hosts have, and no connection.
func passed(conn *netlink.Conn, port uint16) (all []Connection, err error) {
	known, err := conn.Execute(message(messageGet, netlink.Dump, unix.AF_UNSPEC, nil))
	if err != nil {
		return nil, fmt.Errorf("list connections: %w", err)
	}
	for _, m := range known {
		if c, ok := parse(m.Data, port); ok && c.Frontend != c.Backend {
			all = append(all, c)
		}
	}
	return all, nil
}

func end(port uint16, picks func(Connection) bool) (count int, failed error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return 0, fmt.Errorf("open conntrack: %w", err)
	}
	defer conn.Close()
	all, err := passed(conn, port)
	if err != nil {
		return 0, err
	}
	ended := all[:0]
	for _, c := range all {
		if !picks(c) {
			continue
		}
		ended = append(ended, c)
		switch _, err := conn.Execute(message(messageDelete, netlink.Acknowledge, c.reported[0], c.reported[headerSize:])); {
		case err == nil:
			count++
		case !errors.Is(err, os.ErrNotExist) && failed == nil: // one says enough
			failed = fmt.Errorf("end the connection of %s: %w", c.Client, err)
		}
	}
	return count, errors.Join(failed, prompt(ended))
}
