// SPDX-License-Identifier: Apache-2.0

package vrrp

import (
	"errors"
	"net/netip"
	"slices"
	"time"
)

// The reasons to refuse a packet. Each is a label of its own in the metrics: see Reason.
var (
	ErrTTL                = errors.New("TTL or hop limit below the minimum")
	ErrVersion            = errors.New("VRRP version differs from ours")
	ErrShort              = errors.New("message too short")
	ErrLength             = errors.New("message longer than its number of addresses")
	ErrType               = errors.New("not an advertisement")
	ErrCount              = errors.New("no virtual address in the message")
	ErrChecksum           = errors.New("wrong checksum")
	ErrChecksumForm       = errors.New("checksum form is not the configured one")
	ErrVRID               = errors.New("virtual router ID differs from ours")
	ErrInterval           = errors.New("advertisement interval 0")
	ErrIntervalMismatch   = errors.New("advertisement interval differs from ours (version 2)")
	ErrAuthenticationType = errors.New("authentication type differs from ours")
	ErrAuthenticationAH   = errors.New("IPsec authentication header (keepalived's auth_type AH) is not supported")
	ErrPassword           = errors.New("password differs from ours")
	ErrAddresses          = errors.New("virtual addresses differ from ours")
	ErrOwnSource          = errors.New("source is our own address")
	ErrSource             = errors.New("source is not one of the peers")
	ErrDestination        = errors.New("sent to the multicast group where peers are configured, or the reverse")
)

// The reasons of package keyed to refuse a packet.
var (
	ErrHMACMissing    = errors.New("not signed")
	ErrHMACMalformed  = errors.New("trailer is not one of HMAC-SHA-256")
	ErrHMACUnknownKey = errors.New("signed with a key that is not configured")
	ErrHMACInvalid    = errors.New("signature is wrong: other bytes under the same key ID, or a forged packet")
	ErrHMACStale      = errors.New("signed by a clock that differs from ours by more than the window, or long ago")
	ErrHMACReplay     = errors.New("signed no later than another packet of the same source")
)

var reasons = []struct {
	err   error
	label string
}{
	{ErrTTL, "ttl"}, {ErrVersion, "version"}, {ErrShort, "short"}, {ErrLength, "length"}, {ErrType, "type"}, {ErrCount, "count"},
	{ErrChecksum, "checksum"}, {ErrChecksumForm, "checksum_form"}, {ErrVRID, "vrid"}, {ErrInterval, "interval"},
	{ErrIntervalMismatch, "interval_mismatch"}, {ErrAuthenticationType, "authentication_type"}, {ErrAuthenticationAH, "authentication_ah"}, {ErrPassword, "password"},
	{ErrAddresses, "addresses"}, {ErrOwnSource, "own_source"}, {ErrSource, "source"}, {ErrDestination, "destination"},
	{ErrHMACMissing, "hmac_missing"}, {ErrHMACMalformed, "hmac_malformed"}, {ErrHMACUnknownKey, "hmac_unknown_key"},
	{ErrHMACInvalid, "hmac_invalid"}, {ErrHMACStale, "hmac_stale"}, {ErrHMACReplay, "hmac_replay"},
}

// Reason returns the label of an error of this package, "other" for any other.
func Reason(err error) string {
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return r.label
		}
	}
	return "other"
}

// Meaning says a label in words. A label of another package is its own meaning.
func Meaning(label string) string {
	for _, r := range reasons {
		if r.label == label {
			return r.err.Error()
		}
	}
	return label
}

// Reasons returns all labels.
func Reasons() []string {
	labels := make([]string, len(reasons))
	for i, r := range reasons {
		labels[i] = r.label
	}
	return labels
}

// Packet is an advertisement and what the IP header said of it.
type Packet struct {
	Advertisement Advertisement
	Source        netip.Addr
	Destination   netip.Addr
	TTL           int
	Form          ChecksumForm
}

// ChecksumPolicy says which form the checksum of version 3 over IPv4 is sent in, and which forms are accepted.
type ChecksumPolicy string

// The policies. Rules without one accept every form.
const (
	ChecksumAuto       ChecksumPolicy = "Auto"    // accepts every form, sends as keepalived does by default
	ChecksumKeepalived ChecksumPolicy = "Pseudo"  // with the pseudo-header
	ChecksumRFC9568    ChecksumPolicy = "RFC9568" // without it
)

// Form returns the form that is sent. It is that of RFC 9568 only where that is asked for: keepalived refuses it by default.
func (p ChecksumPolicy) Form() ChecksumForm {
	if p == ChecksumRFC9568 {
		return ChecksumNone
	}
	return ChecksumPseudo
}

// accepts reports whether a checksum of a form is accepted.
func (p ChecksumPolicy) accepts(form ChecksumForm) bool {
	switch p {
	case ChecksumKeepalived:
		return form != ChecksumNone
	case ChecksumRFC9568:
		return form == ChecksumNone
	default:
		return true
	}
}

// Rules are what a virtual router expects of the packets that it hears.
type Rules struct {
	Version        Version
	VRID           uint8
	Addresses      []netip.Addr   // our virtual addresses of this family, in any order
	Interval       time.Duration  // version 2 alone
	Authentication Authentication // version 2 alone
	Own            []netip.Addr   // our own addresses
	Sources        []netip.Addr   // unicast: the peers. Nil: any source
	Multicast      bool           // packets are expected to the group, else to us
	MinimumTTL     int
	Checksum       ChecksumPolicy
}

// CheckRouter returns ErrVRID for a message of another virtual router, whatever else is wrong with it, before anything of it is
// parsed: on a link with other virtual routers theirs have other versions, passwords and lengths by right. RFC 9568, section 7.1,
// discards it either way; only the reason depends on the order. A message that is too short to have an ID passes.
func (r Rules) CheckRouter(message []byte) error {
	if len(message) > vridOffset && message[vridOffset] != r.VRID {
		return ErrVRID
	}
	return nil
}

// Check says why a packet is refused, or nil, in the order of RFC 9568, section 7.1 (RFC 3768, section 7.1), but the virtual router
// first: see CheckRouter.
func (r Rules) Check(p Packet) error {
	a := p.Advertisement
	switch {
	case a.VRID != r.VRID:
		return ErrVRID
	case p.TTL < r.MinimumTTL:
		return ErrTTL
	case a.Version != r.Version:
		return ErrVersion
	case p.Destination.IsMulticast() != r.Multicast:
		return ErrDestination
	case slices.Contains(r.Own, p.Source):
		return ErrOwnSource
	case r.Sources != nil && !slices.Contains(r.Sources, p.Source):
		return ErrSource
	case a.choosesForm() && !r.Checksum.accepts(p.Form):
		return ErrChecksumForm
	case !sameSet(a.Addresses, r.Addresses):
		return ErrAddresses
	}
	return r.checkVersion2(a)
}

// checkVersion2 makes the checks that only version 2 has: a password, and an interval that all routers share.
func (r Rules) checkVersion2(a Advertisement) error {
	switch {
	case r.Version != Version2:
		return nil
	case a.Authentication.wireType() != r.Authentication.wireType():
		return ErrAuthenticationType
	case a.Authentication.Password != r.Authentication.Password:
		return ErrPassword
	case a.Interval != r.Interval:
		return ErrIntervalMismatch
	}
	return nil
}

// sameSet reports whether two lists hold the same addresses. keepalived refuses a list of another length too.
func sameSet(a, b []netip.Addr) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(x netip.Addr) bool { return !slices.Contains(b, x) })
}
