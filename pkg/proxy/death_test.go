// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/balance"
)

// newHostGreeter starts a backend on port 6443 of a host.
func newHostGreeter(t testing.TB, h *lab.Host, name string) *greeter {
	t.Helper()
	ln, err := h.Listen(netip.AddrPortFrom(h.Address.Addr(), 6443).String())
	must(t, err)
	g := &greeter{name: name, address: ln.Addr().(*net.TCPAddr).AddrPort(), listener: ln.(*net.TCPListener)}
	g.wait.Go(g.serve)
	t.Cleanup(g.close)
	return g
}

// An attempt is a connection that a client made.
type attempt struct {
	start, end time.Time
	err        error
}

// A tally is what a client found.
type tally struct {
	mu       sync.Mutex
	attempts []attempt
}

func (c *tally) add(a attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attempts = append(c.attempts, a)
}

// failed returns how many attempts failed that began in the time given.
func (c *tally) failed(from, to time.Time) (count int) {
	for _, a := range c.attempts {
		if a.err != nil && !a.start.Before(from) && a.start.Before(to) {
			count++
		}
	}
	return count
}

// slowest returns the longest time that an attempt took.
func (c *tally) slowest() (longest time.Duration) {
	for _, a := range c.attempts {
		longest = max(longest, a.end.Sub(a.start))
	}
	return longest
}

// load makes connections from a host until ctx is done: workers make one each every interval. It returns when all have
// ended.
func load(ctx context.Context, t testing.TB, h *lab.Host, to netip.AddrPort, workers int, interval time.Duration) *tally {
	c := &tally{}
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			err := h.Do(func() error {
				ticker := time.NewTicker(interval)
				defer ticker.Stop()
				for ctx.Err() == nil {
					start := time.Now()
					err := connectWithin(to, 2*time.Second)
					c.add(attempt{start, time.Now(), err})
					<-ticker.C
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	return c
}

// connectWithin makes a connection that gets a greeting.
func connectWithin(address netip.AddrPort, limit time.Duration) error {
	conn, err := net.DialTimeout("tcp", address.String(), limit)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(limit))
	_, err = io.ReadFull(conn, make([]byte, 1))
	return err
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

			ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
			defer cancel()
			var c *tally
			var wait sync.WaitGroup
			wait.Go(func() { c = load(ctx, t, client, address, 25, 50*time.Millisecond) })
			<-time.After(time.Second) // of quiet
			must(t, kill(victim, hosts[3]))
			killed := time.Now()
			for _, conn := range held[victim.name] {
				io.Copy(io.Discard, conn)
			}
			closed := time.Since(killed)
			wait.Wait()

			// A connection that had begun may have come to the backend already, and dies with it.
			failed, inFlight, total := c.failed(killed, time.Now()), c.failed(time.Time{}, killed), len(c.attempts)
			t.Logf("%d of %d connections failed, %d in flight, the slowest took %v; sessions were closed after %v", failed, total, inFlight, c.slowest(), closed)
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
