// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/session"
)

// number returns how many there are, and how many of them took longer than the first of the bounds.
func number(d session.Durations) (all, longer uint64) {
	for _, n := range d.In {
		all += n
	}
	return all, all - d.In[0]
}

// A server knows how long its sessions and their begins took, and why they ended.
func TestServerMeasuresItsSessions(t *testing.T) {
	const pause = 20 * time.Millisecond
	slow := newBackend(t, func(conn *net.TCPConn) {
		io.ReadFull(conn, make([]byte, 1))
		time.Sleep(pause) // it is what is measured
		conn.Write([]byte("x"))
		echo(conn)
	})
	b := newRelay(t, defaults, slow)
	server := b.server(0)
	for _, end := range []func(*net.TCPConn){func(conn *net.TCPConn) { must(t, conn.CloseWrite()) }, resets} {
		conn := dialTo(t, b.address)
		io.WriteString(conn, "?")
		_, err := io.ReadFull(conn, make([]byte, 1))
		must(t, err)
		end(conn)
	}
	dialTo(t, b.address) // it goes on, and nobody has answered it
	until(t, "two have ended and one is there", func() bool { f := server.Figures(); return b.Figures().Active == 1 && f.Total == 3 })
	f := server.Figures().Sessions
	connects, _ := number(f.Connects)
	answers, later := number(f.Answers)
	lasted, _ := number(f.Lasted)
	if connects != 3 || answers != 2 || later != 2 || lasted != 2 {
		t.Errorf("%d connects, %d answers of which %d came later, %d sessions", connects, answers, later, lasted)
	}
	if f.Answers.Sum < 2*pause || f.Lasted.Sum < f.Answers.Sum || f.Connects.Sum < 0 || f.Connects.Sum > f.Answers.Sum {
		t.Errorf("answers took %v, sessions %v, connects %v", f.Answers.Sum, f.Lasted.Sum, f.Connects.Sum)
	}
	if len(f.Ended) != len(session.Endings()) || f.Ended[session.Finished] != 1 || f.Ended[session.ClientBroke] != 1 {
		t.Errorf("ended %v", f.Ended)
	}
}

// A connection that another server has taken over ends there, and each dial has its own time.
func TestSessionEndsWhereItIs(t *testing.T) {
	silent := newBackend(t, func(conn *net.TCPConn) {
		io.ReadFull(conn, make([]byte, 1))
		resets(conn)
	})
	b := newRelay(t, defaults, newBackend(t, echo), silent) // the first turn begins with the second
	conn := dialTo(t, b.address)
	_, err := conn.Write([]byte("\x16")) // as a ClientHello begins
	must(t, err)
	_, err = io.ReadFull(conn, make([]byte, 1))
	must(t, err)
	must(t, conn.Close())
	until(t, "it has ended", func() bool { return b.Figures().Active == 0 })
	for i, want := range []uint64{1, 0} {
		f := b.server(int32(i)).Figures().Sessions
		answers, _ := number(f.Answers)
		if lasted, _ := number(f.Lasted); answers != want || lasted != want || f.Ended[session.Finished] != want {
			t.Errorf("server %d: %d answers, %d sessions, ended %v; want %d", i, answers, lasted, f.Ended, want)
		}
		if connects, _ := number(f.Connects); connects != 1 {
			t.Errorf("server %d: %d connects, want 1", i, connects)
		}
	}
}

// To count is no work for the collector.
func TestCountingAllocatesNothing(t *testing.T) {
	var d durations
	if n := testing.AllocsPerRun(1000, func() { d.add(&session.QuickBounds, time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
