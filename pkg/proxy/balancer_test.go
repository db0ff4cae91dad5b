// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/balance"
)

var errNotReady = errors.New("status 500")

// twoGreeters returns the backends a and b, found healthy, and settings that name them.
func twoGreeters(t testing.TB) (a, b *greeter, v *verdicts, settings Settings) {
	t.Helper()
	a, b, v = newGreeter(t, "a"), newGreeter(t, "b"), &verdicts{}
	v.set(a.address, nil)
	v.set(b.address, nil)
	return a, b, v, testSettings(balance.Backend{Address: a.address}, balance.Backend{Address: b.address})
}

func TestBalancerSpreadsConnections(t *testing.T) {
	_, _, v, settings := twoGreeters(t)
	b := newBalancer(t, v, settings)
	b.untilStates(t, "Healthy", "Healthy")
	count := map[string]int{}
	for range 10 {
		count[greeting(t, dial(t, b.address))]++
	}
	if count["a"] != 5 || count["b"] != 5 {
		t.Errorf("backends got %v", count)
	}
	until(t, "the status counts the connections", func() bool {
		s := b.now()
		return s.Active == 10 && s.Accepted == 10 && s.Backends[0].Connections == 5 && s.Backends[1].Total == 5
	})
}

func TestBalancerServesBeforeTheFirstVerdict(t *testing.T) {
	a := newGreeter(t, "a")
	b := newBalancer(t, &verdicts{}, testSettings(balance.Backend{Address: a.address}))
	greeting(t, dial(t, b.address))
	b.untilStates(t, "Unknown")
}

func TestBalancerTriesTheNextBackend(t *testing.T) {
	a := newGreeter(t, "a")
	v := &verdicts{}
	dead := closedPort(t)
	v.set(a.address, nil)
	v.set(dead, nil)
	settings := testSettings(balance.Backend{Address: dead}, balance.Backend{Address: a.address})
	settings.HealthCheck.Interval = time.Hour // traffic alone finds out
	b := newBalancer(t, v, settings)
	b.untilStates(t, "Healthy", "Healthy")
	for range 20 {
		greeting(t, dial(t, b.address))
	}
	if s := b.now(); s.Refused != 0 {
		t.Errorf("%d connections were refused", s.Refused)
	}
	v.set(dead, syscall.ECONNREFUSED)
	until(t, "the failed dial shows", func() bool { return b.now().Backends[0].Failures > 0 })
}

func TestBalancerDoesNotWaitForABackendThatLetsItWait(t *testing.T) {
	a, v, deaf := newGreeter(t, "a"), &verdicts{}, deafPort(t)
	v.set(a.address, nil)
	v.set(deaf, nil)
	settings := testSettings(balance.Backend{Address: deaf}, balance.Backend{Address: a.address, Backup: true})
	settings.Timeouts.Connect = 2 * time.Second
	b := newBalancer(t, v, settings)
	b.untilStates(t, "Healthy", "Healthy")
	greeting(t, dial(t, b.address))
	if failed := b.now().Backends[0].Failures; failed != 0 {
		t.Errorf("%d dials had to fail first", failed)
	}
	until(t, "the dial that is not wanted any more ends", func() bool { return b.now().Backends[0].Connections == 0 })
	v.forget(deaf)
	greeting(t, dial(t, b.address))
	b.untilStates(t, "Suspect", "Healthy")
}

func TestBalancerTakesADoubtOnce(t *testing.T) {
	a, c, v, settings := twoGreeters(t)
	settings.Backends[1].Address = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), c.address.Port())
	v.set(settings.Backends[1].Address, nil)
	b := newBalancer(t, v, settings)
	b.untilStates(t, "Healthy", "Healthy")
	v.forget(a.address) // a check of it takes a second now
	var s Supervisor
	s.Doubt(a.address.Addr(), "its host is dead")
	told := s.wanted()
	told.Settings = settings
	b.command(t, told)
	b.untilStates(t, "Suspect", "Healthy")
	v.set(a.address, nil)
	b.untilStates(t, "Healthy", "Healthy")
	v.forget(a.address)
	told.Settings.Backends = []balance.Backend{settings.Backends[0], {Address: settings.Backends[1].Address, Backup: true}}
	b.command(t, told)
	until(t, "the command has been taken", func() bool { return b.now().Backends[1].Backup })
	if state := b.now().Backends[0].State.String(); state != "Healthy" {
		t.Errorf("the doubt of before makes the backend %s again", state)
	}
}

