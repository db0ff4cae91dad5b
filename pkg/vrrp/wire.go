// SPDX-License-Identifier: Apache-2.0

package vrrp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

const (
	typeAdvertisement = 1
	headerLength      = 8
	vridOffset        = 1
	checksumOffset    = 6
	maxInterval3      = 4095 // hundredths of a second: the field has 12 bits
)

// ChecksumForm says what the checksum of an advertisement covers.
type ChecksumForm uint8

// The forms. Version 2 has the first and IPv6 the second. For version 3 over IPv4, RFC 9568 asks for the first, while
// RFC 5798 was read by keepalived and others as asking for the second.
const (
	ChecksumNone            ChecksumForm = iota // the message alone
	ChecksumPseudo                              // and the pseudo-header, with the addresses on the wire
	ChecksumPseudoMulticast                     // the same with the group as destination although it went unicast (keepalived up to 1.3.6)
)

var checksumForms = [...]string{"none", "pseudo", "pseudo-multicast"}

// String returns the name of the form.
func (f ChecksumForm) String() string { return checksumForms[f] }

// AppendBinary appends the advertisement to b as it goes on the wire from src to dst. The addresses are part of the
// checksum only; a form that version or family do not have is replaced by theirs.
func (a Advertisement) AppendBinary(b []byte, src, dst netip.Addr, form ChecksumForm) ([]byte, error) {
	return a.AppendSigned(b, src, dst, form, nil)
}

// AppendSigned appends the advertisement and the trailer that signs it. The trailer is made over the message of AppendBinary,
// whose checksum it leaves out, so that one trailer serves all destinations. The checksum of IPv6 covers the trailer, as that
// of a socket whose kernel makes it does; that of IPv4 does not.
func (a Advertisement) AppendSigned(b []byte, src, dst netip.Addr, form ChecksumForm, trailer []byte) ([]byte, error) {
	interval, err := a.wireInterval()
	if err != nil {
		return nil, err
	}
	if err := a.valid(); err != nil {
		return nil, err
	}
	start := len(b)
	b = append(b, byte(a.Version)<<4|typeAdvertisement, a.VRID, a.Priority, byte(len(a.Addresses)))
	if a.Version == Version2 {
		b = append(b, a.Authentication.wireType(), byte(interval))
	} else {
		b = binary.BigEndian.AppendUint16(b, interval)
	}
	b = append(b, 0, 0)
	for _, addr := range a.Addresses {
		b = append(b, addr.AsSlice()...)
	}
	if a.Version == Version2 {
		var data [authenticationLength]byte
		copy(data[:], a.Authentication.Password)
		b = append(b, data[:]...)
	}
	end := len(b)
	b = append(b, trailer...)
	binary.BigEndian.PutUint16(b[start+checksumOffset:], checksum(a.summed(b[start:], end-start), src, dst, a.form(form)))
	return b, nil
}

// wireInterval is the interval in the unit of the version.
func (a Advertisement) wireInterval() (uint16, error) {
	unit, longest := 10*time.Millisecond, time.Duration(maxInterval3)
	if a.Version == Version2 {
		unit, longest = time.Second, 255
	}
	if a.Interval <= 0 || a.Interval%unit != 0 || a.Interval/unit > longest {
		return 0, fmt.Errorf("advertisement interval %s: in version %d it must be 1 to %d times %s", a.Interval, a.Version, longest, unit)
	}
	return uint16(a.Interval / unit), nil
}

func (a Advertisement) valid() error {
	switch {
	case a.Version != Version2 && a.Version != Version3:
		return fmt.Errorf("version %d: must be 2 or 3", a.Version)
	case a.VRID == 0:
		return errors.New("virtual router ID 0: must be 1 to 255")
	case len(a.Addresses) == 0 || len(a.Addresses) > 255:
		return fmt.Errorf("%d addresses: must be 1 to 255", len(a.Addresses))
	}
	if err := a.Authentication.valid(a.Version); err != nil {
		return err
	}
	for _, addr := range a.Addresses {
		if addr.Is6() != a.Addresses[0].Is6() || a.Version == Version2 && addr.Is6() || !addr.IsValid() {
			return fmt.Errorf("address %s: all must be of one family, and IPv4 in version 2", addr)
		}
	}
	return nil
}

func (a Authentication) valid(v Version) error {
	switch {
	case a.Password == "" && (a.Type == "" || a.Type == AuthenticationNone || a.Type == AuthenticationHMAC):
		return nil
	case v == Version3:
		return errors.New("authentication: only version 2 has it")
	case a.Type != AuthenticationPassword:
		return fmt.Errorf("authentication type %q: must be None without a password, or Password with one", a.Type)
	case len(a.Password) > authenticationLength:
		return fmt.Errorf("password of %d bytes: must be at most %d", len(a.Password), authenticationLength)
	}
	return nil
}

// choosesForm reports whether version and family leave a choice of the checksum form.
func (a Advertisement) choosesForm() bool { return a.form(ChecksumNone) != a.form(ChecksumPseudo) }

