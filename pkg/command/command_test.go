// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/election"
)

// iface is no interface: nobody else has a lock for it in this namespace.
const iface = "test"

func TestCheckHandover(t *testing.T) {
	holder := netip.MustParseAddr("192.0.2.3")
	for _, tc := range []struct {
		name   string
		status election.Status
		to     string
		want   string // part of the reason; empty: it may
	}{
		{"to whichever is the first", election.Status{State: election.Active}, "", ""},
		{"to a named node by the Lease", election.Status{State: election.Active, Arbitrated: true}, "node2", ""},
		{"to a named node without the Lease", election.Status{State: election.Active}, "node2", "leave out --to"},
		{"to itself", election.Status{State: election.Active, Arbitrated: true}, "node1", "node1 holds the virtual addresses already"},
		{"the Lease names the holder", election.Status{State: election.Backup, Lease: election.Lease{Node: "node3"}, Holder: holder}, "", "state Backup and holds nothing to hand over: ask the holder, node3"},
		{"the holder was heard", election.Status{State: election.Backup, Holder: holder}, "node2", "ask the holder, 192.0.2.3"},
		{"no holder is known", election.Status{State: election.Initialize}, "", "state Initialize and holds nothing to hand over: ask the holder, which is not known"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			switch err := CheckHandover(tc.status, "node1", tc.to); {
			case tc.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got %v, want %q in it", err, tc.want)
			}
		})
	}
}

// listen takes the lock for the test.
func listen(t *testing.T, vrid uint8) net.Listener {
	t.Helper()
	ln, err := Listen(t.Context(), logr.Discard(), iface, vrid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// serve serves commands until the test ends.
func serve(t *testing.T, ln net.Listener, handover Handover) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- Serve(ctx, ln, Handlers{Handover: handover}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestHandoverReachesTheSidecar(t *testing.T) {
	asked := make(chan string, 1)
	serve(t, listen(t, 202), func(_ context.Context, to string) (time.Duration, error) { asked <- to; return 7 * time.Second, nil })
	for _, to := range []string{"node2", ""} {
		if within, err := RequestHandover(t.Context(), iface, 202, to); err != nil || within != 7*time.Second {
			t.Fatalf("within %s, %v", within, err)
		}
		if got := <-asked; got != to {
			t.Errorf("asked for %q, want %q", got, to)
		}
	}
}

func TestRefusalReachesWhoAsked(t *testing.T) {
	serve(t, listen(t, 203), func(_ context.Context, to string) (time.Duration, error) { return 0, fmt.Errorf("%s is not ready", to) })
	if _, err := RequestHandover(t.Context(), iface, 203, "node2"); err == nil || err.Error() != "node2 is not ready" {
		t.Errorf("got %v", err)
	}
}

func TestRequestThatIsTooLongIsRefused(t *testing.T) {
	serve(t, listen(t, 204), func(context.Context, string) (time.Duration, error) {
		t.Error("the request was taken")
		return 0, nil
	})
	if _, err := RequestHandover(t.Context(), iface, 204, strings.Repeat("n", maxRequest)); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("got %v", err)
	}
}

func TestNobodyListens(t *testing.T) {
	if _, err := RequestHandover(t.Context(), iface, 205, ""); err == nil || !strings.Contains(err.Error(), "as root, on the node that holds") {
		t.Errorf("got %v", err)
	}
}

func TestOtherUsersAreNotHeard(t *testing.T) {
	ln := listen(t, 206)
	for _, tc := range []struct {
		self int
		want bool
	}{{os.Geteuid(), true}, {os.Geteuid() + 1, os.Geteuid() == 0}} {
		client, err := net.Dial("unix", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		accepted := make(chan bool, 1)
		go func() {
			conn, err := rootOnly{ln, tc.self}.Accept()
			if err == nil {
				conn.Close()
			}
			accepted <- err == nil
		}()
		if !tc.want { // the connection is closed, and Accept goes on
			if _, err := client.Read(make([]byte, 1)); err == nil {
				t.Error("another user was answered")
			}
			ln.Close()
		}
		if got := <-accepted; got != tc.want {
			t.Errorf("user %d of a process of %d accepted: %v, want %v", os.Geteuid(), tc.self, got, tc.want)
		}
		client.Close()
	}
}

func TestLockLetsOneIn(t *testing.T) {
	const vrid = 201
	first := listen(t, vrid)
	log := &labtest.Log{}
	ctx, cancel := context.WithTimeout(t.Context(), 3*lockRetry)
	defer cancel()
	if _, err := Listen(ctx, log.Logger(), iface, vrid); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a second instance got %v, want to wait in vain", err)
	}
	if n := log.Count("Waiting for another instance to end"); n != 1 {
		t.Errorf("logged %d times that it waits, want once", n)
	}
	entered := make(chan error, 1)
	go func() {
		second, err := Listen(t.Context(), logr.Discard(), iface, vrid)
		if err == nil {
			err = second.Close()
		}
		entered <- err
	}()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-entered:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("the lock did not become free with its holder's end")
	}
}

func TestLockOfAnImpossibleName(t *testing.T) {
	if _, err := Listen(t.Context(), logr.Discard(), strings.Repeat("x", 200), 1); err == nil || !strings.Contains(err.Error(), "take the lock of virtual router 1") {
		t.Errorf("got %v", err)
	}
}

// Whoever opens connections and asks for nothing leaves the descriptors of this process alone, and room when they are gone.
func TestConnectionsAreBounded(t *testing.T) {
	const vrid = 211
	ln := listen(t, vrid)
	serve(t, ln, func(context.Context, string) (time.Duration, error) { return time.Second, nil })
	var idle []net.Conn
	closed := 0
	for range maxClients + 10 {
		conn, err := net.Dial("unix", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		idle = append(idle, conn)
	}
	for _, conn := range idle[maxClients:] { // accepted in their order
		labtest.Must(t, conn.SetReadDeadline(time.Now().Add(readTimeout/2)))
		if _, err := conn.Read(make([]byte, 1)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			closed++
		}
	}
	if closed != 10 {
		t.Errorf("%d of %d connections were closed, want those above %d", closed, len(idle), maxClients)
	}
	for _, conn := range idle {
		conn.Close()
	}
	labtest.Until(t, readTimeout, "a command is taken", func() bool {
		_, err := RequestHandover(t.Context(), iface, vrid, "")
		return err == nil
	})
}
