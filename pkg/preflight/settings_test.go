// SPDX-License-Identifier: Apache-2.0

package preflight_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/announce"
	"github.com/harbinger-ha/harbinger/pkg/preflight"
)

// settings are values of the kernel, by names such as net.ipv4.conf.eth0.rp_filter.
func settings(values map[string]int) preflight.Asked[map[string]int] {
	return preflight.Asked[map[string]int]{Value: values}
}

func TestSettings(t *testing.T) {
	const dual = "virtualAddresses: [192.168.238.100/24, 'fd00::100/64']\n"
	twice := append(slices.Clone(links), address.Link{Name: "ens224", Index: 4, Up: true, Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.238.131/24")}})
	without6 := []address.Link{{Name: "ens160", Index: 2, Up: true, Addresses: []netip.Prefix{netip.MustParsePrefix("192.168.238.130/24")}}}
	for _, tt := range []struct {
		name, document string
		facts          preflight.Facts
		check          string
		want           preflight.Status // empty: the check does not apply
		remedy         string           // begins so
	}{
		{"as the interface has it", vip, preflight.Facts{}, "PrefixLength", preflight.OK, ""},
		{"an address alone", "virtualAddresses: [192.168.238.100]\n", preflight.Facts{}, "PrefixLength", preflight.OK, ""},
		{"a longer prefix", "virtualAddresses: [192.168.238.100/25]\n", preflight.Facts{}, "PrefixLength", preflight.Warn, "write 192.168.238.100/24"},
		{"a shorter prefix", "virtualAddresses: ['fd00::100/48']\n", preflight.Facts{}, "PrefixLength", preflight.Warn, "write fd00::100/64"},
		{"no interface", vip + "interface: eth9\n", preflight.Facts{}, "PrefixLength", "", ""},

		{"not strict", vip, preflight.Facts{DefaultRoute: "ens192"}, "ReversePath", preflight.OK, ""},
		{"loose", vip, preflight.Facts{DefaultRoute: "ens192", Settings: settings(map[string]int{"net.ipv4.conf.all.rp_filter": 1, "net.ipv4.conf.ens160.rp_filter": 2})}, "ReversePath", preflight.OK, ""},
		{"strict", vip, preflight.Facts{DefaultRoute: "ens192", Settings: settings(map[string]int{"net.ipv4.conf.ens160.rp_filter": 1})}, "ReversePath", preflight.Warn, "echo 'net.ipv4.conf.ens160.rp_filter = 2' >> /etc/sysctl.d/90-harbinger.conf && sysctl -p "},
		{"strict for all", vip, preflight.Facts{DefaultRoute: "ens192", Settings: settings(map[string]int{"net.ipv4.conf.all.rp_filter": 1})}, "ReversePath", preflight.Warn, "echo 'net.ipv4.conf.ens160.rp_filter = 2'"},
		{"strict on another", vip, preflight.Facts{DefaultRoute: "ens192", Settings: settings(map[string]int{"net.ipv4.conf.ens192.rp_filter": 1})}, "ReversePath", preflight.OK, ""},
		{"strict, one way", vip, preflight.Facts{DefaultRoute: "ens160", Settings: settings(map[string]int{"net.ipv4.conf.ens160.rp_filter": 1})}, "ReversePath", preflight.OK, ""},
		{"IPv6 has none", "virtualAddresses: ['fd00::100/64']\n", preflight.Facts{DefaultRoute: "ens192"}, "ReversePath", "", ""},

		{"the kernel's own", vip, preflight.Facts{}, "ARP", preflight.OK, ""},
		{"only on its interface", vip, preflight.Facts{Settings: settings(map[string]int{"net.ipv4.conf.ens160.arp_ignore": 1})}, "ARP", preflight.OK, ""},
		{"only in its subnet", vip, preflight.Facts{Settings: settings(map[string]int{"net.ipv4.conf.ens160.arp_ignore": 2})}, "ARP", preflight.OK, ""},
		{"never", vip, preflight.Facts{Settings: settings(map[string]int{"net.ipv4.conf.all.arp_ignore": 8})}, "ARP", preflight.Fail, "echo 'net.ipv4.conf.all.arp_ignore = 1'"},
		{"by scope", vip, preflight.Facts{Settings: settings(map[string]int{"net.ipv4.conf.ens160.arp_ignore": 3})}, "ARP", preflight.OK, ""},
		{"by its route", vip + "interface: ens160\n", preflight.Facts{Links: twice, Settings: settings(map[string]int{"net.ipv4.conf.all.arp_filter": 1})}, "ARP", preflight.Warn, "echo 'net.ipv4.conf.all.arp_filter = 0'"},
		{"by its route, alone in the subnet", vip, preflight.Facts{Settings: settings(map[string]int{"net.ipv4.conf.all.arp_filter": 1})}, "ARP", preflight.OK, ""},
		{"IPv6 asks for none", "virtualAddresses: ['fd00::100/64']\n", preflight.Facts{}, "ARP", "", ""},

		{"enabled", dual, preflight.Facts{}, "IPv6", preflight.OK, ""},
		{"IPv4", vip, preflight.Facts{}, "IPv6", "", ""},
		{"disabled", dual, preflight.Facts{Links: without6, Settings: settings(map[string]int{"net.ipv6.conf.ens160.disable_ipv6": 1})}, "IPv6", preflight.Fail, "echo 'net.ipv6.conf.ens160.disable_ipv6 = 0'"},
		{"disabled, by name", dual + "interface: ens160\n", preflight.Facts{Links: without6, Settings: settings(map[string]int{"net.ipv6.conf.ens160.disable_ipv6": 1})}, "IPv6", preflight.Fail, "echo 'net.ipv6.conf.ens160.disable_ipv6 = 0'"},
		{"disabled elsewhere", dual, preflight.Facts{Settings: settings(map[string]int{"net.ipv6.conf.ens192.disable_ipv6": 1})}, "IPv6", preflight.OK, ""},
		{"a duplicate disables it", dual, preflight.Facts{Settings: settings(map[string]int{"net.ipv6.conf.ens160.accept_dad": 2})}, "IPv6", preflight.Warn, "echo 'net.ipv6.conf.ens160.accept_dad = 1'"},
	} {
		t.Run(tt.check+" "+tt.name, func(t *testing.T) {
			if tt.facts.Links == nil {
				tt.facts.Links = links
			}
			results := of(tt.check, decode(t, tt.document), tt.facts)
			switch {
			case tt.want == "" && len(results) > 0:
				t.Errorf("%v, want none", results)
			case tt.want != "" && (len(results) != 1 || results[0].Status != tt.want || !strings.HasPrefix(results[0].Remedy, tt.remedy) || (tt.remedy == "") != (results[0].Remedy == "")):
				t.Errorf("%+v, want %s %q", results, tt.want, tt.remedy)
			}
		})
	}
}

// Each setting is made on a host, found, and mended by the remedy.
func TestSettingsOfAHost(t *testing.T) {
	cfg := decode(t, vip+"interface: eth0\n")
	for _, tt := range []struct {
		name, mistake, check string
		status               preflight.Status
		found                string
	}{
		{"rp_filter", "sysctl -w net.ipv4.conf.eth0.rp_filter=1", "ReversePath", preflight.Warn, "rp_filter of eth0 is strict, and the default route leads by other"},
		{"arp_ignore", "sysctl -w net.ipv4.conf.eth0.arp_ignore=8", "ARP", preflight.Fail, "arp_ignore of eth0 is 8"},
		{"arp_ignore of all", "sysctl -w net.ipv4.conf.all.arp_ignore=8", "ARP", preflight.Fail, "arp_ignore of eth0 is 8"},
		{"arp_filter", "sysctl -w net.ipv4.conf.eth0.arp_filter=1 && ip address add 192.168.238.9/24 dev other", "ARP", preflight.Warn, "other is in the same subnet"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			host := bare(t)
			labtest.Must(t, host.Do(policy))
			if r := one(t, host, cfg, tt.check); r.Status != preflight.OK {
				t.Fatalf("before: %+v", r)
			}
			paste(t, host, tt.mistake)
			mend(t, host, cfg, tt.check, tt.status, tt.found)
		})
	}
}

// What each arp_ignore does is what the check says of it: with 8 nobody finds an address that is held as Harbinger holds it, until the
// remedy.
func TestARPIgnoreIsAMistake(t *testing.T) {
	hosts := labtest.New(t, lab.Config{Nodes: 2}).Hosts()
	host, client := hosts[0], hosts[1]
	labtest.Meet(t, host, client)
	cfg := decode(t, vip)
	paste(t, host, "ip address add 192.168.238.100/32 dev eth0 preferred_lft 0")
	answers := func() (found bool) {
		labtest.Must(t, client.Do(func() error {
			link, err := net.InterfaceByName(lab.Interface)
			if err != nil {
				return err
			}
			asker, err := announce.New(announce.Link{Name: link.Name, Index: link.Index, MAC: link.HardwareAddr})
			if err != nil {
				return err
			}
			defer asker.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			owners, err := asker.Resolve(ctx, netip.MustParseAddr("192.168.238.100"), client.Address.Addr())
			found = len(owners) > 0
			return err
		}))
		return found
	}
	for _, value := range []string{"1", "2", "8"} {
		paste(t, host, "sysctl -w net.ipv4.conf.eth0.arp_ignore="+value)
		r := of("ARP", cfg, gather(t, host, cfg))
		if len(r) != 1 || (r[0].Status == preflight.OK) != answers() {
			t.Errorf("arp_ignore %s: %+v, but the kernel does otherwise", value, r)
		}
	}
	for _, r := range of("ARP", cfg, gather(t, host, cfg)) {
		paste(t, host, r.Remedy)
	}
	if !answers() {
		t.Error("nobody finds the address after the remedy")
	}
}

func TestIPv6OfAHost(t *testing.T) {
	cfg := decode(t, "virtualAddresses: ['fd00::100/64']\n")
	host := bare(t)
	paste(t, host, "sysctl -w net.ipv6.conf.eth0.accept_dad=2")
	mend(t, host, cfg, "IPv6", preflight.Warn, "accept_dad of eth0 is 2")
	paste(t, host, "sysctl -w net.ipv6.conf.eth0.disable_ipv6=1")
	mend(t, host, cfg, "IPv6", preflight.Fail, "IPv6 is disabled on eth0")
	labtest.Must(t, host.AddAddress(host.Address6))
	labtest.Must(t, host.AddAddress(host.LinkLocal()))
	if r := one(t, host, cfg, "Interface"); r.Status != preflight.OK {
		t.Errorf("with its addresses again: %+v", r)
	}
}

// The remedy of a prefix is an edit of the configuration.
func TestPrefixLengthOfAHost(t *testing.T) {
	host := bare(t)
	r := one(t, host, decode(t, "virtualAddresses: [192.168.238.100/16]\n"), "PrefixLength")
	if r.Status != preflight.Warn || r.Field != "virtualAddresses[0]" || r.Remedy != "write 192.168.238.100/24" {
		t.Fatalf("%+v", r)
	}
	mended := fmt.Sprintf("virtualAddresses: [%s]\n", strings.TrimPrefix(r.Remedy, "write "))
	if r := one(t, host, decode(t, mended), "PrefixLength"); r.Status != preflight.OK {
		t.Errorf("after the remedy: %+v", r)
	}
}
