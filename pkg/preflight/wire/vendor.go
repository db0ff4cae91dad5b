// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"fmt"
	"net"
)

// makers are the beginnings of hardware addresses that say something about what a person looks for. Who has made a network card is
// not among them: that is in the registry of IEEE, and helps little.
var makers = []struct {
	prefix []byte
	name   string
}{
	{[]byte{0x52, 0x54, 0x00}, "a virtual machine of QEMU or KVM"},
	{[]byte{0x00, 0x50, 0x56}, "a virtual machine of VMware"},
	{[]byte{0x00, 0x0c, 0x29}, "a virtual machine of VMware"},
	{[]byte{0x00, 0x05, 0x69}, "a virtual machine of VMware"},
	{[]byte{0x00, 0x16, 0x3e}, "a virtual machine of Xen"},
	{[]byte{0x00, 0x15, 0x5d}, "a virtual machine of Hyper-V"},
	{[]byte{0x08, 0x00, 0x27}, "a virtual machine of VirtualBox"},
	{[]byte{0xbc, 0x24, 0x11}, "a virtual machine or container of Proxmox"},
	{[]byte{0x42, 0x01, 0x0a}, "a virtual machine of Google Cloud"},
	{[]byte{0xfa, 0x16, 0x3e}, "a virtual machine of OpenStack"},
	{[]byte{0x02, 0x42}, "a container of Docker"},
	{[]byte{0x00, 0x00, 0x0c, 0x07, 0xac}, "a virtual router of HSRP (Cisco)"},
	{[]byte{0x00, 0x00, 0x0c, 0x9f}, "a virtual router of HSRP (Cisco)"},
	{[]byte{0x00, 0x07, 0xb4}, "a virtual router of GLBP (Cisco)"},
}

// locallyAdministered is the bit of an address that its host has chosen itself (the second-lowest of the first byte).
const locallyAdministered = 2

// maker says who has such a hardware address, or nothing.
func maker(mac net.HardwareAddr) string {
	if id, is6, ok := virtualRouter(mac); ok {
		if is6 {
			return fmt.Sprintf("a virtual router of VRRP over IPv6 with ID %d", id)
		}
		return fmt.Sprintf("a virtual router of VRRP or CARP with ID %d", id)
	}
	for _, m := range makers {
		if bytes.HasPrefix(mac, m.prefix) {
			return m.name
		}
	}
	if len(mac) > 0 && mac[0]&locallyAdministered != 0 {
		return "locally administered: a virtual machine, a container, or set by an administrator"
	}
	return ""
}

// virtualRouter returns the ID of the virtual router that has a hardware address (RFC 9568, section 7.3).
func virtualRouter(mac net.HardwareAddr) (id uint8, is6, ok bool) {
	if len(mac) != 6 || !bytes.HasPrefix(mac, []byte{0x00, 0x00, 0x5e, 0x00}) || mac[4] != 1 && mac[4] != 2 {
		return 0, false, false
	}
	return mac[5], mac[4] == 2, true
}

// describe returns a hardware address and who has such ones.
func describe(mac net.HardwareAddr) string {
	if who := maker(mac); who != "" {
		return fmt.Sprintf("%s (%s)", mac, who)
	}
	return mac.String()
}
