// SPDX-License-Identifier: Apache-2.0

package membership_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/membership"
)

// Others are asked by each address that they are named by, and this node is not among them, by whatever address.
func TestOthers(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	addr := netip.MustParseAddr
	for _, tc := range []struct {
		name string
		view membership.View
		want []membership.Other
	}{
		{"nobody is named", view(t, multicast), nil},
		{"backends", view(t, backends), []membership.Other{{Address: addr("192.0.2.2"), Source: v4, APIServer: 6443}}},
		{"unicast", view(t, unicast), []membership.Other{{Address: addr("192.0.2.2"), Source: v4}, {Address: addr("2001:db8::2"), Source: v6}}},
		{"discovered, but not behind a router", view(t, multicast, "192.0.2.1:6443", "192.0.2.3:7443", "198.51.100.9:6443", "[2001:db8::9]:6443"),
			[]membership.Other{{Address: addr("192.0.2.3"), Source: v4, APIServer: 7443}}},
		{"this node by another interface", view(t, multicast, "10.0.0.1:6443"), nil},
	} {
		t.Run(tc.name, func(t *testing.T) { wantEqual(t, tc.want, tc.view.Others(addresses("10.0.0.1"))) })
	}
	var many []string
	for i := range 300 {
		many = append(many, fmt.Sprintf("192.0.2.%d:%d", i%250+2, 6000+i))
	}
	if got := len(view(t, multicast, many...).Others(nil)); got != 64 {
		t.Errorf("%d nodes are asked at once", got)
	}
}

func TestOwn(t *testing.T) {
	wantEqual(t, addresses("192.0.2.1", "2001:db8::1", "192.0.2.1", "fe80::1"), view(t, dualStack).Own())
}
