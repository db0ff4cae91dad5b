// SPDX-License-Identifier: Apache-2.0

package validation_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/validation"
)

// All faults of a configuration are found at once, each with the path of its field.
func ExampleValidate() {
	cfg, err := scheme.Complete(&v1alpha1.HarbingerConfiguration{VirtualAddresses: []string{"192.168.238.100/24"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	cfg.Election.VRRP.VirtualRouterID = 0
	cfg.Election.VRRP.AdvertisementInterval = time.Minute
	cfg.Election.VRRP.Peers = []netip.Addr{netip.MustParseAddr("192.168.238.100")}
	for _, fault := range validation.Validate(cfg) {
		fmt.Println(fault)
	}
	// Output:
	// election.vrrp.virtualRouterID: Invalid value: 0: must be 1 to 255
	// election.vrrp.advertisementInterval: Invalid value: "1m0s": must be 10ms to 40.95s
	// election.vrrp.peers[0]: Invalid value: "192.168.238.100": must be the address of a node, not a virtual address
}

// A running Harbinger takes over a changed configuration, but for the fields that NeedsRestart names.
func ExampleNeedsRestart() {
	decode := func() *v1alpha1.HarbingerConfiguration {
		return &v1alpha1.HarbingerConfiguration{VirtualAddresses: []string{"192.168.238.100/24"}}
	}
	now, _ := scheme.Complete(decode())
	next, _ := scheme.Complete(decode())
	next.Election.VRRP.Priority = 150
	fmt.Println("another priority:", validation.NeedsRestart(now, next))
	next.ControlPlane.Port = 4300
	fmt.Println("another port:", validation.NeedsRestart(now, next))
	// Output:
	// another priority: []
	// another port: [controlPlane]
}
