// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/e2e/lab/watch"
	"github.com/harbinger-ha/harbinger/pkg/balance"
)

// newHostGreeter starts a backend on port 6443 of a host.
func newHostGreeter(t testing.TB, h *lab.Host, name string) *greeter {
	t.Helper()
	ln, err := h.Listen(netip.AddrPortFrom(h.Address.Addr(), 6443).String())
	must(t, err)
	return greet(t, ln, name)
}

// greeted waits for a greeting on a new connection.
func greeted(conn net.Conn) (string, error) {
	name := make([]byte, 1)
	_, err := io.ReadFull(conn, name)
	return string(name), err
}

// TestDeathOfABackend takes one of three backends away at 500 connections a second. At most 0.5 % of the connections may
// fail, and the sessions of the dead backend end within the time of the health checks.
func TestDeathOfABackend(t *testing.T) {
	for name, kill := range map[string]func(g *greeter, h *lab.Host) error{
		"process": func(g *greeter, _ *lab.Host) error { g.close(); return nil },
		"host":    func(_ *greeter, h *lab.Host) error { return h.Blackhole() },
	} {
		t.Run(name, func(t *testing.T) {
			l := labtest.New(t, lab.Config{Nodes: 4})
			hosts := l.Hosts()
			client, err := l.AddHost("client", 10)
			must(t, err)
			address, victim := startBalancing(t, hosts)
			held := hold(t, client, address, 6)

			began := time.Now()
			c := watch.StartClient(client, watch.ClientConfig{Target: address, Interval: 2 * time.Millisecond, Timeout: 2 * time.Second, Try: greeted})
			defer c.Stop()
			<-time.After(time.Second) // of quiet
			must(t, kill(victim, hosts[3]))
			killed := time.Now()
			for _, conn := range held[victim.name] {
				io.Copy(io.Discard, conn)
			}
			closed := time.Since(killed)
			<-time.After(time.Until(began.Add(4 * time.Second)))
			c.Stop()

			// A connection that had begun may have come to the backend already, and dies with it.
			all, after := c.Availability(began), c.Availability(killed)
			failed, inFlight, total := after.Failed(), all.Failed()-after.Failed(), all.Requests
			t.Logf("%d of %d connections failed, %d in flight; sessions were closed after %v", failed, total, inFlight, closed)
			if failed*200 > total {
				t.Error("more than 0.5 % failed")
			}
			if closed > 3*time.Second { // two checks in a row, the second one soon after the first, and a second of grace
				t.Error("the sessions of the dead backend were closed too late")
			}
			delete(held, victim.name)
			for _, conns := range held {
				for _, conn := range conns {
					must(t, echoes(conn))
				}
			}
		})
	}
}

// startBalancing starts a balancer on the first host and backends on the others. It returns the address of the balancer
// and the last backend.
func startBalancing(t testing.TB, hosts []*lab.Host) (netip.AddrPort, *greeter) {
	t.Helper()
	var settings Settings
	var last *greeter
	for i, h := range hosts[1:] {
		last = newHostGreeter(t, h, string(rune('a'+i)))
		settings = testSettings(append(settings.Backends, balance.Backend{Address: last.address})...)
	}
	settings.HealthCheck.Interval = time.Second
	settings.HealthCheck.Timeout = 500 * time.Millisecond
	keeper := startKeeper(t, hosts[0], keeperConfig{netip.MustParseAddrPort("0.0.0.0:4300"), settings})
	until(t, "the balancer runs", func() bool { return keeper.Wrote("Healthy,Healthy,Healthy") })
	return netip.AddrPortFrom(hosts[0].Address.Addr(), 4300), last
}

// hold makes connections from a host and returns them by the name of their backend.
func hold(t testing.TB, h *lab.Host, to netip.AddrPort, count int) map[string][]net.Conn {
	t.Helper()
	held := map[string][]net.Conn{}
	for range count {
		conn, err := h.Dial(context.Background(), "tcp", to.String())
		must(t, err)
		t.Cleanup(func() { conn.Close() })
		must(t, conn.SetDeadline(time.Now().Add(3*patience)))
		name := greeting(t, conn)
		held[name] = append(held[name], conn)
	}
	return held
}

// TestDeathOfAClient cuts off a client with an idle connection: the kernel finds out by itself.
func TestDeathOfAClient(t *testing.T) {
	l := labtest.New(t, lab.Config{Nodes: 1})
	host := l.Hosts()[0]
	client, err := l.AddHost("client", 10)
	must(t, err)
	settings := testSettings(balance.Backend{Address: newHostGreeter(t, host, "a").address})
	settings.Timeouts.KeepAlive = time.Second
	keeper := startKeeper(t, host, keeperConfig{netip.MustParseAddrPort("0.0.0.0:4300"), settings})
	until(t, "the balancer runs", func() bool { return keeper.Wrote("Healthy") })
	hold(t, client, netip.AddrPortFrom(host.Address.Addr(), 4300), 1)
	if got := established(t, host, 4300); got != 1 {
		t.Fatalf("%d connections are established", got)
	}
	must(t, client.Blackhole())
	until(t, "the connection is gone", func() bool { return established(t, host, 4300) == 0 })
}

// established counts the connections to a port of a host.
func established(t testing.TB, h *lab.Host, port uint16) int {
	t.Helper()
	table, err := h.ReadFile("/proc/thread-self/net/tcp")
	must(t, err)
	count := 0
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) && fields[3] == "01" {
			count++
		}
	}
	return count
}
