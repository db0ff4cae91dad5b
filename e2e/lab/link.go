// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"net"
	"net/netip"

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

// CutBackplane makes the second network drop all packets from and to the host. Without such a network it does nothing.
func (h *Host) CutBackplane() error {
	if h.lab.backplane == nil {
		return nil
	}
	return h.onPortOf(h.backplanePort(), netlink.LinkSetNoMaster)
}

// JoinBackplane ends a [Host.CutBackplane].
func (h *Host) JoinBackplane() error {
	if h.lab.backplane == nil {
		return nil
	}
	return h.onPortOf(h.backplanePort(), func(port netlink.Link) error { return netlink.LinkSetMaster(port, h.lab.backplane) })
}

// onPort calls f with the host's port of the switch.
func (h *Host) onPort(f func(netlink.Link) error) error { return h.onPortOf(h.Name, f) }

// onPortOf calls f with a port of the host.
func (h *Host) onPortOf(name string, f func(netlink.Link) error) error {
	return h.lab.wire.Do(func() error {
		port, err := netlink.LinkByName(name)
		if err != nil {
			return fmt.Errorf("find port of %s: %w", h.Name, err)
		}
		return f(port)
	})
}

// onCarrier calls f with the interface that has the host's IPv4 network now, whatever it is called.
func (h *Host) onCarrier(f func(netlink.Link) error) error {
	return h.Do(func() error {
		addrs, err := netlink.AddrList(nil, netlink.FAMILY_V4)
		if err != nil {
			return err
		}
		for _, a := range addrs {
			if own, ok := netip.AddrFromSlice(a.IP.To4()); !ok || !h.Address.Contains(own) {
				continue
			}
			link, err := netlink.LinkByIndex(a.LinkIndex)
			if err != nil {
				return err
			}
			return f(link)
		}
		return fmt.Errorf("%s has no address of %s", h.Name, h.Address.Masked())
	})
}

// SetMAC gives the host's interface another hardware address while it is up, as a bond does.
func (h *Host) SetMAC(mac net.HardwareAddr) error {
	return h.onCarrier(func(link netlink.Link) error { return netlink.LinkSetHardwareAddr(link, mac) })
}

// Rename gives the host's interface another name while it is up.
func (h *Host) Rename(name string) error {
	return h.onCarrier(func(link netlink.Link) error { return netlink.LinkSetName(link, name) })
}

// ReplaceAddress gives the host another address. The old one goes before the new one comes, or after it.
func (h *Host) ReplaceAddress(old, next netip.Prefix, before bool) error {
	return h.onCarrier(func(link netlink.Link) error {
		remove := func() error { return netlink.AddrDel(link, kernelAddr(old)) }
		if before {
			if err := remove(); err != nil {
				return err
			}
			return addAddress(link, next)
		}
		if err := addAddress(link, next); err != nil {
			return err
		}
		return remove()
	})
}

// MoveToBridge makes the host's interface a port of a new bridge, which gets its address.
func (h *Host) MoveToBridge(name string, address netip.Prefix) error {
	return h.onCarrier(func(port netlink.Link) error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.HardwareAddr = name, port.Attrs().HardwareAddr
		bridge := &netlink.Bridge{LinkAttrs: attrs}
		if err := netlink.LinkAdd(bridge); err != nil {
			return fmt.Errorf("add bridge: %w", err)
		}
		if err := netlink.LinkSetUp(bridge); err != nil {
			return err
		}
		if err := netlink.LinkSetMaster(port, bridge); err != nil {
			return err
		}
		return moveAddress(port, bridge, address)
	})
}

// LeaveBridge undoes a [Host.MoveToBridge].
func (h *Host) LeaveBridge(address netip.Prefix) error {
	return h.onCarrier(func(bridge netlink.Link) error {
		port, err := netlink.LinkByName(Interface)
		if err != nil {
			return err
		}
		if err := netlink.LinkSetNoMaster(port); err != nil {
			return err
		}
		if err := moveAddress(bridge, port, address); err != nil {
			return err
		}
		return netlink.LinkDel(bridge)
	})
}

// moveAddress takes an address from one interface to another.
func moveAddress(from, to netlink.Link, address netip.Prefix) error {
	if err := netlink.AddrDel(from, kernelAddr(address)); err != nil {
		return fmt.Errorf("delete address %s: %w", address, err)
	}
	return addAddress(to, address)
}

// Replug takes the host's interface away, whatever it is called, and gives it another of the first name, with the same hardware address
// and the host's own addresses.
func (h *Host) Replug() error {
	if err := h.onCarrier(netlink.LinkDel); err != nil {
		return fmt.Errorf("take the interface away: %w", err)
	}
	if err := h.lab.wire.Do(func() error { return h.plug(h.lab.bridge, h.Name, Interface, h.MAC) }); err != nil {
		return err
	}
	return h.Do(func() error { return address(Interface, h.Address, h.Address6, h.LinkLocal()) })
}

// RouteBy sends what leaves the network of the host to a gateway, another host of the lab: from there no packet goes on.
func (h *Host) RouteBy(gateway netip.Addr) error {
	return h.onInterface(func(link netlink.Link) error {
		everything := &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}
		return netlink.RouteReplace(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: everything, Gw: gateway.AsSlice()})
	})
}
