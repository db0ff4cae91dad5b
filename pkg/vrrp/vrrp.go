// SPDX-License-Identifier: Apache-2.0

// Package vrrp is the wire of the Virtual Router Redundancy Protocol: advertisements of version 2 (RFC 3768) and version 3
// (RFC 9568), their checksums, the checks on receipt, and the formulas of the timers. It does no I/O and never reads a
// clock; package election is the state machine.
package vrrp

import (
	"net/netip"
	"time"
)

// Version is the version of the protocol.
type Version uint8

// The versions.
const (
	Version2 Version = 2 // RFC 3768, IPv4 only
	Version3 Version = 3 // RFC 9568, IPv4 and IPv6
)

// Protocol is the IP protocol number of VRRP.
const Protocol = 112

// The priorities with a meaning of their own (RFC 9568, section 5.2.4).
const (
	PriorityRelease = 0   // the sender gives the addresses up
	PriorityOwner   = 255 // the sender owns the addresses as its real ones
)

// The multicast groups of VRRP (RFC 9568, sections 5.1.1.2 and 5.1.2.2).
var (
	GroupIPv4 = netip.AddrFrom4([4]byte{224, 0, 0, 18})
	GroupIPv6 = netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 15: 0x12})
)

// AuthenticationType is the authentication of version 2.
type AuthenticationType string

// The authentication types. The zero value is none as well.
const (
	AuthenticationNone     AuthenticationType = "None"
	AuthenticationPassword AuthenticationType = "Password"
	AuthenticationHMAC     AuthenticationType = "HMAC" // in a trailer behind the message, which carries none itself: see package keyed
)

// The authentication types on the wire (RFC 2338, section 5.3.6).
const (
	wireNone     = 0
	wirePassword = 1
	wireAH       = 2 // the IP authentication header, which is refused
)

// authenticationLength is the length of the authentication data, which ends every advertisement of version 2.
const authenticationLength = 8

// TrailerLength is the length of the trailer of a signed advertisement (keepalived 2.4.2 auth_hmac). Package keyed makes and
// checks it.
const TrailerLength = 28

// Authentication is carried by version 2 alone. The password crosses the wire in clear text: it keeps routers apart that were
// configured for different groups, not attackers.
type Authentication struct {
	Type     AuthenticationType
	Password string // at most 8 bytes
}

// wireType is the authentication type on the wire.
func (a Authentication) wireType() byte {
	if a.Type == AuthenticationPassword {
		return wirePassword
	}
	return wireNone
}

// Advertisement is the one message of VRRP.
type Advertisement struct {
	Version  Version
	VRID     uint8
	Priority uint8
	// Interval is the time between two advertisements: whole seconds up to 255 in version 2, hundredths of a second up
	// to 4095 in version 3.
	Interval time.Duration
	// Addresses are the virtual addresses, all of one family, at least one.
	Addresses      []netip.Addr
	Authentication Authentication
}

// SkewTime is how much longer a Backup waits the lower its priority (RFC 9568, section 6.1). Version 2 counts it in seconds
// whatever the interval (RFC 3768, section 6.1).
func SkewTime(v Version, priority uint8, interval time.Duration) time.Duration {
	if v == Version2 {
		interval = time.Second
	}
	return (256 - time.Duration(priority)) * interval / 256
}

// ActiveDownInterval is how long a Backup hears nothing before it takes over (RFC 9568, section 6.1). In version 3 the
// interval is the one that the Active router advertises.
func ActiveDownInterval(v Version, priority uint8, interval time.Duration) time.Duration {
	return 3*interval + SkewTime(v, priority, interval)
}
