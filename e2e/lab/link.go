// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"

	"github.com/vishvananda/netlink"
)

// Cut pulls the host's cable: the host sees its carrier go.
func (h *Host) Cut() error { return h.onPort(netlink.LinkSetDown) }

// Join plugs the cable of a [Host.Cut] in again.
func (h *Host) Join() error { return h.onPort(netlink.LinkSetUp) }

// Blackhole makes the switch drop all packets from and to the host, which keeps its carrier and cannot detect the cut.
func (h *Host) Blackhole() error { return h.onPort(netlink.LinkSetNoMaster) }

// Unblackhole ends a [Host.Blackhole].
func (h *Host) Unblackhole() error {
	return h.onPort(func(port netlink.Link) error {
		return netlink.LinkSetMaster(port, h.lab.bridge)
	})
}

// onPort calls f with the host's port of the switch.
func (h *Host) onPort(f func(netlink.Link) error) error {
	return h.lab.wire.Do(func() error {
		port, err := netlink.LinkByName(h.Name)
		if err != nil {
			return fmt.Errorf("find port of %s: %w", h.Name, err)
		}
		return f(port)
	})
}
