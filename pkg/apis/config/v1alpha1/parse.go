// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"math"
	"net/netip"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// parser turns the text and numbers of a document into the internal types and collects what does not fit.
type parser struct {
	errs field.ErrorList
}

func (p *parser) invalid(path *field.Path, value any, detail string) {
	p.errs = append(p.errs, field.Invalid(path, value, detail))
}

// prefix parses an address with or without a prefix length; without one it stands for itself alone.
func (p *parser) prefix(path *field.Path, s string) netip.Prefix {
	if prefix, err := netip.ParsePrefix(s); err == nil && plain(prefix.Addr()) {
		return prefix
	}
	addr, err := netip.ParseAddr(s)
	if err != nil || !plain(addr) {
		p.invalid(path, s, "must be an IP address with a prefix length, such as 192.168.238.100/24 or fd00::100/64")
		return netip.Prefix{}
	}
	return netip.PrefixFrom(addr, addr.BitLen())
}

func (p *parser) addr(path *field.Path, s string) netip.Addr {
	addr, err := netip.ParseAddr(s)
	if err != nil || !plain(addr) {
		p.invalid(path, s, "must be an IP address, such as 192.168.238.130 or fd00::130")
		return netip.Addr{}
	}
	return addr
}

func (p *parser) addrPort(path *field.Path, s string) netip.AddrPort {
	addrPort, err := netip.ParseAddrPort(s)
	if err != nil || !plain(addrPort.Addr()) {
		p.invalid(path, s, "must be an IP address and a port, such as 192.168.238.130:6443 or [fd00::130]:6443")
		return netip.AddrPort{}
	}
	return addrPort
}

func (p *parser) port(path *field.Path, n int32) uint16 {
	if n < 1 || n > math.MaxUint16 {
		p.invalid(path, n, "must be a port, 1 to 65535")
		return 0
	}
	return uint16(n)
}

func (p *parser) uint8(path *field.Path, n int32, want string) uint8 {
	if n < 0 || n > math.MaxUint8 {
		p.invalid(path, n, "must be "+want)
		return 0
	}
	return uint8(n)
}

// plain reports whether an address has the one spelling that all nodes share: no zone, which is local to a host, and no
// IPv4-mapped IPv6 address.
func plain(addr netip.Addr) bool {
	return addr.Zone() == "" && !addr.Is4In6()
}
