// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"maps"
	"net/netip"
	"slices"
)

// An AdminState is what somebody has ordered of a backend by hand, whatever its health. It does what that of haproxy does (haproxy 3.0,
// management.txt, "set server state").
type AdminState string

// The states. The empty one is Ready.
const (
	// Ready backends take connections as their health says.
	Ready AdminState = "Ready"
	// Drain backends take no new connection. Those that they have go on.
	Drain AdminState = "Drain"
	// Maintenance backends take no new connection, keep none, and are not checked.
	Maintenance AdminState = "Maintenance"
)

// AdminStates returns all states.
func AdminStates() []AdminState { return []AdminState{Ready, Drain, Maintenance} }

// Takes reports whether a backend of the state may take connections.
func (s AdminState) Takes() bool { return s != Drain && s != Maintenance }

// Orders are the backends that somebody has ordered out, with their states. They never change: Give and Only make others.
type Orders map[netip.AddrPort]AdminState

// Of returns what was ordered of a backend.
func (o Orders) Of(backend netip.AddrPort) AdminState {
	if state, ordered := o[backend]; ordered {
		return state
	}
	return Ready
}

// Give returns the orders with that of one backend.
func (o Orders) Give(backend netip.AddrPort, state AdminState) Orders {
	all := maps.Clone(o)
	switch {
	case state.Takes():
		delete(all, backend)
	case all == nil:
		return Orders{backend: state}
	default:
		all[backend] = state
	}
	return all
}

// Only returns the orders about some backends, and the others that there were orders about: they are forgotten.
func (o Orders) Only(backends []Backend) (kept Orders, forgotten []netip.AddrPort) {
	kept = maps.Clone(o)
	for address := range o {
		if !slices.ContainsFunc(backends, func(b Backend) bool { return b.Address == address }) {
			delete(kept, address)
			forgotten = append(forgotten, address)
		}
	}
	slices.SortFunc(forgotten, netip.AddrPort.Compare)
	return kept, forgotten
}
