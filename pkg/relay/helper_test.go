// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/health"
)

// patience is far beyond all that a test waits for.
const patience = 10 * time.Second

// Of the tests on TCP of all packages.
var (
	must       = labtest.Must
	newBackend = labtest.Backend
	closedPort = labtest.ClosedPort
	deafPort   = labtest.DeafPort
	resets     = labtest.Reset
	wantReset  = labtest.WantReset
	ask        = labtest.Echoes
)

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// until waits for a condition.
func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	labtest.Until(t, patience, what, condition)
}

// A bench is a relay that serves, with what it says of its servers.
type bench struct {
	*Relay
	address netip.AddrPort
	fd      int
	shut    chan int
	stop    func()

	mu    sync.Mutex
	signs []health.Event
	of    []netip.AddrPort
	log   labtest.Log
}

// logged returns the lines that the relay has logged.
func (b *bench) logged() []string { return strings.Split(b.log.String(), "\n") }

// said returns what the relay has said of its servers.
func (b *bench) said() []health.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]health.Event(nil), b.signs...)
}

// defaults are the timeouts of most tests.
var defaults = balance.Timeouts{Connect: time.Second, KeepAlive: 15 * time.Second}

// newRelay starts a relay whose servers are tried in turn.
func newRelay(t testing.TB, timeouts balance.Timeouts, backends ...netip.AddrPort) *bench {
	t.Helper()
	return newRelayWith(t, 2, func(r *Relay) *Route { return routeTo(r, timeouts, backends...) })
}

// routeTo returns a route to healthy servers.
func routeTo(r *Relay, timeouts balance.Timeouts, backends ...netip.AddrPort) *Route {
	route := &Route{Timeouts: timeouts}
	cfg := balance.Config{Policy: balance.RoundRobin}
	for _, address := range backends {
		route.Servers = append(route.Servers, r.Server(address))
		cfg.Backends = append(cfg.Backends, balance.Candidate{Backend: balance.Backend{Address: address}, Healthy: true})
	}
	route.Pool = balance.New(cfg)
	return route
}

func newRelayWith(t testing.TB, workers int, route func(*Relay) *Route) *bench {
	t.Helper()
	b := &bench{shut: make(chan int, 10)}
	var err error
	b.Relay, err = New(Config{Log: b.log.Logger(), Workers: workers, Shut: func(fd int) { b.shut <- fd }, Sign: func(s *Server, e health.Event) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.signs, b.of = append(b.signs, e), append(b.of, s.Address())
	}})
	must(t, err)
	b.SetRoute(route(b.Relay))
	b.fd, b.address = listener(t)
	must(t, b.Accept(b.fd))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { b.Run(ctx) })
	b.stop = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(b.stop)
	return b
}

// listener returns a socket that listens.
func listener(t testing.TB) (int, netip.AddrPort) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	must(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: loopback.Addr().As4()}))
	must(t, unix.Listen(fd, 1000))
	return fd, localAddress(int32(fd))
}

// echo answers with what it is asked.
func echo(conn *net.TCPConn) {
	io.Copy(conn, struct{ io.Reader }{conn})
	conn.CloseWrite()
}

// dialTo connects to an address.
func dialTo(t testing.TB, address netip.AddrPort) *net.TCPConn {
	t.Helper()
	return labtest.Dial(t, patience, address)
}

// paired returns both ends of a connection through a relay with one server, once it is established.
func paired(t testing.TB, timeouts balance.Timeouts) (client, backend *net.TCPConn, b *bench) {
	t.Helper()
	accepted := make(chan *net.TCPConn, 10)
	b = newRelay(t, timeouts, newBackend(t, func(conn *net.TCPConn) { accepted <- conn }))
	return dialTo(t, b.address), withDeadline(t, <-accepted), b
}

func withDeadline(t testing.TB, conn *net.TCPConn) *net.TCPConn {
	t.Helper()
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	return conn
}
