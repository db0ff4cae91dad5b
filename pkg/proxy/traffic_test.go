// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/balance"
)

func TestTransferring(t *testing.T) {
	now := time.Now()
	for _, tc := range []struct {
		name       string
		from, back time.Duration // ago
		burst      int64         // of the backend since the client spoke
		before     int64         // and before that
		want       bool
	}{
		{"download", time.Minute, 100 * time.Millisecond, 100, 0, true},
		{"download with window updates", 10 * time.Millisecond, 5 * time.Millisecond, 100, 1 << 20, true},
		{"download that has just been asked for more", 10 * time.Millisecond, 20 * time.Millisecond, 0, 1 << 20, true},
		{"one question after another", 30 * time.Millisecond, 10 * time.Millisecond, 300, 300, false},
		{"a question that waits for its answer", 100 * time.Millisecond, time.Minute, 0, 300, true},
		{"upload", 10 * time.Millisecond, time.Minute, 0, 0, true},
		{"silent watch", time.Minute, time.Minute, 300, 300, false},
		{"watch that spoke a while ago", time.Minute, 2 * time.Second, 1 << 20, 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var r relay
			r.fromClient.at.Store(now.Add(-tc.from).UnixNano())
			r.fromBackend.at.Store(now.Add(-tc.back).UnixNano())
			r.fromBackend.burst.Store(tc.burst)
			r.fromBackend.before.Store(tc.before)
			if got := r.transferring(now); got != tc.want {
				t.Errorf("transferring: %t, want %t", got, tc.want)
			}
		})
	}
}

// The words of one side end the burst of the other.
func TestFlowCountsBursts(t *testing.T) {
	var client, backend flow
	client.sent(10, &backend)
	backend.sent(100, &client)
	backend.sent(200, &client)
	client.sent(10, &backend)
	client.sent(10, &backend)
	if b := backend.before.Load(); b != 300 || backend.burst.Load() != 0 || client.burst.Load() != 20 || client.before.Load() != 10 {
		t.Errorf("bursts of %d and %d, before %d and %d", client.burst.Load(), backend.burst.Load(), client.before.Load(), b)
	}
}

// streamer returns the settings of a backend that sends all the time until stop, then closes.
func streamer(t *testing.T) (settings Settings, stop func()) {
	t.Helper()
	done := make(chan struct{})
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(loopback))
	must(t, err)
	labtest.Serve(t, ln, func(conn net.Conn) {
		for {
			if _, err := conn.Write([]byte("x")); err != nil {
				return
			}
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	stop = sync.OnceFunc(func() { close(done) })
	t.Cleanup(stop)
	return testSettings(balance.Backend{Address: ln.Addr().(*net.TCPAddr).AddrPort()}), stop
}

// A planned move waits for the downloads that there are, not for silent connections, and not for new ones.
func TestSettleWaitsForTransfers(t *testing.T) {
	quiet := newSupervisor(t, withVIP(greeters(t, "a")), nil)
	quiet.untilHealthy(t, 0)
	greeting(t, dial(t, quiet.address))
	began := time.Now()
	quiet.Settle(t.Context())
	if took := time.Since(began); took > 2*transferWindow {
		t.Errorf("it waited %s for a silent connection", took)
	}

	settings, stop := streamer(t)
	s := newSupervisor(t, withVIP(settings), nil)
	s.untilHealthy(t, 0)
	greeting(t, dial(t, s.address))
	settled := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() { s.Settle(context.Background()); close(settled) })
	defer wait.Wait()
	until(t, "it waits for the download", func() bool { return s.Status().Settling == 1 })
	select {
	case <-settled:
		t.Error("it did not wait")
	case <-time.After(2 * transferWindow):
	}
	stop()
	select {
	case <-settled:
	case <-time.After(patience):
		t.Error("it waits after the end of the download")
	}

	over, cancel := context.WithCancel(t.Context())
	cancel()
	s.Settle(over) // does not outlive its context
}

func withVIP(settings Settings) Settings {
	settings.VirtualAddresses = []netip.Addr{loopback.Addr()}
	return settings
}

// The sessions of a virtual address are reset, each time the address leaves. Those of another address stay.
func TestEndSessionsOfTheVirtualAddress(t *testing.T) {
	settings := greeters(t, "a")
	s := newSupervisor(t, settings, nil)
	pid := s.untilHealthy(t, 0)
	stays := dial(t, s.address)
	greeting(t, stays)
	s.EndSessions(t.Context())
	must(t, echoes(stays))
	s.Apply(withVIP(settings))
	for range 2 {
		conn := dial(t, s.address)
		greeting(t, conn)
		s.EndSessions(t.Context())
		wantReset(t, conn)
	}
	if got := s.Status().PID; got != pid {
		t.Errorf("process %d was replaced by %d", pid, got)
	}
}
