// SPDX-License-Identifier: Apache-2.0

package wire

import "github.com/harbinger-ha/harbinger/pkg/preflight"

// Checks returns the checks on the wire, in the order in which they are shown.
func Checks() []preflight.Check {
	return []preflight.Check{
		{Name: checkAddress, Finds: "another host that answers for a virtual address, or several", Remedy: "another address, or the walk where the recipe or kube-vip has it"},
		{Name: checkID, Finds: "another virtual router with the virtual router ID", Remedy: "an ID that nobody was heard with"},
		{Name: checkRouters, Finds: "the virtual routers of the segment (VRRP, CARP)", Remedy: "none: what was heard is listed"},
		{Name: checkPeers, Finds: "nodes that do not run the check, or run it with another configuration", Remedy: "run it on all nodes at the same time"},
		{Name: checkVRRP, Finds: "protocol 112 that does not pass, by peer and direction", Remedy: "the firewall of the host that drops it, or the network between"},
		{Name: checkIdentity, Finds: "an identity port that cannot be reached, by peer and direction", Remedy: "the same"},
		{Name: checkMTU, Finds: "a path that loses packets as long as the interface allows", Remedy: "one MTU on all interfaces and switches, or a smaller one here"},
		{Name: checkEcho, Finds: "a peer that does not answer an ICMP echo", Remedy: "the firewall of the peer"},
	}
}
