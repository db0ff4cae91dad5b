// SPDX-License-Identifier: Apache-2.0

package membership_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/membership"
)

func TestBackends(t *testing.T) {
	for _, tc := range []struct {
		name string
		view membership.View
		own  []netip.Addr
		want []balance.Backend
	}{
		{"none: the local apiserver", view(t, multicast+"controlPlane: {apiServerPort: 7443}\n"), nil, plain("127.0.0.1:7443")},
		{"configured", view(t, backends), nil, []balance.Backend{plain("192.0.2.1:6443")[0], {Address: apiServers("192.0.2.2:6443")[0], Backup: true, Weight: 1, ProxyProtocol: balance.ProxyProtocolNone}}},
		{
			"discovered beside configured, which stay as they are", view(t, backends, "192.0.2.2:6443", "192.0.2.3:6443"), nil,
			[]balance.Backend{plain("192.0.2.1:6443")[0], {Address: apiServers("192.0.2.2:6443")[0], Backup: true, Weight: 1, ProxyProtocol: balance.ProxyProtocolNone}, plain("192.0.2.3:6443")[0]},
		},
		{
			"discovered with that of this node", view(t, multicast, "192.0.2.1:6443", "192.0.2.2:6443"), addresses("192.0.2.1"),
			plain("192.0.2.1:6443", "192.0.2.2:6443"),
		},
		{
			"discovered before this node has joined", view(t, multicast, "192.0.2.2:6443"), addresses("192.0.2.1"),
			plain("192.0.2.2:6443", "127.0.0.1:6443"),
		},
	} {
		t.Run(tc.name, func(t *testing.T) { wantEqual(t, tc.want, tc.view.Backends(tc.own)) })
	}
}

// A balancer that is its own backend would pass a connection on to itself until no port is left, whoever has named it so.
func TestBackendsThatLeadBackAreLeftOut(t *testing.T) {
	own := addresses("192.0.2.1", "10.0.0.1", "2001:db8::1", "127.0.0.1", "::1")
	configured := func(port string, list ...string) string {
		body := dualStack + "controlPlane: {port: " + port + "}\nloadBalancer:\n  backends:\n"
		for _, a := range list {
			body += "  - address: '" + a + "'\n"
		}
		return body
	}
	for _, tc := range []struct {
		name       string
		view       membership.View
		want, left []netip.AddrPort
	}{
		{
			"own port", view(t, configured("4300", "192.0.2.1:4300", "10.0.0.1:4300", "[2001:db8::1]:4300", "192.0.2.2:4300", "192.0.2.1:6443")),
			apiServers("192.0.2.2:4300", "192.0.2.1:6443"), apiServers("192.0.2.1:4300", "10.0.0.1:4300", "[2001:db8::1]:4300"),
		},
		{
			"shared port: the apiserver is there, the steered listener is not", view(t, configured("6443", "192.0.2.1:6443", "192.0.2.1:16443")),
			apiServers("192.0.2.1:6443"), apiServers("192.0.2.1:16443"),
		},
		{"ports of the status", view(t, configured("4300", "10.0.0.1:10443", "10.0.0.1:10444", "10.0.0.1:6443")), apiServers("10.0.0.1:6443"), apiServers("10.0.0.1:10443", "10.0.0.1:10444")},
		{
			"discovered", view(t, configured("4300", "192.0.2.2:6443"), "192.0.2.1:4300", "[::1]:4300", "127.0.0.2:4300", "[::ffff:192.0.2.1]:4300", "192.0.2.100:6443", "[2001:db8::100]:6443"),
			apiServers("192.0.2.2:6443"),
			apiServers("192.0.2.1:4300", "[::1]:4300", "127.0.0.2:4300", "[::ffff:192.0.2.1]:4300", "192.0.2.100:6443", "[2001:db8::100]:6443"),
		},
		{"nothing else: the local apiserver", view(t, configured("4300", "192.0.2.1:4300")), apiServers("127.0.0.1:6443"), apiServers("192.0.2.1:4300")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []netip.AddrPort
			for _, b := range tc.view.Backends(own) {
				got = append(got, b.Address)
			}
			wantEqual(t, tc.want, got)
			var left []netip.AddrPort
			for _, x := range tc.view.LeftOut(own) {
				left = append(left, x.Address)
				if x.Reason == "" {
					t.Errorf("%s is left out without a reason", x.Address)
				}
			}
			wantEqual(t, tc.left, left)
		})
	}
}

