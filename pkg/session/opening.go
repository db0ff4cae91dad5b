// SPDX-License-Identifier: Apache-2.0

package session

import "encoding/binary"

// Of TLS, RFC 8446, sections 4 and 5.1.
const (
	recordHandshake    = 22
	recordVersion      = 3 // the higher byte; the lower one means nothing
	recordHeader       = 5
	recordMaximum      = 1 << 14
	messageClientHello = 1
)

// Hello says what b, which a client has sent, is: a part of the TLS record with its ClientHello (RFC 8446, sections 4.1.2 and 5.1),
// or the whole record, or something else or more. As long as the client has sent no more than the record, another backend may take the
// connection: it makes nobody do anything. Early data are a record of their own. Part and Over are those of ClientSent.
func Hello(b []byte) (part, over bool) {
	for i, want := range [...]int{recordHandshake, recordVersion, -1, -1, -1, messageClientHello} {
		if i < len(b) && want >= 0 && int(b[i]) != want {
			return false, true
		}
	}
	if len(b) < recordHeader {
		return true, false
	}
	length := int(binary.BigEndian.Uint16(b[3:recordHeader]))
	over = length > recordMaximum || len(b) > recordHeader+length
	return !over && len(b) < recordHeader+length, over
}
