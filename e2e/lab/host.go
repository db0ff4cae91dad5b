// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Interface is the name of every host's interface on the wire.
const Interface = "eth0"

// backplaneInterface is the name of the second one, where the lab has a backplane.
const backplaneInterface = "eth1"

// addrGenModeNone keeps the kernel from making a link-local address, which would spend its first second in duplicate address
// detection.
const addrGenModeNone = 1

// A Host is a machine of the lab: namespaces for its network, its name and its files, and an interface on the wire. What is
// written to its /etc, /run and /var/lib stays in memory and in this host.
type Host struct {
	*Netns
	Name      string
	Address   netip.Prefix // IPv4 address and network
	Address6  netip.Prefix // zero without an IPv6 network
	Backplane netip.Prefix // address in the second network, zero without one
	MAC       net.HardwareAddr

	lab *Lab

	mu        sync.Mutex
	processes []*Process
}

func (h *Host) build() error {
	if err := h.lab.wire.Do(h.plugAll); err != nil {
		return err
	}
	return h.Do(func() error {
		if err := unix.Sethostname([]byte(h.Name)); err != nil {
			return fmt.Errorf("set host name: %w", err)
		}
		if err := privateFiles(); err != nil {
			return err
		}
		return h.configure()
	})
}

// plugAll adds the host's cables, as seen by the switches.
func (h *Host) plugAll() error {
	if err := h.plug(h.lab.bridge, h.Name, Interface, h.MAC); err != nil || h.lab.backplane == nil {
		return err
	}
	mac := slices.Clone(h.MAC)
	mac[1]++
	return h.plug(h.lab.backplane, h.backplanePort(), backplaneInterface, mac)
}

// backplanePort is the name of the host's port of the second network.
func (h *Host) backplanePort() string { return h.Name + "-back" }

// plug adds the cable between an interface of the host and a port of a switch.
func (h *Host) plug(bridge *netlink.Bridge, name, iface string, mac net.HardwareAddr) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	attrs.MasterIndex = bridge.Index
	port := &netlink.Veth{
		LinkAttrs:        attrs,
		PeerName:         iface,
		PeerHardwareAddr: mac,
		PeerNamespace:    netlink.NsFd(h.handle()),
	}
	if err := netlink.LinkAdd(port); err != nil {
		return fmt.Errorf("add cable: %w", err)
	}
	if err := netlink.LinkSetIP6AddrGenMode(port, addrGenModeNone); err != nil {
		return fmt.Errorf("silence port: %w", err)
	}
	return netlink.LinkSetUp(port)
}

// configure gives the interfaces their addresses, as seen by the host.
func (h *Host) configure() error {
	if err := address(Interface, h.Address, h.Address6, h.LinkLocal()); err != nil || h.lab.backplane == nil {
		return err
	}
	return address(backplaneInterface, h.Backplane)
}

// address gives an interface its addresses.
func address(iface string, prefixes ...netip.Prefix) error {
	link, err := netlink.LinkByName(iface)
	if err != nil {
		return fmt.Errorf("find %s: %w", iface, err)
	}
	if err := netlink.LinkSetIP6AddrGenMode(link, addrGenModeNone); err != nil {
		return fmt.Errorf("keep %s from duplicate address detection: %w", iface, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return err
	}
	for _, prefix := range prefixes {
		if !prefix.IsValid() {
			continue
		}
		if err := addAddress(link, prefix); err != nil {
			return err
		}
	}
	return nil
}

// addAddress gives an interface an address. The kernel accepts packets to a new IPv6 address some time later: until then it
// asks the wire for the address, and a client that connects to it waits for a second.
func addAddress(link netlink.Link, prefix netip.Prefix) error {
	if err := netlink.AddrAdd(link, kernelAddr(prefix)); err != nil {
		return fmt.Errorf("add address %s: %w", prefix, err)
	}
	if prefix.Addr().Is4() {
		return nil
	}
	route := &netlink.Route{
		Table: unix.RT_TABLE_LOCAL,
		Dst:   &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(128, 128)},
	}
	return Until(10*time.Second, prefix.Addr().String()+" is the host's own", func() bool {
		found, err := netlink.RouteListFiltered(unix.AF_INET6, route, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_DST)
		return err == nil && len(found) > 0
	})
}

// LinkLocal returns the address that the kernel would have made of the MAC.
func (h *Host) LinkLocal() netip.Prefix {
	m := h.MAC
	addr := netip.AddrFrom16([16]byte{0xfe, 0x80, 8: m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
	return netip.PrefixFrom(addr, 64)
}

func kernelAddr(prefix netip.Prefix) *netlink.Addr {
	addr := &netlink.Addr{IPNet: &net.IPNet{
		IP:   prefix.Addr().AsSlice(),
		Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen()),
	}}
	if prefix.Addr().Is6() {
		addr.Flags = unix.IFA_F_NODAD
	}
	return addr
}

// AddAddress gives the interface another address, as an administrator does.
func (h *Host) AddAddress(prefix netip.Prefix) error {
	return h.onInterface(func(link netlink.Link) error { return addAddress(link, prefix) })
}

// DeleteAddress takes an address away from the interface, with the prefix that it has there.
func (h *Host) DeleteAddress(prefix netip.Prefix) error {
	return h.onInterface(func(link netlink.Link) error {
		found, err := netlink.AddrList(link, netlink.FAMILY_ALL)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(found, func(a netlink.Addr) bool { return a.IP.Equal(prefix.Addr().AsSlice()) })
		if i < 0 {
			return fmt.Errorf("%s has no address %s", Interface, prefix.Addr())
		}
		return netlink.AddrDel(link, &found[i])
	})
}

func (h *Host) onInterface(f func(netlink.Link) error) error {
	return h.Do(func() error {
		link, err := netlink.LinkByName(Interface)
		if err != nil {
			return err
		}
		return f(link)
	})
}

// SetSysctl writes a kernel setting of the host, such as "net/ipv4/ip_nonlocal_bind".
func (h *Host) SetSysctl(name, value string) error {
	return h.WriteFile("/proc/sys/"+name, value)
}

// WriteFile writes a file of the host, and makes the directories it needs.
func (h *Host) WriteFile(path, content string) error {
	return h.Do(func() error {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return os.WriteFile(path, []byte(content), 0o644)
	})
}

// ReadFile reads a file of the host.
func (h *Host) ReadFile(path string) (content string, err error) {
	err = h.Do(func() error {
		b, err := os.ReadFile(path)
		content = string(b)
		return err
	})
	return content, err
}

// Listen opens a TCP listener in the host.
func (h *Host) Listen(address string) (ln net.Listener, err error) {
	err = h.Do(func() error {
		ln, err = net.Listen("tcp", address)
		return err
	})
	return ln, err
}

// Dial connects from the host. It has the form that [net/http.Transport] wants.
func (h *Host) Dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = h.Do(func() error {
		var d net.Dialer
		conn, err = d.DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

func (h *Host) close() error {
	h.mu.Lock()
	processes := h.processes
	h.mu.Unlock()
	var errs []error
	for _, p := range processes {
		errs = append(errs, p.Kill())
	}
	return errors.Join(append(errs, h.Netns.Close())...)
}
