// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// patience is far beyond all that a test waits for.
const patience = 10 * time.Second

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == balancerArgument {
		os.Exit(balancerMain())
	}
	if len(os.Args) > 1 && os.Args[1] == deadlockedArgument {
		os.Exit(deadlockedMain())
	}
	if len(os.Args) > 2 && os.Args[1] == intruderArgument {
		os.Exit(intruderMain(os.Args[2:]))
	}
	labtest.Main(m, keeperRole)
}

// Of the tests on TCP of all packages.
var (
	must       = labtest.Must
	closedPort = labtest.ClosedPort
	deafPort   = labtest.DeafPort
	reset      = labtest.Reset
	wantReset  = labtest.WantReset
	echoes     = labtest.Echoes
)

// until waits for a condition.
func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	labtest.Until(t, patience, what, condition)
}

// loopback is where tests listen, on any port.
var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// newListener returns a listener on a port of its own, as a keeper makes it.
func newListener(t testing.TB) *Listener {
	t.Helper()
	probe, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(loopback))
	must(t, err)
	free := probe.Addr().(*net.TCPAddr).AddrPort()
	must(t, probe.Close())
	ln, err := Listen(free)
	must(t, err)
	t.Cleanup(func() { ln.Close() })
	return ln
}

// handOver returns what a balancer process inherits of a listener.
func handOver(t testing.TB, ln *Listener) *Listener {
	t.Helper()
	var fd int
	must(t, socket.ControlConn(ln, func(original int) (err error) {
		fd, err = unix.FcntlInt(uintptr(original), unix.F_DUPFD_CLOEXEC, 0)
		return err
	}))
	inherited, err := inheritedListener(fd)
	must(t, err)
	return inherited
}

// dial connects to an address.
func dial(t testing.TB, address netip.AddrPort) *net.TCPConn {
	t.Helper()
	return labtest.Dial(t, patience, address)
}

// refused reports whether the kernel refuses connections to an address.
func refused(address netip.AddrPort) bool {
	conn, err := net.DialTimeout("tcp", address.String(), patience)
	if err == nil {
		conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// A greeter is a backend that says its name to every connection, and then echoes.
type greeter struct {
	name    string
	address netip.AddrPort
	close   func() // ends the backend with all its connections
}

// newGreeter starts a backend.
func newGreeter(t testing.TB, name string) *greeter {
	t.Helper()
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(loopback))
	must(t, err)
	return greet(t, ln, name)
}

func greet(t testing.TB, ln net.Listener, name string) *greeter {
	return &greeter{name, ln.Addr().(*net.TCPAddr).AddrPort(), labtest.Serve(t, ln, func(conn net.Conn) {
		io.WriteString(conn, name)
		io.Copy(conn, conn)
	})}
}

// greeting returns the name of the backend that a connection has come to.
func greeting(t testing.TB, conn net.Conn) string {
	t.Helper()
	name := make([]byte, 1)
	_, err := io.ReadFull(conn, name)
	must(t, err)
	return string(name)
}

// wantTurnedAway connects and waits for the reset, which may come before the connection is seen to be established.
func wantTurnedAway(t testing.TB, address netip.AddrPort) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address.String(), patience)
	if err == nil {
		defer conn.Close()
		must(t, conn.SetDeadline(time.Now().Add(patience)))
		_, err = io.Copy(io.Discard, conn)
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("connection ended with %v, want a reset", err)
	}
}

// verdicts is what the checkers of a test find: the error per backend. A backend without a verdict is never answered.
type verdicts struct {
	mu    sync.Mutex
	all   map[netip.AddrPort]error
	count map[netip.AddrPort]int // of checks
}

// asked returns how many checks of a backend there were.
func (v *verdicts) asked(address netip.AddrPort) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.count[address]
}

func (v *verdicts) set(address netip.AddrPort, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.all == nil {
		v.all = make(map[netip.AddrPort]error)
	}
	v.all[address] = err
}

