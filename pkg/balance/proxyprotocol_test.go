// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/balance"
)

// The headers are those of haproxy, doc/proxy-protocol.txt, "Binary header format (version 2)", byte by byte.
func TestProxyHeader(t *testing.T) {
	const signature = "\x0D\x0A\x0D\x0A\x00\x0D\x0A\x51\x55\x49\x54\x0A"
	const four = "\x21\x11\x00\x0c" + "\xc0\x00\x02\x01" + "\xc0\x00\x02\x64" + "\xd4\x31" + "\x19\x2b"
	const zeros = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	for _, tt := range []struct{ from, to, want string }{
		{"192.0.2.1:54321", "192.0.2.100:6443", signature + four},
		{"[::ffff:192.0.2.1]:54321", "192.0.2.100:6443", signature + four},
		{
			"[fd00::1]:54321", "[fd00::64]:6443",
			signature + "\x21\x21\x00\x24" + "\xfd\x00\x00\x00" + zeros + "\x01" + "\xfd\x00\x00\x00" + zeros + "\x64" + "\xd4\x31" + "\x19\x2b",
		},
		{"[fe80::1%eth0]:1", "[fe80::2%eth0]:2", signature + "\x21\x21\x00\x24" + "\xfe\x80\x00\x00" + zeros + "\x01" + "\xfe\x80\x00\x00" + zeros + "\x02" + "\x00\x01" + "\x00\x02"},
		{"", "", signature + "\x20\x00\x00\x00"},
		{"192.0.2.1:54321", "[fd00::64]:6443", signature + "\x20\x00\x00\x00"},
	} {
		var from, to netip.AddrPort
		if tt.from != "" {
			from, to = netip.MustParseAddrPort(tt.from), netip.MustParseAddrPort(tt.to)
		}
		got := string(balance.ProxyProtocolV2.AppendHeader([]byte("before"), from, to))
		if got != "before"+tt.want || len(tt.want) > balance.MaxProxyHeader {
			t.Errorf("from %q to %q: %q, want %q", tt.from, tt.to, got, tt.want)
		}
		for _, none := range []balance.ProxyProtocol{"", balance.ProxyProtocolNone} {
			if got := none.AppendHeader(nil, from, to); got != nil {
				t.Errorf("%q: %q, want nothing", none, got)
			}
		}
	}
	b := make([]byte, 0, balance.MaxProxyHeader)
	from, to := netip.MustParseAddrPort("[fd00::1]:54321"), netip.MustParseAddrPort("[fd00::64]:6443")
	if n := testing.AllocsPerRun(100, func() { b = balance.ProxyProtocolV2.AppendHeader(b[:0], from, to) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if len(b) != balance.MaxProxyHeader || !strings.HasPrefix(string(b), signature) {
		t.Errorf("%d bytes, want %d", len(b), balance.MaxProxyHeader)
	}
}
