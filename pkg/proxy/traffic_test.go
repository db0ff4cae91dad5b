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
	"github.com/harbinger-ha/harbinger/pkg/relay"
)

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
	if took := time.Since(began); took > 2*relay.TransferWindow {
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
	case <-time.After(2 * relay.TransferWindow):
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
