// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// PasswordFile is where a generated pod reads the password of VRRP version 2, which its manifest never contains.
const PasswordFile = Directory + "/vrrp-password"

// MaxPassword is the size of the field on the wire (RFC 2338, section 5.3.10).
const MaxPassword = 8

// ParsePassword returns the password in a file, which may end with a line break.
func ParsePassword(content []byte) (string, error) {
	password := strings.TrimRight(string(content), "\r\n")
	switch {
	case password == "":
		return "", errors.New("the password is empty: it has 1 to 8 bytes")
	case len(password) > MaxPassword:
		return "", fmt.Errorf("the password has %d bytes, but keepalived and VRRP have 1 to %d", len(password), MaxPassword)
	}
	return password, nil
}

// WithPassword returns a configuration with the password that its file has.
func (c *HarbingerConfiguration) WithPassword(password string) *HarbingerConfiguration {
	out := *c
	out.Election.VRRP.Authentication = vrrp.Authentication{Type: vrrp.AuthenticationPassword, Password: password}
	return &out
}

// WithPasswordFile returns a configuration that names a file instead of the password, and the password. One without a password
// stays as it is.
func (c *HarbingerConfiguration) WithPasswordFile(file string) (*HarbingerConfiguration, string) {
	password := c.Election.VRRP.Authentication.Password
	if password == "" {
		return c, ""
	}
	out := *c
	out.Election.VRRP.Authentication.Password, out.Election.VRRP.PasswordFile = "", file
	return &out, password
}
