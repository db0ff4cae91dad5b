// SPDX-License-Identifier: Apache-2.0

package keyed

import (
	"errors"
	"fmt"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// Mode says what is signed and what is accepted.
type Mode string

// The modes. A packet with a wrong trailer is refused in each.
const (
	Enforce     Mode = "Enforce"     // signs, and refuses what is not signed
	Permissive  Mode = "Permissive"  // signs, and accepts what is not signed
	ReceiveOnly Mode = "ReceiveOnly" // does not sign, and accepts what is not signed
)

// AntiReplay says how a recorded packet is known.
type AntiReplay string

// The policies. Nothing on the wire shows which one a host has.
const (
	Time      AntiReplay = "Time"      // by the clock, and by the sequence
	Monotonic AntiReplay = "Monotonic" // by the sequence alone
)

// The bounds of the window.
const (
	shortestWindow        = time.Second
	longestWindow         = 300 * time.Second
	shortestDefaultWindow = 5 * time.Second
)

// Config is what the nodes of a virtual router agree on, for one instance: one family of one virtual router.
type Config struct {
	Version    vrrp.Version
	VRID       uint8
	Keys       []Key
	Active     uint8 // ID of the key that signs
	Mode       Mode
	AntiReplay AntiReplay
	Window     time.Duration // Time alone: how far the clocks of two hosts may be apart, in whole seconds
}

// DefaultWindow is three advertisement intervals in whole seconds, but 5 s at least and 300 s at most.
func DefaultWindow(advertisementInterval time.Duration) time.Duration {
	return min(max(3*advertisementInterval.Truncate(time.Second), shortestDefaultWindow), longestWindow)
}

// Validate says what is wrong with the configuration. keepalived drops such a block and goes on without any authentication.
func (c Config) Validate() error {
	switch {
	case c.Version != vrrp.Version2 && c.Version != vrrp.Version3:
		return fmt.Errorf("version %d: must be 2 or 3", c.Version)
	case c.VRID == 0:
		return errors.New("virtual router ID 0: must be 1 to 255")
	case c.Mode != Enforce && c.Mode != Permissive && c.Mode != ReceiveOnly:
		return fmt.Errorf("mode %q: must be %s, %s or %s", c.Mode, Enforce, Permissive, ReceiveOnly)
	case c.AntiReplay != Time && c.AntiReplay != Monotonic:
		return fmt.Errorf("anti-replay %q: must be %s or %s", c.AntiReplay, Time, Monotonic)
	case c.AntiReplay == Time && (c.Window < shortestWindow || c.Window > longestWindow || c.Window%time.Second != 0):
		return fmt.Errorf("window %s: must be %s to %s in whole seconds", c.Window, shortestWindow, longestWindow)
	}
	return c.validateKeys()
}

func (c Config) validateKeys() error {
	if len(c.Keys) == 0 {
		return errors.New("no key: one is needed at least, the active one")
	}
	var known [256]bool
	for _, k := range c.Keys {
		if err := k.valid(); err != nil {
			return err
		}
		if known[k.ID] {
			return fmt.Errorf("key %d: there are two of this ID; give the newer one an ID of its own", k.ID)
		}
		known[k.ID] = true
	}
	if !known[c.Active] {
		return fmt.Errorf("active key %d: is not among the keys", c.Active)
	}
	return nil
}
