// SPDX-License-Identifier: Apache-2.0

package steer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/socket"
)

const patience = 10 * time.Second

func TestMain(m *testing.M) { labtest.Main(m, steererRole) }

// must ends the test at an error.
var must = labtest.Must

// The virtual addresses of the tests.
var (
	vip4 = netip.MustParseAddr("192.168.238.100")
	vip6 = netip.MustParseAddr("fd00::100")
)

// A scene is a host with the virtual addresses and an apiserver on [::]:6443, and a client on its link.
type scene struct {
	host, client *lab.Host
}

func newScene(t testing.TB) scene {
	t.Helper()
	l := labtest.New(t, lab.Config{Nodes: 1, Prefix6: netip.MustParsePrefix("fd00::/64")})
	client, err := l.AddHost("client", 10)
	must(t, err)
	s := scene{host: l.Hosts()[0], client: client}
	must(t, s.host.AddAddress(netip.PrefixFrom(vip4, 32)))
	must(t, s.host.AddAddress(netip.PrefixFrom(vip6, 128)))
	apiserver, err := s.host.Listen("[::]:6443")
	must(t, err)
	greet(t, apiserver, "apiserver")
	return s
}

// greet serves connections: each gets a line with a name, the address that it came to and the one that it came from,
// and then an echo.
func greet(t testing.TB, ln net.Listener, name string) {
	labtest.Serve(t, ln, greeting(name))
}

func greeting(name string) func(net.Conn) {
	return func(conn net.Conn) {
		fmt.Fprintf(conn, "%s %s %s\n", name, conn.LocalAddr(), conn.RemoteAddr().(*net.TCPAddr).IP)
		io.Copy(conn, conn)
	}
}

// listenPlain opens a listener that is not multipath TCP, on an address that need not exist.
func listenPlain(address netip.AddrPort) (*net.TCPListener, error) {
	config := net.ListenConfig{}
	config.SetMultipathTCP(false)
	ln, err := config.Listen(context.Background(), "tcp", address.String())
	if err != nil {
		return nil, err
	}
	return ln.(*net.TCPListener), nil
}

// frontends listens in the calling thread's namespace where both modes of steering find it.
func frontends() ([]Frontend, []net.Listener, error) {
	var fronts []Frontend
	var listeners []net.Listener
	for _, vip := range []netip.Addr{vip4, vip6} {
		ln, err := listenPlain(netip.AddrPortFrom(vip, 16443))
		if err != nil {
			return nil, nil, err
		}
		listeners = append(listeners, ln)
		fronts = append(fronts, Frontend{VIP: netip.AddrPortFrom(vip, 6443), Listener: ln})
	}
	return fronts, listeners, nil
}

// newSteering prepares steering to a balancer in the host.
func (s scene) newSteering(t testing.TB, mode balance.SteeringMode) *Steering {
	t.Helper()
	var steering *Steering
	var listeners []net.Listener
	must(t, s.host.Do(func() (err error) {
		var fronts []Frontend
		if fronts, listeners, err = frontends(); err != nil {
			return err
		}
		steering, err = New(Config{Mode: mode, Frontends: fronts})
		return err
	}))
	for _, ln := range listeners {
		greet(t, ln, "balancer")
	}
	t.Cleanup(func() { must(t, steering.Close()) })
	return steering
}

// reach connects and returns the greeting.
func reach(t testing.TB, from *lab.Host, address netip.AddrPort) (conn net.Conn, greeting string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := from.Dial(ctx, "tcp", address.String())
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	buffer := make([]byte, 200)
	n, err := conn.Read(buffer)
	must(t, err)
	return conn, strings.TrimSuffix(string(buffer[:n]), "\n")
}

// want checks who answers at an address.
func want(t testing.TB, from *lab.Host, address netip.AddrPort, name string) {
	t.Helper()
	if _, greeting := reach(t, from, address); !strings.HasPrefix(greeting, name+" ") {
		t.Errorf("from %s, %s is answered by %q, want %s", from.Name, address, greeting, name)
	}
}

// wantVIPs checks who answers at the virtual addresses, for the client and for the host itself.
func (s scene) wantVIPs(t testing.TB, name string) {
	t.Helper()
	for _, from := range []*lab.Host{s.client, s.host} {
		for _, vip := range []netip.Addr{vip4, vip6} {
			want(t, from, netip.AddrPortFrom(vip, 6443), name)
		}
	}
}

// wantRest checks that everything but the virtual addresses still reaches the apiserver.
func (s scene) wantRest(t testing.TB) {
	t.Helper()
	for _, address := range []netip.Addr{s.host.Address.Addr(), s.host.Address6.Addr()} {
		want(t, s.client, netip.AddrPortFrom(address, 6443), "apiserver")
		want(t, s.host, netip.AddrPortFrom(address, 6443), "apiserver")
	}
	want(t, s.host, netip.MustParseAddrPort("127.0.0.1:6443"), "apiserver")
	want(t, s.host, netip.MustParseAddrPort("[::1]:6443"), "apiserver")
}

// forEachMode runs a test for both modes of steering.
func forEachMode(t *testing.T, test func(t *testing.T, mode balance.SteeringMode)) {
	for _, mode := range []balance.SteeringMode{balance.SteeringBPF, balance.SteeringNFTables} {
		t.Run(string(mode), func(t *testing.T) { test(t, mode) })
	}
}

