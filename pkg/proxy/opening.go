// SPDX-License-Identifier: Apache-2.0

package proxy

import "encoding/binary"

// An opening is the part of a connection before the backend has said anything. As long as it is not over, another backend
// may take the connection: the client has sent nothing, or no more than the TLS record with its ClientHello (RFC 8446,
// sections 4.1.2 and 5.1), which makes nobody do anything. Early data are a record of their own.
type opening struct {
	sent []byte
	over bool
}

// add notes what the client sends.
func (o *opening) add(p []byte) {
	if o.over {
		return
	}
	if o.sent = append(o.sent, p...); !beginsHello(o.sent) {
		o.end()
	}
}

// end makes the backend the only one that the connection can have.
func (o *opening) end() { o.over, o.sent = true, nil }

// Of TLS, RFC 8446, sections 4 and 5.1.
const (
	recordHandshake    = 22
	recordVersion      = 3 // the higher byte; the lower one means nothing
	recordHeader       = 5
	recordMaximum      = 1 << 14
	messageClientHello = 1
)

// beginsHello reports whether b is a TLS record with a ClientHello, or the beginning of one.
func beginsHello(b []byte) bool {
	for i, want := range [...]int{recordHandshake, recordVersion, -1, -1, -1, messageClientHello} {
		if i < len(b) && want >= 0 && int(b[i]) != want {
			return false
		}
	}
	if len(b) < recordHeader {
		return true
	}
	length := int(binary.BigEndian.Uint16(b[3:recordHeader]))
	return length <= recordMaximum && len(b) <= recordHeader+length
}
