// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"fmt"

	"github.com/harbinger-ha/harbinger/pkg/preflight"
	"github.com/harbinger-ha/harbinger/pkg/preflight/wire"
)

// A check on the wire is ignored by its name, as one of the host is.
func ExampleChecks() {
	for _, c := range wire.Checks() {
		fmt.Println(c.Name)
	}
	names, err := preflight.ParseIgnored([]string{"WireMTU"}, wire.Checks())
	fmt.Println(names, err)
	// Output:
	// WireAddress
	// WireRouterID
	// WireRouters
	// WirePeers
	// WireVRRP
	// WireIdentityPort
	// WireMTU
	// WireEcho
	// [WireMTU] <nil>
}