func TestSteering(t *testing.T) {
	forEachMode(t, func(t *testing.T, mode balance.SteeringMode) {
		s := newScene(t)
		steering := s.newSteering(t, mode)
		s.wantVIPs(t, "apiserver")
		for range 3 {
			must(t, steering.Enable())
			must(t, steering.Enable())
			if !steering.Enabled() {
				t.Error("it is not enabled")
			}
			s.wantVIPs(t, "balancer")
			s.wantRest(t)
			must(t, steering.Disable())
			must(t, steering.Disable())
			if steering.Enabled() {
				t.Error("it is enabled")
			}
			s.wantVIPs(t, "apiserver")
			s.wantRest(t)
		}
	})
}

// TestSteeringKeepsConnections changes the steering under open connections of both sides.
func TestSteeringKeepsConnections(t *testing.T) {
	forEachMode(t, func(t *testing.T, mode balance.SteeringMode) {
		s := newScene(t)
		steering := s.newSteering(t, mode)
		var conns []net.Conn
		for _, change := range []func() error{steering.Enable, steering.Disable, steering.Enable, steering.Disable} {
			for _, vip := range []netip.Addr{vip4, vip6} {
				for _, from := range []*lab.Host{s.client, s.host} {
					conn, _ := reach(t, from, netip.AddrPortFrom(vip, 6443))
					conns = append(conns, conn)
				}
			}
			must(t, change())
			for _, conn := range conns {
				must(t, echoes(conn))
			}
		}
		<-time.After(time.Second) // in which the kernel would let go of what nothing uses any more
		for _, conn := range conns {
			must(t, echoes(conn))
		}
	})
}

// echoes reports whether a connection still works.
func echoes(conn net.Conn) error {
	if _, err := conn.Write([]byte("x")); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, 1))
	return err
}

func TestSteeringShowsTheClient(t *testing.T) {
	forEachMode(t, func(t *testing.T, mode balance.SteeringMode) {
		s := newScene(t)
		must(t, s.newSteering(t, mode).Enable())
		_, greeting := reach(t, s.client, netip.AddrPortFrom(vip4, 6443))
		port := map[balance.SteeringMode]int{balance.SteeringBPF: 6443, balance.SteeringNFTables: 16443}[mode]
		if want := fmt.Sprintf("balancer %s:%d %s", vip4, port, s.client.Address.Addr()); greeting != want {
			t.Errorf("the balancer sees %q, want %q", greeting, want)
		}
	})
}

func TestCloseTakesSteeringAway(t *testing.T) {
	forEachMode(t, func(t *testing.T, mode balance.SteeringMode) {
		s := newScene(t)
		steering := s.newSteering(t, mode)
		must(t, steering.Enable())
		must(t, steering.Close())
		s.wantVIPs(t, "apiserver")
		must(t, s.host.Do(func() error { // nothing is in the way of the next one
			next, err := New(Config{Mode: mode})
			if err != nil {
				return err
			}
			return next.Close()
		}))
	})
}

// TestSteeringOfASocketThatStopsListening has the balancer refuse connections: the virtual address falls to the
// apiserver by itself, and to the balancer again with the next Enable.
func TestSteeringOfASocketThatStopsListening(t *testing.T) {
	s := newScene(t)
	var steering *Steering
	var ln *net.TCPListener
	must(t, s.host.Do(func() (err error) {
		if ln, err = listenPlain(netip.MustParseAddrPort("127.0.0.1:7777")); err != nil {
			return err
		}
		steering, err = New(Config{Mode: balance.SteeringBPF, Frontends: []Frontend{{netip.AddrPortFrom(vip4, 6443), ln}}})
		return err
	}))
	defer ln.Close()
	defer steering.Close()
	must(t, steering.Enable())
	must(t, socket.ControlConn(ln, func(fd int) error { return unix.Shutdown(fd, unix.SHUT_RDWR) }))
	want(t, s.client, netip.AddrPortFrom(vip4, 6443), "apiserver")
	if err := steering.Enable(); err == nil {
		t.Error("a socket that does not listen was accepted")
	}
	must(t, socket.ControlConn(ln, func(fd int) error { return unix.Listen(fd, 10) }))
	greet(t, ln, "balancer")
	must(t, steering.Enable())
	want(t, s.client, netip.AddrPortFrom(vip4, 6443), "balancer")
}

func TestBPFRefusesMultipathTCP(t *testing.T) {
	s := newScene(t)
	must(t, s.host.Do(func() error {
		ln, err := net.Listen("tcp", "127.0.0.1:7777") // multipath by default
		if err != nil {
			return err
		}
		defer ln.Close()
		steering, err := New(Config{Mode: balance.SteeringBPF, Frontends: []Frontend{{netip.AddrPortFrom(vip4, 6443), ln.(*net.TCPListener)}}})
		if err != nil {
			return err
		}
		defer steering.Close()
		if err := steering.Enable(); !errors.Is(err, syscall.EOPNOTSUPP) {
			t.Errorf("enabling gave %v", err)
		}
		return nil
	}))
}

func TestTableHasAnOwner(t *testing.T) {
	s := newScene(t)
	s.newSteering(t, balance.SteeringNFTables)
	must(t, s.host.Do(func() error {
		_, err := New(Config{Mode: balance.SteeringNFTables})
		if !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.EEXIST) {
			t.Errorf("a second owner gets %v", err)
		}
		return nil
	}))
}

func TestUnknownMode(t *testing.T) {
	if _, err := New(Config{Mode: "IPVS"}); err == nil || err.Error() != `unknown steering mode "IPVS": want Auto, BPF or NFTables` {
		t.Errorf("got %v", err)
	}
}
