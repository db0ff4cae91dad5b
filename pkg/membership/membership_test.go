// SPDX-License-Identifier: Apache-2.0

package membership_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/membership"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// link is the interface of the node 192.0.2.1.
var link = address.Link{Name: "eth0", Addresses: []netip.Prefix{
	netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8::1/64"), netip.MustParsePrefix("fe80::1/64"),
}}

// Bodies of configurations.
const (
	multicast = "virtualAddresses: [192.0.2.100/24]\n"
	dualStack = "virtualAddresses: [192.0.2.100/24, '2001:db8::100/64']\n"
	unicast   = dualStack + "election: {vrrp: {peers: [192.0.2.1, 192.0.2.2, '2001:db8::1', '2001:db8::2']}}\n"
	backends  = multicast + "loadBalancer: {backends: [{address: '192.0.2.1:6443'}, {address: '192.0.2.2:6443', backup: true}]}\n"
)

// view returns what the node 192.0.2.1 knows by a configuration and a discovery, of apiservers that have proved themselves.
func view(t testing.TB, body string, discovered ...string) membership.View {
	t.Helper()
	cfg, err := scheme.Decode([]byte("apiVersion: harbinger.dev/v1alpha1\nkind: HarbingerConfiguration\n" + body))
	if err != nil {
		t.Fatal(err)
	}
	found := apiServers(discovered...)
	return membership.View{Config: cfg, Link: link, Discovered: found, Healthy: found, Proved: found}
}

func addresses(texts ...string) []netip.Addr {
	var out []netip.Addr
	for _, text := range texts {
		out = append(out, netip.MustParseAddr(text))
	}
	return out
}

func apiServers(texts ...string) []netip.AddrPort {
	var out []netip.AddrPort
	for _, text := range texts {
		out = append(out, netip.MustParseAddrPort(text))
	}
	return out
}

func wantEqual(t *testing.T, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestNodes(t *testing.T) {
	for _, tc := range []struct {
		name string
		view membership.View
		want []netip.Addr
	}{
		{"nothing is named", view(t, multicast), nil},
		{"multicast: the hosts of the backends", view(t, backends), addresses("192.0.2.1", "192.0.2.2")},
		{"unicast: the peers", view(t, unicast), addresses("192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2")},
		{"discovered beside backends", view(t, backends, "192.0.2.2:6443", "192.0.2.3:6443"), addresses("192.0.2.1", "192.0.2.2", "192.0.2.3")},
		{"discovered alone", view(t, multicast, "192.0.2.2:6443"), addresses("192.0.2.2")},
	} {
		t.Run(tc.name, func(t *testing.T) { wantEqual(t, tc.want, tc.view.Nodes()) })
	}
}

func TestPeersAreTheOtherNodesOfTheFamily(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.100"), netip.MustParseAddr("2001:db8::100")
	wantEqual(t, addresses("192.0.2.2"), view(t, unicast).Peers(v4))
	wantEqual(t, addresses("2001:db8::2"), view(t, unicast).Peers(v6))
	wantEqual(t, addresses("192.0.2.2", "192.0.2.3"), view(t, unicast, "192.0.2.3:6443", "192.0.2.1:6443").Peers(v4))
	if peers := view(t, backends, "192.0.2.3:6443").Peers(v4); peers != nil {
		t.Errorf("multicast has the peers %v", peers)
	}
}

// The addresses that others advertise from are known by multicast too, but for the link-local ones of IPv6.
func TestSenders(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.100"), netip.MustParseAddr("2001:db8::100")
	wantEqual(t, addresses("192.0.2.2"), view(t, unicast).Senders(v4))
	wantEqual(t, addresses("2001:db8::2"), view(t, unicast).Senders(v6))
	multicast := view(t, backends, "192.0.2.3:6443")
	if others := multicast.Senders(v4); !slices.Contains(others, netip.MustParseAddr("192.0.2.3")) || slices.ContainsFunc(others, multicast.Link.Owns) {
		t.Errorf("multicast has the senders %v", others)
	}
	if others := multicast.Senders(v6); others != nil {
		t.Errorf("IPv6 multicast has the senders %v", others)
	}
}

// A view is never changed, whatever was made from it.
func TestDiscoveryLeavesTheConfigurationAlone(t *testing.T) {
	v := view(t, unicast, "192.0.2.3:6443")
	v.Config.Election.VRRP.Peers = append(make([]netip.Addr, 0, 8), v.Config.Election.VRRP.Peers...) // with room to be overwritten
	before := fmt.Sprint(v.Config.Election.VRRP.Peers[:5])
	v.Nodes()
	v.Peers(netip.MustParseAddr("192.0.2.100"))
	if after := fmt.Sprint(v.Config.Election.VRRP.Peers[:5]); after != before {
		t.Errorf("the peers became %s, were %s", after, before)
	}
}

func TestPeersMustNameThisNode(t *testing.T) {
	for body, want := range map[string]bool{
		multicast: true,
		unicast:   true,
		multicast + "election: {vrrp: {peers: [192.0.2.2, 192.0.2.3]}}\n": false,
	} {
		if got := view(t, body).NamesThisNode(); got != want {
			t.Errorf("%s: %v, want %v", body, got, want)
		}
	}
}

func TestSources(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		want       []netip.Addr
	}{
		{"multicast: the primary address, and the link-local one for IPv6", dualStack, addresses("192.0.2.1", "fe80::1")},
		{"unicast: the address in the subnet", unicast, addresses("192.0.2.1", "2001:db8::1")},
		{"configured", multicast + "election: {vrrp: {sourceAddress: 192.0.2.7}}\n", addresses("192.0.2.7")},
	} {
		t.Run(tc.name, func(t *testing.T) { wantEqual(t, tc.want, view(t, tc.body).Sources()) })
	}
}

