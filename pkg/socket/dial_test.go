// SPDX-License-Identifier: Apache-2.0

package socket_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// mostDials is how many dials one connection may take.
const mostDials = 4

// deaf makes a listener whose kernel answers no SYN until a connection is accepted: its queue is full.
func deaf(t *testing.T) *net.TCPListener {
	t.Helper()
	ln := listen(t, "tcp", "127.0.0.1:0").(*net.TCPListener)
	if err := socket.ControlConn(ln, func(fd int) error { return unix.Listen(fd, 0) }); err != nil {
		t.Fatal(err)
	}
	for {
		conn, err := net.DialTimeout("tcp", ln.Addr().String(), 100*time.Millisecond)
		if err != nil {
			return ln
		}
		t.Cleanup(func() { conn.Close() })
	}
}

// asking returns the local ends of the connections to an address that have no other end yet. Those that are made are in the tables
// twice, with either end.
func asking(t *testing.T, to net.Addr) (local []netip.AddrPort) {
	t.Helper()
	all, err := socket.Tables()
	if err != nil {
		t.Fatal(err)
	}
	made := map[netip.AddrPort]bool{}
	for _, s := range all {
		made[s.Remote] = true
	}
	for _, s := range all {
		if s.Remote.String() == to.String() && !made[s.Local] && s.Inode != 0 {
			local = append(local, s.Local)
		}
	}
	return local
}

// until waits for a condition.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// made is the outcome of a dial.
type made struct {
	net.Conn
	err error
}

// dial dials until ctx ends.
func dial(ctx context.Context, to net.Addr) <-chan made {
	outcome := make(chan made, 1)
	go func() {
		conn, err := socket.Dial(ctx, to.String())
		outcome <- made{conn, err}
	}()
	return outcome
}

// The SYN of one dial is lost: another dial is answered, long before the kernel would send that SYN again.
func TestDialAgainWhileThereIsNoAnswer(t *testing.T) {
	ln := deaf(t)
	start := time.Now()
	outcome := dial(t.Context(), ln.Addr())
	var lost []netip.AddrPort
	until(t, "it has dialled", func() bool { lost = asking(t, ln.Addr()); return len(lost) > 0 })
	for range 2 {
		conn, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
	}
	got := <-outcome
	if got.err != nil {
		t.Fatal(got.err)
	}
	defer got.Close()
	if again := time.Since(start) < time.Second; again && got.LocalAddr().String() == lost[0].String() {
		t.Errorf("the first dial was answered, whose SYN was lost, after %s", time.Since(start))
	}
	until(t, "the other dials are closed", func() bool { return len(asking(t, ln.Addr())) == 0 })
}

// A host that is dead is asked a few times, all together, and nothing of that is left.
func TestDialOfADeadHost(t *testing.T) {
	ln := deaf(t)
	ctx, stop := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer stop()
	outcome, seen := dial(ctx, ln.Addr()), 0
	until(t, "its time is over", func() bool { seen = max(seen, len(asking(t, ln.Addr()))); return ctx.Err() != nil })
	if got := <-outcome; !os.IsTimeout(got.err) {
		t.Errorf("error %v, want a timeout", got.err)
	}
	if seen < 2 || seen > mostDials {
		t.Errorf("%d dials, want up to %d", seen, mostDials)
	}
	if left := asking(t, ln.Addr()); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
}

// An answer is an answer, also where it is none that is wanted.
func TestDialIsRefusedAtOnce(t *testing.T) {
	ln := listen(t, "tcp", "127.0.0.1:0")
	ln.Close()
	if _, err := socket.Dial(t.Context(), ln.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("error %v, want ECONNREFUSED", err)
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	ln := deaf(t)
	ctx, cancel := context.WithCancel(t.Context())
	outcome := dial(ctx, ln.Addr())
	until(t, "it has dialled", func() bool { return len(asking(t, ln.Addr())) > 0 })
	cancel()
	if got := <-outcome; got.err == nil {
		t.Error("it is connected")
	}
}
