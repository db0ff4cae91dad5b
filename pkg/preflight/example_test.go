// SPDX-License-Identifier: Apache-2.0

package preflight_test

import (
	"fmt"
	"net/netip"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/preflight"
)

// The facts of a host are values: the same checks run on a host, and here without one. Gather finds the facts.
func ExampleRun() {
	cfg, err := scheme.Decode([]byte(`
apiVersion: harbinger.dev/v1alpha1
kind: HarbingerConfiguration
virtualAddresses: [192.168.238.100/24]
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	host := preflight.Facts{Links: []address.Link{
		{Name: "eth0", Up: true, Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.1.130/24")}},
	}}
	for _, result := range preflight.Run(cfg, host) {
		if result.Status == preflight.Fail {
			fmt.Println(result.Check, result.Found)
		}
	}
	// Output:
	// Interface virtualAddresses: Invalid value: ["192.168.238.100/24"]: no interface has an address in the subnet of 192.168.238.100; the interfaces are eth0
}
