// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"net"
	"strings"
	"testing"
)

func TestMaker(t *testing.T) {
	for mac, want := range map[string]string{
		"00:00:5e:00:01:33": "VRRP or CARP with ID 51",
		"00:00:5e:00:02:0a": "VRRP over IPv6 with ID 10",
		"00:00:5e:00:03:0a": "",
		"52:54:00:12:34:56": "QEMU or KVM",
		"00:50:56:aa:bb:cc": "VMware",
		"00:16:3e:aa:bb:cc": "Xen",
		"00:15:5d:aa:bb:cc": "Hyper-V",
		"02:42:ac:11:00:02": "Docker",
		"06:42:ac:11:00:02": "locally administered",
		"02:00:00:00:00:82": "locally administered",
		"00:00:0c:07:ac:01": "HSRP",
		"3c:ec:ef:01:02:03": "", // a network card
	} {
		parsed, err := net.ParseMAC(mac)
		if err != nil {
			t.Fatal(err)
		}
		if got := maker(parsed); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", mac, got, want)
		}
		if got := describe(parsed); !strings.HasPrefix(got, mac) || strings.Contains(got, "()") {
			t.Errorf("%s is described as %q", mac, got)
		}
	}
	if got := maker(nil); got != "" {
		t.Errorf("no hardware address: %q", got)
	}
}
