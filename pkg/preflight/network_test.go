// SPDX-License-Identifier: Apache-2.0

package preflight_test

import (
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/preflight"
)

// A virtual address in what configures the network is found in each of its languages; the remedy takes that line out, and no other.
func TestNetworkFiles(t *testing.T) {
	for _, tt := range []struct {
		name, file, content string
		status              preflight.Status
		after               string // the remedy; empty: it is a sentence
	}{
		{"netplan", "/etc/netplan/50-cloud-init.yaml",
			"network:\n  version: 2\n  ethernets:\n    eth0:\n      addresses:\n        - 192.168.238.130/24\n        - 192.168.238.100/24\n      nameservers: {addresses: [192.168.238.1]}\n", preflight.Fail,
			"network:\n  version: 2\n  ethernets:\n    eth0:\n      addresses:\n        - 192.168.238.130/24\n      nameservers: {addresses: [192.168.238.1]}\n"},
		{"netplan, quoted", "/etc/netplan/a.yaml", "network:\n  ethernets:\n    eth0:\n      addresses:\n      - \"192.168.238.100/24\"\n      - \"192.168.238.130/24\"\n", preflight.Fail,
			"network:\n  ethernets:\n    eth0:\n      addresses:\n      - \"192.168.238.130/24\"\n"},
		{"netplan, in one line", "/etc/netplan/a.yaml", "network: {ethernets: {eth0: {addresses: [192.168.238.130/24, 192.168.238.100/24]}}}\n", preflight.Warn, ""},
		{"a comment", "/etc/netplan/a.yaml", "# 192.168.238.100 is the virtual address\n", preflight.OK, ""},
		{"a longer address", "/etc/netplan/a.yaml", "- 192.168.238.1001/24\n- 1192.168.238.100\n", preflight.OK, ""},
		{"ifupdown", "/etc/network/interfaces.d/vip", "iface eth0:0 inet static\n  address 192.168.238.100/24\n", preflight.Fail, "iface eth0:0 inet static\n"},
		{"networkd", "/etc/systemd/network/10-eth0.network", "[Match]\nName=eth0\n[Network]\nAddress=192.168.238.130/24\nAddress=192.168.238.100/32\n", preflight.Fail,
			"[Match]\nName=eth0\n[Network]\nAddress=192.168.238.130/24\n"},
		{"NetworkManager", "/etc/NetworkManager/system-connections/wired.nmconnection", "[ipv4]\nmethod=manual\naddress1=192.168.238.130/24,192.168.238.1\naddress2=192.168.238.100/24\n", preflight.Fail,
			"[ipv4]\nmethod=manual\naddress1=192.168.238.130/24,192.168.238.1\n"},
		{"ifcfg", "/etc/sysconfig/network-scripts/ifcfg-eth0", "DEVICE=eth0\nIPADDR1=192.168.238.100\nPREFIX1=24\n", preflight.Fail, "DEVICE=eth0\nPREFIX1=24\n"},
		{"cloud-init", "/etc/cloud/cloud.cfg.d/99-network.cfg", "network:\n  config:\n  - type: physical\n    subnets:\n    - address: 192.168.238.100/24\n", preflight.Warn, ""},
		{"another file", "/etc/hosts.d", "192.168.238.100 api\n", preflight.OK, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			host := bare(t)
			cfg := decode(t, vip)
			labtest.Must(t, host.WriteFile(tt.file, tt.content))
			if tt.status == preflight.Fail {
				mend(t, host, cfg, "NetworkFiles", tt.status, " of "+tt.file+" has a virtual address: ")
				if got, err := host.ReadFile(tt.file); err != nil || got != tt.after {
					t.Errorf("after the remedy the file is %q (%v), want %q", got, err, tt.after)
				}
				return
			}
			if r := one(t, host, cfg, "NetworkFiles"); r.Status != tt.status {
				t.Errorf("%+v, want %s", r, tt.status)
			}
		})
	}
}

// What manages the interface has written so in /run.
func TestNetworkManagement(t *testing.T) {
	cfg := decode(t, vip)
	host := bare(t)
	index := one(t, host, cfg, "Interface") // it has one
	if index.Status != preflight.OK {
		t.Fatal(index)
	}
	check := func(found string) {
		t.Helper()
		if r := one(t, host, cfg, "NetworkManagement"); r.Status != preflight.OK || !strings.Contains(r.Found, found) {
			t.Errorf("%+v, want %q", r, found)
		}
	}
	check("neither systemd-networkd nor NetworkManager configures eth0")
	paste(t, host, "i=$(ip -o link show eth0 | cut -d: -f1); mkdir -p /run/NetworkManager/devices && printf '[device]\\nmanaged=true\\n' > /run/NetworkManager/devices/$i")
	check("NetworkManager configures eth0")
	paste(t, host, "i=$(ip -o link show eth0 | cut -d: -f1); rm -r /run/NetworkManager; mkdir -p /run/systemd/netif/links /etc/systemd/network && printf 'ADMIN_STATE=unmanaged\\n' > /run/systemd/netif/links/$i")
	check("neither systemd-networkd")
	paste(t, host, "i=$(ip -o link show eth0 | cut -d: -f1); printf 'ADMIN_STATE=configured\\nNETWORK_FILE=/etc/systemd/network/10-eth0.network\\n' > /run/systemd/netif/links/$i; printf '[Match]\\nName=eth0\\n' > /etc/systemd/network/10-eth0.network")
	mend(t, host, cfg, "NetworkManagement", preflight.Warn, "is configured by systemd-networkd (/etc/systemd/network/10-eth0.network), which takes addresses away")
	check("systemd-networkd configures eth0, and leaves other addresses there alone")
	paste(t, host, "printf '[Network]\\nKeepConfiguration=no\\n' > /etc/systemd/network/10-eth0.network.d/zz.conf")
	if r := one(t, host, cfg, "NetworkManagement"); r.Status != preflight.Warn {
		t.Errorf("the last file counts: %+v", r)
	}
}
