// SPDX-License-Identifier: Apache-2.0

package config

import (
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
	"github.com/harbinger-ha/harbinger/pkg/vrrp/keyed"
)

// KeyDirectory is where the documentation and harbinger convert put the keys.
const KeyDirectory = Directory + "/vrrp-keys"

// HMAC is what signed advertisements are made with. It has no key itself: they are in files.
type HMAC struct {
	Keys       []KeyFile
	ActiveKey  uint8 // the one that signs
	Mode       keyed.Mode
	AntiReplay keyed.AntiReplay
	// TimeWindow is how much the clocks of two nodes may differ, with keyed.Time alone.
	TimeWindow time.Duration
}

// KeyFile is a file in Directory or below, for root alone, with the key of an id.
type KeyFile struct {
	ID   uint8
	File string
}

// Signed reports whether advertisements have signatures, or are to have them.
func (v VRRP) Signed() bool { return v.Authentication.Type == vrrp.AuthenticationHMAC }

// Keyed returns what signs and checks the advertisements of one family, with the keys that the files have.
func (v VRRP) Keyed(keys []keyed.Key) keyed.Config {
	return keyed.Config{
		Version: v.Version, VRID: v.VirtualRouterID, Keys: keys,
		Active: v.HMAC.ActiveKey, Mode: v.HMAC.Mode, AntiReplay: v.HMAC.AntiReplay, Window: v.HMAC.TimeWindow,
	}
}