// The apiserver of this node goes first where that is asked for, by whatever address it has.
func TestPreferred(t *testing.T) {
	own := addresses("192.0.2.1", "2001:db8::1")
	all := plain("192.0.2.2:6443", "192.0.2.1:6443", "127.0.0.1:6443", "[2001:db8::1]:6443", "[::1]:6443", "[2001:db8::2]:6443")
	v := view(t, multicast+"loadBalancer: {preferLocal: true}\n")
	wantEqual(t, apiServers("192.0.2.1:6443", "127.0.0.1:6443", "[2001:db8::1]:6443", "[::1]:6443"), v.Preferred(all, own))
	wantEqual(t, []netip.AddrPort(nil), view(t, multicast).Preferred(all, own))
}

func plain(texts ...string) []balance.Backend {
	var out []balance.Backend
	for _, a := range apiServers(texts...) {
		out = append(out, balance.Backend{Address: a, Weight: 1, ProxyProtocol: balance.ProxyProtocolNone})
	}
	return out
}

func TestAPIServersAreAskedInOrder(t *testing.T) {
	up := func(text string) membership.APIServer {
		return membership.APIServer{Address: apiServers(text)[0], Healthy: true}
	}
	down := func(text string) membership.APIServer { return membership.APIServer{Address: apiServers(text)[0]} }
	for _, tc := range []struct {
		name     string
		backends []membership.APIServer
		want     []netip.AddrPort
	}{
		{"the local one always", nil, apiServers("127.0.0.1:6443")},
		{
			"healthy ones first", []membership.APIServer{down("192.0.2.2:6443"), up("192.0.2.3:6443"), up("192.0.2.4:6443")},
			apiServers("127.0.0.1:6443", "192.0.2.3:6443", "192.0.2.4:6443", "192.0.2.2:6443"),
		},
		{
			"this node once", []membership.APIServer{up("192.0.2.1:6443"), up("127.0.0.1:6443"), up("192.0.2.2:6443")},
			apiServers("127.0.0.1:6443", "192.0.2.2:6443"),
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			wantEqual(t, tc.want, view(t, multicast).APIServers(tc.backends, addresses("192.0.2.1")))
		})
	}
}

func TestFrontends(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		want       []netip.AddrPort
	}{
		{"a port of its own", dualStack + "controlPlane: {port: 4300}\n", apiServers("0.0.0.0:4300", "[::]:4300")},
		{"beside an apiserver", dualStack, apiServers("192.0.2.100:16443", "[2001:db8::100]:16443")},
	} {
		t.Run(tc.name, func(t *testing.T) { wantEqual(t, tc.want, view(t, tc.body).Frontends()) })
	}
}

// A node of a cluster that names no backend begins with its own apiserver, and goes on with those that the API names.
func ExampleView_Backends() {
	cfg := &config.HarbingerConfiguration{}
	cfg.ControlPlane.APIServerPort = 6443
	own := []netip.Addr{netip.MustParseAddr("192.0.2.1")}

	v := membership.View{Config: cfg}
	fmt.Println(v.Backends(own)[0].Address)

	v.Discovered = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:6443"), netip.MustParseAddrPort("192.0.2.2:6443")}
	for _, b := range v.Backends(own) {
		fmt.Println(b.Address)
	}
	// Output:
	// 127.0.0.1:6443
	// 192.0.2.1:6443
	// 192.0.2.2:6443
}
