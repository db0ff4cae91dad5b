// SPDX-License-Identifier: Apache-2.0

package socket_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/socket"
)

func port(t *testing.T, a net.Addr) netip.AddrPort {
	t.Helper()
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTables(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		ln := listen(t, "tcp", address)
		client, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		all, err := socket.Tables()
		if err != nil {
			t.Fatal(err)
		}
		wants := func(what string, is func(socket.TCP) bool) {
			t.Helper()
			i := slices.IndexFunc(all, is)
			if i < 0 || all[i].User != os.Geteuid() || all[i].Inode == 0 {
				t.Errorf("%s: no %s of this user among %+v", address, what, all)
			}
		}
		server, own := port(t, ln.Addr()), port(t, client.LocalAddr())
		wants("listener", func(s socket.TCP) bool { return s.Listens && s.Local == server })
		wants("connection", func(s socket.TCP) bool { return !s.Listens && s.Local == own && s.Remote == server })
	}
}

func TestOverlap(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"192.0.2.1:80", "192.0.2.1:80", true}, {"192.0.2.1:80", "192.0.2.1:81", false}, {"192.0.2.1:80", "192.0.2.2:80", false},
		{"0.0.0.0:80", "192.0.2.1:80", true}, {"192.0.2.1:80", "[::]:80", true}, {"0.0.0.0:80", "192.0.2.1:81", false},
	} {
		if got := socket.Overlap(netip.MustParseAddrPort(tc.a), netip.MustParseAddrPort(tc.b)); got != tc.want {
			t.Errorf("%s and %s: %v, want %v", tc.a, tc.b, got, tc.want)
		}
	}
}

// Both name this process.
func TestHolder(t *testing.T) {
	ln := listen(t, "tcp", "127.0.0.1:0")
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	process := fmt.Sprintf("(process %d)", os.Getpid())
	server, own := port(t, ln.Addr()), port(t, client.LocalAddr())
	for address, want := range map[netip.AddrPort]string{
		server: " listens on " + server.String(), netip.AddrPortFrom(netip.IPv4Unspecified(), server.Port()): " listens on " + server.String(),
		own: fmt.Sprintf(" has a connection from %s to %s", own, server),
	} {
		if got := socket.Holder(address); !strings.Contains(got, process) || !strings.Contains(got, want) {
			t.Errorf("%s is held by %q, want %s and %q", address, got, process, want)
		}
	}
	client.Close()
	ln.Close()
	if got := socket.Holder(server); strings.Contains(got, "listens") {
		t.Errorf("a free port is held by %q", got)
	}
}