func (v *verdicts) forget(address netip.AddrPort) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.all, address)
}

func (v *verdicts) newChecker(b balance.Backend, _ health.Config) Checker {
	return fakeChecker{v, b.Address}
}

type fakeChecker struct {
	verdicts *verdicts
	address  netip.AddrPort
}

func (c fakeChecker) Check(ctx context.Context) error {
	c.verdicts.mu.Lock()
	if c.verdicts.count == nil {
		c.verdicts.count = make(map[netip.AddrPort]int)
	}
	c.verdicts.count[c.address]++
	err, ok := c.verdicts.all[c.address]
	c.verdicts.mu.Unlock()
	if !ok {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (c fakeChecker) Close() error { return nil }

// testSettings have quick checks.
func testSettings(backends ...balance.Backend) Settings {
	return Settings{
		Settings: balance.Settings{
			Backends: backends, Policy: balance.LeastConnections, OnBackendDown: balance.CloseSessions,
			Timeouts: balance.Timeouts{Connect: time.Second, KeepAlive: 15 * time.Second, HalfClosed: 30 * time.Second},
		},
		HealthCheck: health.Config{
			Interval: 100 * time.Millisecond, Timeout: time.Second, SuccessThreshold: 2, FailureThreshold: 2,
		},
	}
}

// A testBalancer is a balancer in this process with the keeper's end of its connection.
type testBalancer struct {
	verdicts *verdicts
	listener *Listener
	address  netip.AddrPort
	keeper   *net.UnixConn
	ended    chan error
	stop     context.CancelFunc

	mu     sync.Mutex
	status Status
}

// newBalancer starts a balancer that a test commands.
func newBalancer(t testing.TB, v *verdicts, settings Settings) *testBalancer {
	t.Helper()
	return newBalancerWith(t, v, command{Settings: settings})
}

// newBalancerWith starts one whose first command is given.
func newBalancerWith(t testing.TB, v *verdicts, first command) *testBalancer {
	t.Helper()
	ours, theirs, err := controlPair()
	must(t, err)
	conn, err := inheritedConn(theirs)
	must(t, err)
	ln := newListener(t)
	b := &testBalancer{verdicts: v, listener: ln, address: ln.Address(), keeper: ours, ended: make(chan error, 1)}
	balancer, err := NewBalancer(logr.Discard(), conn, []*Listener{handOver(t, ln)}, v.newChecker)
	must(t, err)
	var ctx context.Context
	ctx, b.stop = context.WithCancel(context.Background())
	var wait sync.WaitGroup
	wait.Go(func() { b.ended <- balancer.Run(ctx) })
	wait.Go(func() { b.receive() })
	t.Cleanup(func() {
		b.stop()
		ours.Close()
		wait.Wait()
	})
	b.command(t, first)
	return b
}

func (b *testBalancer) command(t testing.TB, c command) {
	t.Helper()
	c.Version = protocolVersion
	must(t, send(b.keeper, c))
}

func (b *testBalancer) receive() {
	reports := make(chan report)
	var wait sync.WaitGroup
	wait.Go(func() {
		defer close(reports)
		receive(context.Background(), b.keeper, reports)
	})
	for r := range reports {
		b.mu.Lock()
		b.status = r.Status
		b.mu.Unlock()
	}
	wait.Wait()
}

func (b *testBalancer) now() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status
}

// untilStates waits until the backends have the states of those names.
func (b *testBalancer) untilStates(t testing.TB, names ...string) {
	t.Helper()
	var got []string
	err := lab.Until(patience, "the backends have the states", func() bool {
		got = nil
		for _, backend := range b.now().Backends {
			got = append(got, backend.State.String())
		}
		if len(got) != len(names) {
			return false
		}
		for i := range names {
			if got[i] != names[i] {
				return false
			}
		}
		return true
	})
	if err != nil {
		t.Fatalf("%v %v: they are %v", err, names, got)
	}
}