// Of several addresses in the subnet, the one counts that the nodes are named by: the peers refuse any other.
func TestPrimaryIsTheOneThatIsNamed(t *testing.T) {
	two := address.Link{Name: "eth0", Addresses: []netip.Prefix{
		netip.MustParsePrefix("192.0.2.31/24"), netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("198.51.100.1/24"),
	}}
	for _, tc := range []struct {
		name, body      string
		primary, source string
	}{
		{"nobody is named", multicast, "192.0.2.31", "192.0.2.31"},
		{"a peer", unicast, "192.0.2.1", "192.0.2.1"},
		{"a backend", backends, "192.0.2.1", "192.0.2.1"},
		{"a peer in another subnet", multicast + "election: {vrrp: {peers: [198.51.100.1, 198.51.100.2]}}\n", "192.0.2.31", "198.51.100.1"},
		{"other peers", multicast + "election: {vrrp: {peers: [192.0.2.2, 192.0.2.3]}}\n", "192.0.2.31", "192.0.2.31"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v, vip := view(t, tc.body), netip.MustParseAddr("192.0.2.100")
			v.Link = two
			if primary, source := v.Primary(vip).String(), v.Source(vip).String(); primary != tc.primary || source != tc.source {
				t.Errorf("primary %s, source %s; want %s and %s", primary, source, tc.primary, tc.source)
			}
		})
	}
}

