// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/guard"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// faulty is a host whose adapters panic: the one that is named, at every call from then on.
type faulty struct {
	*host
	at atomic.Pointer[string]
}

func newFaulty(h *host, l *Loop) *faulty {
	f := &faulty{host: h}
	l.cfg.Ports[0].Conn, l.cfg.Addresses, l.cfg.Announcer, l.cfg.Prober = f, f, f, f
	return f
}

func (f *faulty) fails(at string) { f.at.Store(&at) }

func (f *faulty) panics(at string) {
	if now := f.at.Load(); now != nil && *now == at {
		panic("fault in " + at)
	}
}

func (f *faulty) Wait() error { err := f.host.Wait(); f.panics("Wait"); return err }
func (f *faulty) Receive() (vrrp.Packet, bool, error) {
	f.panics("Receive")
	return f.host.Receive()
}
func (f *faulty) Send(a vrrp.Advertisement) error { f.panics("Send"); return f.host.Send(a) }
func (f *faulty) Refresh() error                  { f.panics("Refresh"); return f.host.Refresh() }
func (f *faulty) Announce(a netip.Addr) error     { f.panics("Announce"); return f.host.Announce(a) }
func (f *faulty) Probe(ctx context.Context, asks int) election.ProbeDone {
	f.panics("Probe")
	return f.host.Probe(ctx, asks)
}

func (f *faulty) AskPeers(ctx context.Context) election.PeersDone {
	f.panics("AskPeers")
	return f.host.AskPeers(ctx)
}

func (f *faulty) CheckHolder(ctx context.Context) election.HolderChecked {
	f.panics("CheckHolder")
	return f.host.CheckHolder(ctx)
}

func (f *faulty) Rehearse(ctx context.Context) election.Rehearsed {
	f.panics("Rehearse")
	return f.host.Rehearse(ctx)
}

// wantPanic fails unless an error and the log say where the fault was.
func (f *faulty) wantPanic(t *testing.T, err error, at string) {
	t.Helper()
	if p := (*guard.Panic)(nil); !errors.As(err, &p) || p.Value != "fault in "+at || !strings.Contains(p.Stack, "panics") {
		t.Errorf("Run returned %v, want the panic", err)
	}
	if !slices.ContainsFunc(f.logs, func(line string) bool {
		return strings.Contains(line, "Election failed") && strings.Contains(line, "fault in "+at) && strings.Contains(line, "panic_test.go")
	}) {
		t.Errorf("no line has the stack: %q", f.logs)
	}
}

// A panic of the loop itself leaves time for the least: the others hear the release, and the address is removed.
func TestPanicOfTheLoopLeavesNothingBehind(t *testing.T) {
	for _, at := range []string{"Receive", "Refresh", "Announce", "Send"} {
		synctest.Test(t, func(t *testing.T) {
			h := new(lan).host("192.0.2.1")
			l := h.loop(200)
			f := newFaulty(h, l)
			done := h.holding(t, l)
			h.taken()
			f.fails(at)
			f.wantPanic(t, <-done, at)
			got := h.taken()
			want := []string{"advertise 0", "release", "close"}
			if at == "Send" { // nothing can be sent: the rest is done all the same
				want = want[1:]
			}
			if len(got) < len(want) || !slices.Equal(got[len(got)-len(want):], want) {
				t.Errorf("%s: %q, want %q at the end", at, got, want)
			}
			if l.Status().Held {
				t.Errorf("%s: the status says that the addresses are held", at)
			}
		})
	}
}

// A Backup that panics is silent: a release would be that of the holder.
func TestPanicOfABackupIsNotHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := new(lan)
		a, b := wire.host("192.0.2.1"), wire.host("192.0.2.2")
		ctx, cancel := context.WithCancel(t.Context())
		waitFirst := start(t, ctx, a.loop(250))
		pass(6 * time.Second)
		l := b.loop(200)
		f := newFaulty(b, l)
		done := make(chan error, 1)
		go func() { done <- l.Run(ctx) }()
		l.Notify(ctx, election.LinkChanged{Up: true})
		pass(3 * time.Second)
		f.fails("Receive")
		f.wantPanic(t, <-done, "Receive")
		if got := b.taken(); !slices.Equal(got, []string{"close"}) {
			t.Errorf("a Backup did %q", got)
		}
		cancel()
		waitFirst()
	})
}

// Beside the loop a panic is a planned stop: the address is never without a holder.
func TestPanicBesideTheLoopMakesBeforeItBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wire := new(lan)
		a, b := wire.host("192.0.2.1"), wire.host("192.0.2.2")
		l := a.loop(200)
		f := newFaulty(a, l)
		done := make(chan error, 1)
		go func() { done <- l.Run(t.Context()) }()
		l.Notify(t.Context(), election.LinkChanged{Up: true})
		l.Notify(t.Context(), election.HealthChanged{Healthy: true})
		pass(3 * time.Second)
		second := b.loop(100)
		ctx, cancel := context.WithCancel(t.Context())
		waitSecond := start(t, ctx, second)
		pass(3 * time.Second)
		f.fails("Wait")
		a.deliver(vrrp.Packet{Advertisement: vrrp.Advertisement{Version: vrrp.Version3, VRID: 51, Priority: 1, Interval: time.Second}, Source: b.addr})
		for range 5000 {
			pass(time.Millisecond)
			if !a.Held() && !b.Held() {
				t.Fatal("nobody holds the addresses")
			}
		}
		f.wantPanic(t, <-done, "Wait")
		if got := a.taken(); a.Held() || !b.Held() || !slices.Contains(got, "advertise 0") {
			t.Errorf("held by a %v, b %v; a did %q", a.Held(), b.Held(), got)
		}
		cancel()
		waitSecond()
	})
}

// A question that panics would never be answered: the node ends instead of waiting for ever.
func TestPanicOfAProbeEndsTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(lan).host("192.0.2.1")
		l := h.loop(200)
		f := newFaulty(h, l)
		f.fails("Probe")
		done := make(chan error, 1)
		go func() { done <- l.Run(t.Context()) }()
		l.Notify(t.Context(), election.LinkChanged{Up: true})
		l.Notify(t.Context(), election.HealthChanged{Healthy: true})
		f.wantPanic(t, <-done, "Probe")
		if slices.Contains(h.taken(), "acquire") {
			t.Error("it took the addresses without an answer")
		}
	})
}
