// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"encoding/binary"
	"net/netip"
)

// A ProxyProtocol says how a backend learns of the addresses of clients: by what comes before their first byte.
type ProxyProtocol string

// The protocols.
const (
	// ProxyProtocolNone sends nothing: the backend sees the address of the balancer. An apiserver takes nothing else.
	ProxyProtocolNone ProxyProtocol = "None"
	// ProxyProtocolV2 sends the header of version 2 (haproxy, doc/proxy-protocol.txt, "Binary header format (version 2)").
	ProxyProtocolV2 ProxyProtocol = "V2"
)

// proxySignature begins each header of version 2.
const proxySignature = "\r\n\r\n\x00\r\nQUIT\n"

// The values of the 13th and 14th byte of a header: the version with the command, and the family with the protocol.
const (
	proxyLocal = 0x20 // the balancer itself connects
	proxyRelay = 0x21 // it connects for a client
	proxyTCP4  = 0x11
	proxyTCP6  = 0x21
)

// MaxProxyHeader is how long a header is at most: with two addresses of IPv6.
const MaxProxyHeader = len(proxySignature) + 4 + 2*(16+2)

// AppendHeader appends what a backend gets first on a connection of a client, from whose address and to the one that it connected to: of
// IPv4 both, or of IPv6. Where they are not known it is that of a connection of the balancer itself, as its health checks make.
func (p ProxyProtocol) AppendHeader(b []byte, from, to netip.AddrPort) []byte {
	if p != ProxyProtocolV2 {
		return b
	}
	b = append(b, proxySignature...)
	source, destination := from.Addr().Unmap(), to.Addr().Unmap()
	if !source.IsValid() || !destination.IsValid() || source.Is4() != destination.Is4() {
		return append(b, proxyLocal, 0, 0, 0)
	}
	family := byte(proxyTCP6)
	if source.Is4() {
		family = proxyTCP4
	}
	b = append(b, proxyRelay, family)
	b = binary.BigEndian.AppendUint16(b, uint16(2*(source.BitLen()/8+2)))
	b = append(append(b, source.AsSlice()...), destination.AsSlice()...)
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, from.Port()), to.Port())
}