// What a node needs on its interface is named, with what helps.
func TestMissing(t *testing.T) {
	only := func(prefixes ...string) address.Link {
		l := address.Link{Name: "eth0"}
		for _, p := range prefixes {
			l.Addresses = append(l.Addresses, netip.MustParsePrefix(p))
		}
		return l
	}
	for _, tc := range []struct {
		name, body string
		link       address.Link
		want       string
	}{
		{"nothing", dualStack, link, ""},
		{"no address", dualStack, only("2001:db8::1/64", "fe80::1/64"), "an address in the subnet of 192.0.2.100"},
		{"no link-local address", dualStack, only("192.0.2.1/24", "2001:db8::1/64"), "an IPv6 link-local address that is not tentative"},
		{"none is needed to send to peers", unicast, only("192.0.2.1/24", "2001:db8::1/64"), ""},
		{"none is needed where nothing is sent", dualStack + "election: {mode: Lease}\n", only("192.0.2.1/24", "2001:db8::1/64"), ""},
		{"the configured source", multicast + "election: {vrrp: {sourceAddress: 192.0.2.7}}\n", link, "192.0.2.7 (election.vrrp.sourceAddress)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := view(t, tc.body)
			v.Link = tc.link
			if got := v.Missing(); got != tc.want && (tc.want == "" || !strings.HasPrefix(got, tc.want)) {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// Neighbours are other hosts on the link: neither this node nor a host behind a router answers there.
func TestNeighbours(t *testing.T) {
	v := view(t, unicast, "198.51.100.9:6443", "127.0.0.1:6443")
	wantEqual(t, []membership.Neighbour{
		{Address: netip.MustParseAddr("192.0.2.2"), Source: netip.MustParseAddr("192.0.2.1")},
		{Address: netip.MustParseAddr("2001:db8::2"), Source: netip.MustParseAddr("2001:db8::1")},
	}, v.Neighbours())
}

// The times of the Lease are passed on as they are: the election knows which of them count in its mode.
func TestElection(t *testing.T) {
	vrrpBody := ", vrrp: {priority: 120, advertisementInterval: 100ms, preempt: false}, lease: {staleAfter: 3s, duration: 6s}}\n"
	want := election.Config{
		Node: "node1", Identity: "node1/boot/1", Mode: election.Hybrid, Version: 3, Priority: 120, AdvertisementInterval: 100 * time.Millisecond,
		Lease:   election.LeaseTimes{RenewInterval: time.Second, StaleAfter: 3 * time.Second, Duration: 6 * time.Second},
		Primary: addresses("192.0.2.1"), Known: addresses("192.0.2.1"), Peers: addresses("192.0.2.2"), Lifetime: time.Second,
	}
	wantEqual(t, want, view(t, multicast+"election: {mode: Hybrid"+vrrpBody, "192.0.2.2:6443").Election("node1", "boot/1"))
	want.Mode = election.LeaseOnly
	wantEqual(t, want, view(t, multicast+"election: {mode: Lease"+vrrpBody, "192.0.2.2:6443").Election("node1", "boot/1"))
}

func TestReconfigured(t *testing.T) {
	v := view(t, multicast+"election: {vrrp: {priority: 120, preempt: true, preemptDelay: 7s}}\n", "192.0.2.2:6443")
	wantEqual(t, election.Reconfigured{Priority: 120, Preempt: true, PreemptDelay: 7 * time.Second, Peers: addresses("192.0.2.2"), Primary: addresses("192.0.2.1"), Known: addresses("192.0.2.1")}, v.Reconfigured())
	// Over IPv6 advertisements come from another address than the one that the nodes are known by.
	v = view(t, dualStack)
	wantEqual(t, addresses("192.0.2.1", "fe80::1"), v.Reconfigured().Primary)
	wantEqual(t, addresses("192.0.2.1", "2001:db8::1"), v.Reconfigured().Known)
	wantEqual(t, addresses("192.0.2.1", "2001:db8::1"), v.Election("node1", "boot/1").Known)
}

func TestRules(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.100"), netip.MustParseAddr("2001:db8::100")
	base := vrrp.Rules{
		Version: 3, VRID: 51, Addresses: []netip.Addr{v4}, Own: addresses("192.0.2.1"), Interval: 200 * time.Millisecond, MinimumTTL: 255,
		Checksum: vrrp.ChecksumAuto, Authentication: vrrp.Authentication{Type: vrrp.AuthenticationNone},
	}
	for _, tc := range []struct {
		name, body string
		vip        netip.Addr
		change     func(*vrrp.Rules)
	}{
		{"multicast", multicast, v4, func(r *vrrp.Rules) { r.Multicast = true }},
		{"unicast", unicast, v4, func(r *vrrp.Rules) { r.Sources = addresses("192.0.2.2") }},
		{"unicast over IPv6", unicast, v6, func(r *vrrp.Rules) {
			r.Addresses, r.Own, r.Sources = []netip.Addr{v6}, addresses("2001:db8::1"), addresses("2001:db8::2")
		}},
		{"keepalived's hop limit over IPv6 unicast", strings.Replace(unicast, "vrrp: {", "vrrp: {minimumTTL: 64, ", 1), v6, func(r *vrrp.Rules) {
			r.Addresses, r.Own, r.Sources, r.MinimumTTL = []netip.Addr{v6}, addresses("2001:db8::1"), addresses("2001:db8::2"), 64
		}},
		{"peers behind two routers", strings.Replace(unicast, "vrrp: {", "vrrp: {minimumTTL: 253, ", 1), v4, func(r *vrrp.Rules) {
			r.Sources, r.MinimumTTL = addresses("192.0.2.2"), 253
		}},
		{"checksum", multicast + "election: {vrrp: {checksum: RFC9568}}\n", v4, func(r *vrrp.Rules) {
			r.Multicast, r.Checksum = true, vrrp.ChecksumRFC9568
		}},
		{"password", multicast + "election: {vrrp: {version: 2, authentication: {type: Password, password: secret}}}\n", v4, func(r *vrrp.Rules) {
			r.Multicast, r.Version, r.Interval = true, 2, time.Second
			r.Authentication = vrrp.Authentication{Type: vrrp.AuthenticationPassword, Password: "secret"}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := base
			tc.change(&want)
			v := view(t, tc.body)
			wantEqual(t, want, v.Rules(tc.vip))
			wantEqual(t, vrrp.Advertisement{
				Version: want.Version, VRID: 51, Interval: want.Interval, Addresses: want.Addresses, Authentication: want.Authentication,
			}, v.Advertisement(tc.vip))
		})
	}
}

// What is signed carries no authentication of the message itself, in either version: it passes the rules of a node that signs.
func TestSignedMessagesPassTheRules(t *testing.T) {
	virtual, from := netip.MustParseAddr("192.0.2.100"), netip.MustParseAddr("192.0.2.2")
	for version, body := range map[int]string{2: "version: 2, ", 3: ""} {
		v := view(t, multicast+"election: {vrrp: {"+body+"authentication: {type: HMAC, hmac: {activeKey: 1, keys: [{id: 1, file: /etc/kubernetes/harbinger/1}]}}}}\n")
		a := v.Advertisement(virtual)
		a.Priority = 100
		payload, err := a.AppendSigned(nil, from, vrrp.GroupIPv4, vrrp.ChecksumPseudo, make([]byte, vrrp.TrailerLength))
		if err != nil {
			t.Fatal(err)
		}
		p := vrrp.Packet{Source: from, Destination: vrrp.GroupIPv4, TTL: 255}
		var trailer []byte
		if p.Form, trailer, err = p.Advertisement.UnmarshalSigned(payload, from, vrrp.GroupIPv4); err != nil || len(trailer) != vrrp.TrailerLength {
			t.Fatalf("version %d: %v, trailer %x", version, err, trailer)
		}
		if err := v.Rules(virtual).Check(p); err != nil || int(p.Advertisement.Version) != version {
			t.Errorf("version %d: %v", version, err)
		}
	}
}