// form is the checksum form that version and family leave a choice of.
func (a Advertisement) form(wanted ChecksumForm) ChecksumForm {
	switch {
	case a.Version == Version2:
		return ChecksumNone
	case a.Addresses[0].Is6():
		return ChecksumPseudo
	}
	return wanted
}

// summed is what the checksum of a payload covers whose message has n bytes: with the trailer behind it in IPv6 alone.
func (a Advertisement) summed(payload []byte, n int) []byte {
	if a.Addresses[0].Is6() {
		return payload
	}
	return payload[:n]
}

// Unmarshal reads the message of an IP packet from src to dst into the memory of an earlier advertisement. It checks what the
// message says of itself, in the order of RFC 9568, section 7.1, and returns the form of its checksum; what a router expects is
// checked by Rules. The errors are those of this package, each with a Reason. After an error a holds part of the message.
func (a *Advertisement) Unmarshal(b []byte, src, dst netip.Addr) (ChecksumForm, error) {
	form, _, err := a.unmarshal(b, src, dst, 0)
	return form, err
}

// UnmarshalSigned reads a message that may be followed by a trailer, as a router with keys does: nothing but the length shows
// whether there is one. It returns the trailer, which lies in b behind the message; it is empty where there is none.
func (a *Advertisement) UnmarshalSigned(b []byte, src, dst netip.Addr) (form ChecksumForm, trailer []byte, err error) {
	return a.unmarshal(b, src, dst, TrailerLength)
}

// unmarshal reads a message that is followed by nothing, or by a trailer of a length.
func (a *Advertisement) unmarshal(b []byte, src, dst netip.Addr, trailer int) (ChecksumForm, []byte, error) {
	*a = Advertisement{Addresses: a.Addresses[:0]}
	if len(b) < headerLength {
		return 0, nil, ErrShort
	}
	a.Version, a.VRID, a.Priority = Version(b[0]>>4), b[1], b[2]
	switch {
	case a.Version != Version2 && a.Version != Version3, a.Version == Version2 && src.Is6():
		return 0, nil, ErrVersion
	case b[0]&0xf != typeAdvertisement:
		return 0, nil, ErrType
	case a.VRID == 0:
		return 0, nil, ErrVRID
	}
	n, err := a.parseAddresses(b, src.Is6(), trailer)
	if err != nil {
		return 0, nil, err
	}
	form, ok := a.verify(a.summed(b, n), src, dst)
	if !ok {
		return 0, nil, ErrChecksum
	}
	return form, b[n:], a.parseRest(b[:n])
}

// parseAddresses reads the addresses of a message and returns its length, which must be that of their number: b ends there, or
// with a trailer behind it.
func (a *Advertisement) parseAddresses(b []byte, is6 bool, trailer int) (int, error) {
	count, size, tail := int(b[3]), 4, 0
	if is6 {
		size = 16
	}
	if a.Version == Version2 {
		tail = authenticationLength
	}
	want := headerLength + count*size + tail
	switch {
	case count == 0:
		return 0, ErrCount
	case len(b) < want:
		return 0, ErrShort
	case len(b) != want && len(b) != want+trailer:
		return 0, ErrLength
	}
	for i := range count {
		addr, _ := netip.AddrFromSlice(b[headerLength+i*size:][:size])
		a.Addresses = append(a.Addresses, addr)
	}
	return want, nil
}

// verify finds the form that makes the checksum right.
func (a *Advertisement) verify(b []byte, src, dst netip.Addr) (ChecksumForm, bool) {
	for _, form := range [...]ChecksumForm{ChecksumPseudo, ChecksumNone, ChecksumPseudoMulticast} {
		if a.form(form) == form && checksum(b, src, dst, form) == 0 {
			return form, true
		}
	}
	return 0, false
}

// parseRest reads what the versions have differently.
func (a *Advertisement) parseRest(b []byte) error {
	if a.Version == Version3 {
		a.Interval = time.Duration(binary.BigEndian.Uint16(b[4:])&maxInterval3) * 10 * time.Millisecond
	} else {
		a.Interval = time.Duration(b[5]) * time.Second
		switch b[4] {
		case wireNone: // the data means nothing
		case wirePassword:
			a.Authentication = Authentication{AuthenticationPassword, unpad(b[len(b)-authenticationLength:])}
		case wireAH:
			return ErrAuthenticationAH
		default:
			return ErrAuthenticationType
		}
	}
	if a.Interval == 0 {
		return ErrInterval
	}
	return nil
}

// unpad takes the zeros off the end of the authentication data.
func unpad(data []byte) string {
	n := len(data)
	for n > 0 && data[n-1] == 0 {
		n--
	}
	return string(data[:n])
}

// checksum is the Internet checksum (RFC 1071) of a message. It is 0 for one that carries its right checksum.
func checksum(message []byte, src, dst netip.Addr, form ChecksumForm) uint16 {
	var sum uint32
	if form == ChecksumPseudoMulticast {
		dst = GroupIPv4
	}
	if form != ChecksumNone {
		sum = sum16(sum16(0, src.AsSlice()), dst.AsSlice()) + Protocol + uint32(len(message))
	}
	sum = sum16(sum, message)
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

func sum16(sum uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}
