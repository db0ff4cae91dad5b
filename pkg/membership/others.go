// SPDX-License-Identifier: Apache-2.0

package membership

import (
	"net/netip"
	"slices"

	"github.com/harbinger-ha/harbinger/pkg/balance"
)

// maxOthers bounds how many nodes are asked at once, whatever the API names.
const maxOthers = 64

// Other is another node to ask.
type Other struct {
	Address netip.Addr
	Source  netip.Addr // of this node, to ask it from
	// APIServer is the port of its apiserver, as far as the configuration or the API names it; 0: not known.
	APIServer uint16
}

// Others returns the other nodes, on the link or behind a router, of the families in which this node has an address to ask from.
// own are the addresses of this node on any interface.
func (v View) Others(own []netip.Addr) []Other {
	var others []Other
	servers := v.named()
	for _, virtual := range v.VirtualAddresses() {
		source := v.Primary(virtual)
		for _, node := range v.Nodes() {
			if node.Is6() != virtual.Is6() || !source.IsValid() || v.Link.Owns(node) || slices.Contains(own, node) || len(others) == maxOthers {
				continue
			}
			other := Other{Address: node, Source: source}
			if i := slices.IndexFunc(servers, func(b balance.Backend) bool { return b.Address.Addr() == node }); i >= 0 {
				other.APIServer = servers[i].Address.Port()
			}
			others = append(others, other)
		}
	}
	return others
}

// Own returns the addresses of this node that the others know it by, and those that its advertisements come from.
func (v View) Own() []netip.Addr { return append(v.primaries(), v.Sources()...) }
