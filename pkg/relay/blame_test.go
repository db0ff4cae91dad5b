// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/health"
)

// silent returns which servers were blamed for being silent to a dial.
func (b *bench) silent() (all []netip.AddrPort) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for k, sign := range b.signs {
		if e, ok := sign.(health.DialFailed); ok && strings.HasPrefix(e.Reason, "no answer") {
			all = append(all, b.of[k])
		}
	}
	return all
}

// A backend that refuses has answered. It is not blamed for the silence of one that was dialled before it.
func TestConnectDoesNotBlameABackendThatRefused(t *testing.T) {
	deaf, refusing := deafPort(t), closedPort(t)
	b := newRelay(t, defaults, refusing, deaf) // the first turn begins with the second
	wantReset(t, dialTo(t, b.address))
	if got := b.silent(); len(got) != 1 || got[0] != deaf {
		t.Errorf("blamed for silence: %v, want %v alone, once", got, deaf)
	}
}

// The time for an answer may be over before a process that did not run meanwhile finds that the answer came in time. No time at
// all stands for that here: whatever the order in which the process learns of both, a backend that accepts is not blamed.
func TestConnectDoesNotBlameABackendThatAccepted(t *testing.T) {
	b := newRelay(t, balance.Timeouts{}, newBackend(t, echo))
	for range 50 {
		if conn, err := net.Dial("tcp", b.address.String()); err == nil {
			conn.SetDeadline(time.Now().Add(patience))
			_ = ask(conn) // it may be refused: there was no time
			conn.Close()
		}
	}
	if got := b.silent(); len(got) != 0 {
		t.Fatalf("%v was blamed for silence", got)
	}
}

// A backend is doubted that leaves a question without an answer, once for each connection, and keeps the connection.
func TestDoubtOfASilentBackend(t *testing.T) {
	timeouts := defaults
	timeouts.Connect = 100 * time.Millisecond
	client, backend, b := paired(t, timeouts)
	io.WriteString(client, "question")
	until(t, "it is doubted", func() bool { return len(b.said()) == 1 })
	if e, ok := b.said()[0].(health.Doubted); !ok || e.Reason != "no answer to the first bytes of a client for 50ms" {
		t.Errorf("it is said %#v", b.said()[0])
	}
	_, err := io.ReadFull(backend, make([]byte, 8))
	must(t, err)
	must(t, ask2(client, backend))
}

// An answer that waits to be read, because the worker did not run meanwhile, is one.
func TestDoubtDoesNotBlameABackendWhoseAnswerIsUnread(t *testing.T) {
	timeouts := defaults
	timeouts.Connect = 100 * time.Millisecond
	b := newRelayWith(t, 1, func(r *Relay) *Route {
		return routeTo(r, timeouts, newBackend(t, func(conn *net.TCPConn) {
			io.ReadFull(conn, make([]byte, 1))
			<-time.After(20 * time.Millisecond)
			conn.Write([]byte("x"))
		}))
	})
	client := dialTo(t, b.address)
	io.WriteString(client, "x")
	until(t, "the backend is asked", func() bool { return b.server(0).Figures().Sent == 1 })
	b.inWorker(0, func(*worker) { <-time.After(200 * time.Millisecond) }) // it does not run
	_, err := io.ReadFull(client, make([]byte, 1))
	must(t, err)
	if said := b.said(); len(said) != 0 {
		t.Errorf("the backend was blamed: %v", said)
	}
}
