// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

func TestMain(m *testing.M) {
	os.Exit(Main(m.Run, survivorRole, printRole))
}

// printRole prints what the process sees of its host.
var printRole = Role{"print", func(args []string) int {
	name, _ := os.Hostname()
	content, _ := os.ReadFile(args[0])
	os.Stdout.WriteString(name + " " + string(content))
	return 0
}}

// newLab returns a lab that ends with the test.
func newLab(t *testing.T, cfg Config) *Lab {
	t.Helper()
	l, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// must ends the test at an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// reaches reports whether a connection from one host to another gets through within a moment.
func reaches(from, to *Host, port string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	conn, err := from.Dial(ctx, "tcp", net.JoinHostPort(to.Address.Addr().String(), port))
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// wantReached waits until a connection gets through: a busy machine takes its time.
func wantReached(t *testing.T, from, to *Host, port string) {
	t.Helper()
	must(t, Until(5*time.Second, from.Name+" reaches "+to.Name+" on port "+port, func() bool { return reaches(from, to, port) }))
}

// serve makes a host accept connections on a port.
func serve(t *testing.T, h *Host, port string) {
	t.Helper()
	ln, err := h.Listen(":" + port)
	must(t, err)
	t.Cleanup(func() { ln.Close() })
}

func TestHostsSeeEachOther(t *testing.T) {
	l := newLab(t, Config{Nodes: 2})
	a, b := l.Hosts()[0], l.Hosts()[1]
	serve(t, b, "6443")
	wantReached(t, a, b, "6443")
	if got, want := b.Address.String(), "192.168.238.131/24"; got != want {
		t.Errorf("address of node2 = %s, want %s", got, want)
	}
	if h, ok := l.HostOf(b.MAC); !ok || h != b {
		t.Errorf("host of %s = %v", b.MAC, h)
	}
}

func TestHostHasNoDefaultRoute(t *testing.T) {
	l := newLab(t, Config{Nodes: 1})
	var routes []netlink.Route
	must(t, l.Hosts()[0].Do(func() (err error) {
		routes, err = netlink.RouteList(nil, netlink.FAMILY_ALL)
		return err
	}))
	for _, route := range routes {
		if route.Gw != nil || route.Dst == nil || route.Dst.IP.IsUnspecified() {
			t.Errorf("route %s leads out of the lab", route)
		}
	}
}

func TestFilesStayInHost(t *testing.T) {
	l := newLab(t, Config{Nodes: 2})
	a, b := l.Hosts()[0], l.Hosts()[1]
	for _, path := range []string{"/etc/kubernetes/pki/ca.crt", "/run/lab.pid", "/var/lib/harbinger/peers"} {
		must(t, a.WriteFile(path, "of a"))
		if got, err := a.ReadFile(path); got != "of a" {
			t.Errorf("%s in node1 = %q, %v", path, got, err)
		}
		if _, err := b.ReadFile(path); !os.IsNotExist(err) {
			t.Errorf("%s in node2: %v, want none", path, err)
		}
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s on this machine: %v, want none", path, err)
		}
	}
}

func TestProcessSeesItsHost(t *testing.T) {
	l := newLab(t, Config{Nodes: 1})
	h := l.Hosts()[0]
	must(t, h.WriteFile("/etc/greeting", "hello"))
	p, err := h.Start(printRole.Command("/etc/greeting"))
	must(t, err)
	must(t, p.Wait(5*time.Second))
	if got, want := p.Output(), "node1 hello"; got != want {
		t.Errorf("output = %q, want %q", got, want)
	}
}

func TestLinkLocalAddressIsReadyAtOnce(t *testing.T) {
	l := newLab(t, Config{Nodes: 1})
	must(t, l.Hosts()[0].Do(func() error {
		link, err := netlink.LinkByName(Interface)
		if err != nil {
			return err
		}
		addrs, err := netlink.AddrList(link, netlink.FAMILY_V6)
		if len(addrs) != 1 || addrs[0].Flags&0x40 /* tentative */ != 0 {
			t.Errorf("addresses = %v, want one that is not tentative", addrs)
		}
		return err
	}))
}

func TestUntilSaysWhatItWaitedFor(t *testing.T) {
	if err := Until(time.Second, "true", func() bool { return true }); err != nil {
		t.Error(err)
	}
	err := Until(time.Millisecond, "pigs fly", func() bool { return false })
	if err == nil || !strings.Contains(err.Error(), "until pigs fly") {
		t.Errorf("error = %v", err)
	}
}