func TestBalancerSuspectsABackendThatDoesNotAnswerAClient(t *testing.T) {
	a, v, hung := newGreeter(t, "a"), &verdicts{}, newListener(t)
	must(t, listen(hung))
	v.set(a.address, nil)
	v.set(hung.Address(), nil)
	settings := testSettings(balance.Backend{Address: hung.Address()}, balance.Backend{Address: a.address})
	settings.Policy = balance.RoundRobin
	settings.HealthCheck.Interval, settings.HealthCheck.Timeout = time.Hour, time.Hour // traffic alone finds out
	b := newBalancer(t, v, settings)
	b.untilStates(t, "Healthy", "Healthy")
	v.forget(a.address)
	v.forget(hung.Address())
	for range 4 {
		_, err := dial(t, b.address).Write([]byte("x"))
		must(t, err)
	}
	b.untilStates(t, "Suspect", "Healthy")
	if !b.now().Backends[0].Healthy {
		t.Error("the doubt of one client counts as the loss of a backend")
	}
	for range 4 {
		greeting(t, dial(t, b.address))
	}
}

func TestBalancerRefusesWithoutBackendAndComesBack(t *testing.T) {
	a := newGreeter(t, "a")
	v := &verdicts{}
	v.set(a.address, nil)
	b := newBalancer(t, v, testSettings(balance.Backend{Address: a.address}))
	b.untilStates(t, "Healthy")
	for range 3 {
		v.set(a.address, syscall.ECONNREFUSED)
		b.untilStates(t, "Down")
		start := time.Now()
		if !refused(b.address) {
			t.Fatal("connection was not refused")
		}
		if took := time.Since(start); took > 100*time.Millisecond {
			t.Errorf("the refusal took %v", took)
		}
		v.set(a.address, nil)
		b.untilStates(t, "Healthy")
		greeting(t, dial(t, b.address))
	}
}

func TestBalancerClosesSessionsOfADeadBackend(t *testing.T) {
	a, c, v, settings := twoGreeters(t)
	b := newBalancer(t, v, settings)
	b.untilStates(t, "Healthy", "Healthy")
	conns := map[string]net.Conn{}
	for range 2 {
		conn := dial(t, b.address)
		conns[greeting(t, conn)] = conn
	}
	v.set(a.address, syscall.ETIMEDOUT)
	wantReset(t, conns["a"])
	must(t, echoes(conns["b"]))
	if name := greeting(t, dial(t, b.address)); name != "b" {
		t.Errorf("new connection went to %q", name)
	}

	// The last healthy backend keeps its sessions: they have nowhere else to go.
	v.set(c.address, syscall.ETIMEDOUT)
	b.untilStates(t, "Down", "Down")
	must(t, echoes(conns["b"]))
	v.set(a.address, nil)
	wantReset(t, conns["b"])
	greeting(t, dial(t, b.address))
}

func TestBalancerKeepsSessionsWhenToldTo(t *testing.T) {
	a, _, v, settings := twoGreeters(t)
	settings.OnBackendDown = balance.KeepSessions
	b := newBalancer(t, v, settings)
	b.untilStates(t, "Healthy", "Healthy")
	conn := dial(t, b.address)
	if greeting(t, conn) == "b" {
		conn = dial(t, b.address)
		greeting(t, conn)
	}
	v.set(a.address, syscall.ETIMEDOUT)
	b.untilStates(t, "Down", "Healthy")
	must(t, echoes(conn))
}

// TestBalancerKeepsSessionsOf has the ways in which a backend stops taking connections and keeps those it has.
func TestBalancerKeepsSessionsOf(t *testing.T) {
	for name, stop := range map[string]func(t *testing.T, b *testBalancer, v *verdicts, settings Settings){
		"a backend that is not ready": func(t *testing.T, b *testBalancer, v *verdicts, settings Settings) {
			v.set(settings.Backends[0].Address, errNotReady)
			b.untilStates(t, "NotReady", "Healthy")
		},
		"a removed backend": func(t *testing.T, b *testBalancer, _ *verdicts, settings Settings) {
			settings.Backends = settings.Backends[1:]
			b.command(t, command{Settings: settings})
			b.untilStates(t, "Healthy")
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, v, settings := twoGreeters(t)
			b := newBalancer(t, v, settings)
			b.untilStates(t, "Healthy", "Healthy")
			conns := map[string]net.Conn{}
			for range 2 {
				conn := dial(t, b.address)
				conns[greeting(t, conn)] = conn
			}
			stop(t, b, v, settings)
			for range 4 {
				if got := greeting(t, dial(t, b.address)); got != "b" {
					t.Errorf("new connection went to %q", got)
				}
			}
			must(t, echoes(conns["a"]))
		})
	}
}

