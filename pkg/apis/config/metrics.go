// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net/netip"
	"strconv"
)

// NodeAddress stands in a configuration, which all hosts share, for the address of the node on the interface of the virtual
// addresses.
const NodeAddress = "node"

// Metrics are an endpoint for the metrics alone, beside that of the status.
type Metrics struct {
	// Address and Port at which it is served. Port 0: there is none. An Address that is not valid is the address of the node.
	Address netip.Addr
	Port    uint16
	// TLS is served where CertFile is not empty; ClientCAFile then names who may ask.
	CertFile, KeyFile, ClientCAFile string
	// TokenFile has what a client shows as its bearer token.
	TokenFile string
}

// Served reports whether there is such an endpoint.
func (m Metrics) Served() bool { return m.Port != 0 }

// At returns where the endpoint is on a node.
func (m Metrics) At(node netip.Addr) netip.AddrPort {
	if m.Address.IsValid() {
		return netip.AddrPortFrom(m.Address, m.Port)
	}
	return netip.AddrPortFrom(node, m.Port)
}

// Loopback reports whether only this host reaches the endpoint.
func (m Metrics) Loopback() bool { return m.Address.IsLoopback() }

// BindAddress returns the address and the port as a configuration has them, nothing where there is no endpoint.
func (m Metrics) BindAddress() string {
	switch {
	case m.Address.IsValid():
		return netip.AddrPortFrom(m.Address, m.Port).String()
	case m.Served():
		return NodeAddress + ":" + strconv.Itoa(int(m.Port))
	}
	return ""
}
