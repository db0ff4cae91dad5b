// SPDX-License-Identifier: Apache-2.0

package vrrp_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

var (
	active  = netip.MustParseAddr("192.168.238.130")
	backup  = netip.MustParseAddr("192.168.238.131")
	virtual = netip.MustParseAddr("192.168.238.100")
)

// An Active router sends this message once a second to the group. The addresses of the packet are part of the checksum.
func ExampleAdvertisement_AppendBinary() {
	a := vrrp.Advertisement{
		Version: vrrp.Version3, VRID: 51, Priority: 100, Interval: time.Second, Addresses: []netip.Addr{virtual},
	}
	message, err := a.AppendBinary(nil, active, vrrp.GroupIPv4, vrrp.ChecksumAuto.Form())
	fmt.Printf("%x %v\n", message, err)
	// Output:
	// 3133640100642b9fc0a8ee64 <nil>
}

// A receiver reads a message, then asks its rules. An error has a label for the metrics.
func ExampleRules_Check() {
	sent := vrrp.Advertisement{
		Version: vrrp.Version3, VRID: 51, Priority: 100, Interval: time.Second, Addresses: []netip.Addr{virtual},
	}
	message, err := sent.AppendBinary(nil, active, vrrp.GroupIPv4, vrrp.ChecksumPseudo)
	if err != nil {
		fmt.Println(err)
		return
	}

	p := vrrp.Packet{Source: active, Destination: vrrp.GroupIPv4, TTL: 255}
	if p.Form, err = p.Advertisement.Unmarshal(message, p.Source, p.Destination); err != nil {
		fmt.Println(err)
		return
	}
	rules := vrrp.Rules{
		Version: vrrp.Version3, VRID: 51, Addresses: []netip.Addr{virtual}, Own: []netip.Addr{backup}, Multicast: true, MinimumTTL: 255,
	}
	fmt.Println(p.Form, rules.Check(p))

	p.TTL = 254 // a router has passed it on
	err = rules.Check(p)
	fmt.Println(vrrp.Reason(err), "-", err)
	// Output:
	// pseudo <nil>
	// ttl - TTL or hop limit below the minimum
}

// The higher the priority of a Backup, the earlier it takes over.
func ExampleActiveDownInterval() {
	for _, priority := range []uint8{200, 100, 1} {
		fmt.Println(priority, vrrp.ActiveDownInterval(vrrp.Version3, priority, time.Second))
	}
	// Output:
	// 200 3.21875s
	// 100 3.609375s
	// 1 3.99609375s
}
