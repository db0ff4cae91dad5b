// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"net/netip"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// Names are the names of the nodes, by their addresses.
type Names map[netip.Addr]string

// NamesOf returns the names that a status knows.
func NamesOf(s *v1alpha1.HarbingerStatus) Names {
	names := Names{}
	add := func(address, name string) {
		if a, err := netip.ParseAddr(address); err == nil && name != "" {
			names[plain(a)] = name
		}
	}
	for _, span := range s.Holders {
		add(span.Holder, span.Node)
	}
	for _, h := range s.Hosts {
		add(h.Address, h.Node)
	}
	return names
}

// plain is an address without the forms that one host may have beside it.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// Of returns the name of the node that has an address, with or without a port; what is no such address is returned as it is.
func (n Names) Of(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		port, err := netip.ParseAddrPort(address)
		if err != nil {
			return Safe(address)
		}
		a = port.Addr()
	}
	return Safe(cmp.Or(n[plain(a)], address))
}

// Holder returns the name of the node that holds the virtual addresses as far as a node knows, or its address. Empty: nobody is known.
func (n Names) Holder(s *v1alpha1.HarbingerStatus) string {
	if s.VirtualRouter.Held {
		return Safe(s.Node)
	}
	if s.VirtualRouter.Holder != "" {
		return n.Of(s.VirtualRouter.Holder)
	}
	return ""
}
