// SPDX-License-Identifier: Apache-2.0

package address_test

import (
	"fmt"
	"net/netip"

	"github.com/harbinger-ha/harbinger/pkg/address"
)

// Without a name, the interface is the one whose subnet has the first virtual address.
func ExampleFind() {
	links := []address.Link{
		{Name: "eth0", Up: true, Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.130/24")}},
		{Name: "eth1", Up: true, Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.238.130/24")}},
	}
	link, err := address.Find(links, "", []netip.Prefix{netip.MustParsePrefix("192.168.238.100/24")})
	fmt.Println(link.Name, err)
	_, err = address.Find(links, "", []netip.Prefix{netip.MustParsePrefix("172.16.0.100/24")})
	fmt.Println(err)
	// Output:
	// eth1 <nil>
	// no interface has an address in the subnet of 172.16.0.100; the interfaces are eth0, eth1
}
