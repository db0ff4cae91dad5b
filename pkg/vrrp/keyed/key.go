// SPDX-License-Identifier: Apache-2.0

// Package keyed signs the advertisements of package vrrp and checks the signatures of others, on the wire as keepalived 2.4.2
// auth_hmac and later does (draft-cassen-vrrp-auth-hmac): a trailer of 28 bytes behind the message has the ID of a key, a
// sequence made of the clock, and the first 16 bytes of an HMAC-SHA-256. It does no I/O, never reads a clock and never prints a
// key.
package keyed

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
)

// The lengths of a key, and of the text that it is written as: the longest key in hexadecimal digits, and an end of line.
const (
	shortestKey = 32
	longestKey  = 64
	longestText = 139
)

// hexPrefix is before a key in hexadecimal digits.
const hexPrefix = "hex:"

// Key is a secret that all nodes of a virtual router share, known by its ID.
type Key struct {
	ID     uint8
	Secret []byte // 32 to 64 bytes
}

// ParseKey reads a key as keepalived has it in a file: "hex:" and hexadecimal digits, or the ASCII characters that are the key
// themselves. An end of line is cut off.
func ParseKey(id uint8, text []byte) (Key, error) {
	if id == 0 {
		return Key{}, fmt.Errorf("key ID 0: must be 1 to 255")
	}
	if len(text) > longestText {
		return Key{}, fmt.Errorf("key %d: text of more than %d bytes: a key has %d to %d bytes", id, longestText, shortestKey, longestKey)
	}
	k := Key{ID: id, Secret: bytes.Clone(bytes.TrimRight(text, "\r\n"))}
	switch digits, isHex := bytes.CutPrefix(k.Secret, []byte(hexPrefix)); {
	case isHex:
		k.Secret = make([]byte, hex.DecodedLen(len(digits)))
		if _, err := hex.Decode(k.Secret, digits); err != nil { // the error would print a part of the key
			return Key{}, fmt.Errorf("key %d: after %q there must be hexadecimal digits alone, two for each byte", id, hexPrefix)
		}
	case bytes.HasPrefix(k.Secret, []byte("file:")):
		return Key{}, fmt.Errorf("key %d: names a file where the key itself must be", id)
	case bytes.ContainsFunc(k.Secret, func(r rune) bool { return r < ' ' || r > '~' }):
		return Key{}, fmt.Errorf("key %d: must be printable ASCII characters in one line; write any other bytes as %q and hexadecimal digits", id, hexPrefix)
	}
	return k, k.valid()
}

func (k Key) valid() error {
	switch {
	case k.ID == 0:
		return fmt.Errorf("key ID 0: must be 1 to 255")
	case len(k.Secret) < shortestKey || len(k.Secret) > longestKey:
		return fmt.Errorf("key %d: has %d bytes: must have %d to %d", k.ID, len(k.Secret), shortestKey, longestKey)
	}
	return nil
}

// String names the key without its secret.
func (k Key) String() string { return fmt.Sprintf("key %d", k.ID) }

// Format does the same for every verb and flag.
func (k Key) Format(f fmt.State, _ rune) { _, _ = strings.NewReader(k.String()).WriteTo(f) }

// MarshalLog does the same for the logger.
func (k Key) MarshalLog() any { return k.String() }

// MarshalText does the same for JSON and YAML.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