func TestBalancerKeepsHealthOverNewSettings(t *testing.T) {
	a, _, v, settings := twoGreeters(t)
	v.set(a.address, syscall.ECONNREFUSED)
	b := newBalancer(t, v, settings)
	b.untilStates(t, "Down", "Healthy")
	since := b.now().Backends[0].Since
	settings.HealthCheck.Interval = 50 * time.Millisecond
	settings.Backends = append(settings.Backends, balance.Backend{Address: closedPort(t), Backup: true})
	b.command(t, command{Settings: settings})
	b.untilStates(t, "Down", "Healthy", "Unknown")
	if !b.now().Backends[0].Since.Equal(since) {
		t.Error("the health of a backend was forgotten")
	}
	v.set(a.address, nil)
	b.untilStates(t, "Healthy", "Healthy", "Unknown")
}

func TestBalancerUsesBackupsLast(t *testing.T) {
	_, c, v, settings := twoGreeters(t)
	settings.Backends[0].Backup = true
	b := newBalancer(t, v, settings)
	b.untilStates(t, "Healthy", "Healthy")
	for range 3 {
		if got := greeting(t, dial(t, b.address)); got != "b" {
			t.Errorf("connection went to %q", got)
		}
	}
	v.set(c.address, errNotReady)
	b.untilStates(t, "Healthy", "NotReady")
	if got := greeting(t, dial(t, b.address)); got != "a" {
		t.Errorf("connection went to %q", got)
	}
}

func TestBalancerLimits(t *testing.T) {
	for name, test := range map[string]struct {
		limits balance.Limits
		want   int
	}{
		"total":       {balance.Limits{Total: 3}, 3},
		"per backend": {balance.Limits{PerBackend: 2}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, v, settings := twoGreeters(t)
			settings.Limits = test.limits
			b := newBalancer(t, v, settings)
			b.untilStates(t, "Healthy", "Healthy")
			var conns []*net.TCPConn
			for range test.want {
				conn := dial(t, b.address)
				greeting(t, conn)
				must(t, echoes(conn)) // a client that has never sent anything would make room
				conns = append(conns, conn)
			}
			wantTurnedAway(t, b.address)
			must(t, conns[0].Close())
			until(t, "a place is free", func() bool { return b.now().Active == test.want-1 })
			greeting(t, dial(t, b.address))
			if got := b.now().Refused; got != 1 {
				t.Errorf("%d connections were refused, want 1", got)
			}
		})
	}
}

func TestBalancerDrains(t *testing.T) {
	_, _, v, settings := twoGreeters(t)
	b := newBalancer(t, v, settings)
	b.untilStates(t, "Healthy", "Healthy")
	conn := dial(t, b.address)
	greeting(t, conn)
	b.command(t, command{Settings: settings, Drain: true})
	until(t, "connections are refused", func() bool { return refused(b.address) })
	must(t, echoes(conn))
	select {
	case err := <-b.ended:
		t.Fatalf("the balancer ended before its last connection: %v", err)
	default:
	}
	must(t, conn.Close())
	must(t, <-b.ended)
}

// A balancer that is started again while its keeper stops is asked to drain by its first command: it ends, and waits for the acceptors
// that this command begins.
func TestBalancerDrainsFromItsFirstCommand(t *testing.T) {
	for range 20 {
		_, _, v, settings := twoGreeters(t)
		b := newBalancerWith(t, v, command{Settings: settings, Drain: true})
		must(t, <-b.ended)
		if !refused(b.address) {
			t.Fatal("it listens on")
		}
	}
}

func TestBalancerEndsWithItsKeeper(t *testing.T) {
	_, _, v, settings := twoGreeters(t)
	b := newBalancer(t, v, settings)
	b.untilStates(t, "Healthy", "Healthy")
	conn := dial(t, b.address)
	greeting(t, conn)
	must(t, b.keeper.Close())
	if err := <-b.ended; !errors.Is(err, errHangUp) {
		t.Errorf("it ended with %v", err)
	}
	wantReset(t, conn)
}

func TestBalancerRefusesAnotherProtocol(t *testing.T) {
	_, _, v, settings := twoGreeters(t)
	b := newBalancer(t, v, settings)
	b.untilStates(t, "Healthy", "Healthy")
	io.WriteString(b.keeper, `{"version":99}`+"\n")
	want := "receive message: protocol version 99, want " + strconv.Itoa(protocolVersion) + ": keeper and balancer are of different versions of Harbinger, restart the keeper"
	if err := <-b.ended; err == nil || err.Error() != want {
		t.Errorf("it ended with %v", err)
	}
}
