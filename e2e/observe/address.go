// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"errors"
	"io"
	"net/netip"
	"strings"
)

var errNoAddressLine = errors.New("it is no time with a line of ip -o monitor address")

// ReadAddresses reads what the kernel of a host reported about its addresses: lines of `ip -o monitor address`, each after the
// time when it came. It returns when the host got the virtual IP and when it lost it. Adding what is there, a refresh
// of its lifetime for instance, is no change; nor is one of two prefixes or interfaces with the same address.
func ReadAddresses(r io.Reader, host string, vip netip.Addr) ([]Change, error) {
	var changes []Change
	held := make(map[string]bool) // by interface and prefix
	err := scan(r, func(text string) error {
		stamp, rest, _ := strings.Cut(text, " ")
		at, err := parseTime(stamp)
		if err != nil {
			return err
		}
		rest, deleted := strings.CutPrefix(rest, "Deleted ")
		name, address, err := parseAddress(rest)
		if err != nil || address != vip {
			return err
		}
		before := len(held) > 0
		if deleted {
			delete(held, name)
		} else {
			held[name] = true
		}
		if after := len(held) > 0; after != before {
			changes = append(changes, Change{At: at, Host: host, Has: after})
		}
		return nil
	})
	return changes, err
}

// parseAddress reads "2: eth0    inet 192.168.238.100/32 scope …". The name distinguishes this address from all others of the host.
func parseAddress(text string) (name string, address netip.Addr, err error) {
	fields := strings.Fields(text)
	if len(fields) < 4 || !strings.HasSuffix(fields[0], ":") {
		return "", netip.Addr{}, errNoAddressLine
	}
	if fields[2] != "inet" && fields[2] != "inet6" {
		return "", netip.Addr{}, nil
	}
	bare, _, _ := strings.Cut(fields[3], "/") // an address with a peer has no prefix
	address, err = netip.ParseAddr(bare)
	return fields[0] + fields[3], address, err
}
