// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

var link = address.Link{
	Name: "eth0", Index: 2, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, Up: true,
	Addresses: []netip.Prefix{
		netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8::1/64"), netip.MustParsePrefix("fe80::1/64"),
	},
}

func configuration(t *testing.T, body string) *config.HarbingerConfiguration {
	t.Helper()
	cfg, err := scheme.Decode([]byte("apiVersion: harbinger.dev/v1alpha1\nkind: HarbingerConfiguration\n" + body))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

const dualStack = "virtualAddresses: [192.0.2.100/24, '2001:db8::100/64']\n"

func ips(s ...string) []netip.Addr {
	var out []netip.Addr
	for _, a := range s {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

func TestSources(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		want       []netip.Addr
	}{
		{"multicast: the primary address, and the link-local one for IPv6", dualStack, ips("192.0.2.1", "fe80::1")},
		{
			"unicast: the address in the subnet",
			dualStack + "election: {vrrp: {peers: [192.0.2.1, 192.0.2.2, '2001:db8::1', '2001:db8::2']}}\n", ips("192.0.2.1", "2001:db8::1"),
		},
		{
			"configured",
			"virtualAddresses: [192.0.2.100/24]\nelection: {vrrp: {sourceAddress: 192.0.2.7}}\n", ips("192.0.2.7"),
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, sources(configuration(t, tc.body), link), cmp.Comparer(sameAddr)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func sameAddr(a, b netip.Addr) bool { return a == b }

func TestRules(t *testing.T) {
	vip4, vip6 := netip.MustParseAddr("192.0.2.100"), netip.MustParseAddr("2001:db8::100")
	multicast := rules(configuration(t, dualStack), link, vip4)
	if !multicast.Multicast || multicast.Sources != nil || multicast.MinimumTTL != 255 {
		t.Errorf("multicast: %+v, want the group from any source, with TTL 255", multicast)
	}
	unicast := configuration(t, dualStack+"election: {vrrp: {checksum: RFC9568, peers: [192.0.2.1, 192.0.2.2, '2001:db8::1', '2001:db8::2']}}\n")
	r4, r6 := rules(unicast, link, vip4), rules(unicast, link, vip6)
	if diff := cmp.Diff(ips("192.0.2.2"), r4.Sources, cmp.Comparer(sameAddr)); r4.Multicast || diff != "" {
		t.Errorf("unicast: want the peers without the own address\n%s", diff)
	}
	if r6.MinimumTTL != 64 || r4.MinimumTTL != 255 {
		t.Errorf("minimum TTL %d and hop limit %d, want 255 and keepalived's 64", r4.MinimumTTL, r6.MinimumTTL)
	}
	if r4.Checksum != vrrp.ChecksumRFC9568 || checksumForm(config.ChecksumRFC9568) != vrrp.ChecksumNone || checksumForm(config.ChecksumAuto) != vrrp.ChecksumPseudo {
		t.Error("the checksum is not as configured")
	}
	password := configuration(t, "virtualAddresses: [192.0.2.100/24]\nelection: {vrrp: {version: 2, authentication: {type: Password, password: secret}}}\n")
	if got := rules(password, link, vip4).Authentication; got != (vrrp.Authentication{Type: vrrp.AuthenticationPassword, Password: "secret"}) {
		t.Errorf("authentication %+v", got)
	}
}

func TestLifetime(t *testing.T) {
	for interval, want := range map[time.Duration]time.Duration{
		100 * time.Millisecond: time.Second, time.Second: 2 * time.Second, 5 * time.Second: 2 * time.Second,
	} {
		cfg := &config.HarbingerConfiguration{}
		cfg.Election.VRRP.AdvertisementInterval = interval
		if got := lifetime(cfg); got != want {
			t.Errorf("lifetime at %s is %s, want %s", interval, got, want)
		}
	}
}

func TestSettings(t *testing.T) {
	local := settings(configuration(t, "virtualAddresses: [192.0.2.100/24]\ncontrolPlane: {apiServerPort: 7443}\n"), nil, nil)
	if len(local.Backends) != 1 || local.Backends[0].Address.String() != "127.0.0.1:7443" {
		t.Errorf("backends %v, want the local apiserver where none are named", local.Backends)
	}
	named := settings(configuration(t, "virtualAddresses: [192.0.2.100/24]\nloadBalancer: {policy: SourceHash, backends: [{address: '192.0.2.1:6443'}, {address: '192.0.2.2:6443', backup: true}]}\n"), nil, nil)
	if len(named.Backends) != 2 || !named.Backends[1].Backup || string(named.Policy) != "SourceHash" {
		t.Errorf("settings %+v", named)
	}
	if named.HealthCheck.Path != "/readyz" || named.HealthCheck.Interval == 0 || named.Timeouts.Connect == 0 {
		t.Errorf("defaults did not arrive: %+v", named)
	}
}

func TestSettingsOfDiscoveredBackends(t *testing.T) {
	found := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:6443"), netip.MustParseAddrPort("192.0.2.2:6443")}
	unnamed := configuration(t, "virtualAddresses: [192.0.2.100/24]\n")
	named := configuration(t, "virtualAddresses: [192.0.2.100/24]\nloadBalancer: {backends: [{address: '192.0.2.2:6443', backup: true}]}\n")
	for _, tc := range []struct {
		name string
		cfg  *config.HarbingerConfiguration
		own  []netip.Addr
		want []string
	}{
		{"beside a configured one", named, nil, []string{"192.0.2.2:6443", "192.0.2.1:6443"}},
		{"with that of this node", unnamed, ips("192.0.2.1"), []string{"192.0.2.1:6443", "192.0.2.2:6443"}},
		{"before that of this node has joined", unnamed, ips("192.0.2.3"), []string{"192.0.2.1:6443", "192.0.2.2:6443", "127.0.0.1:6443"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for _, b := range settings(tc.cfg, found, tc.own).Backends {
				got = append(got, b.Address.String())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestFrontends(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		want       []string
	}{
		{"a port of its own", dualStack + "controlPlane: {port: 4300}\n", []string{"0.0.0.0:4300", "[::]:4300"}},
		{"beside an apiserver", dualStack, []string{"192.0.2.100:16443", "[2001:db8::100]:16443"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for _, f := range frontends(configuration(t, tc.body)) {
				got = append(got, f.String())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestNeighboursAreOtherHostsOnTheLink(t *testing.T) {
	for a, want := range map[string]bool{"192.0.2.2": true, "192.0.2.1": false, "198.51.100.2": false, "127.0.0.1": false, "2001:db8::2": true} {
		if got := link.Neighbour(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: %v, want %v", a, got, want)
		}
	}
}

func TestNodesRankTakeoversByMulticastToo(t *testing.T) {
	cfg := configuration(t, "virtualAddresses: [192.0.2.100/24]\nloadBalancer: {backends: [{address: '192.0.2.1:6443'}, {address: '192.0.2.2:6443'}]}\n")
	if diff := cmp.Diff(ips("192.0.2.1", "192.0.2.2"), nodes(cfg, nil), cmp.Comparer(sameAddr)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
