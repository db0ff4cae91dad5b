// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"bytes"
	"io"
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/session"
)

// narrow has a socket take as little as the kernel allows.
func narrow(t testing.TB, fd int32) {
	t.Helper()
	if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 1); err != nil {
		t.Error(err) // in a worker, which must go on
	}
}

// What the first backend has not taken does not reach the second one twice.
func TestHelloMovesFromABackendThatTakesLittle(t *testing.T) {
	const size = 16 << 10
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1) })
	}}
	ln, err := config.Listen(t.Context(), "tcp", loopback.String())
	must(t, err)
	defer ln.Close()
	b := newRelayWith(t, 1, func(r *Relay) *Route { return routeTo(r, defaults, ln.Addr().(*net.TCPAddr).AddrPort()) })
	client := dialTo(t, b.address)
	first, err := ln.Accept()
	must(t, err)
	defer first.Close()
	until(t, "it is the client's", func() bool { return b.server(0).Figures().Total == 1 })
	b.inWorker(0, func(w *worker) {
		w.table.each(func(_ int32, c *connection) { narrow(t, c.sides[backend].fd) })
	})
	hello := helloOf(size)
	const part = 1 << 10
	kept := false
	for sent := 0; sent < size && !kept; sent += part { // the kernel takes the first parts
		_, err := client.Write(hello[sent:][:part])
		must(t, err)
		until(t, "the relay has the part", func() (has bool) {
			b.inWorker(0, func(w *worker) {
				w.table.each(func(_ int32, c *connection) {
					has, kept = c.sides[0].flow.all == int64(sent+part), c.sides[0].pending > 0
				})
			})
			return has
		})
		if kept {
			_, err := client.Write(hello[sent+part:])
			must(t, err)
		}
	}
	if !kept {
		t.Fatal("the backend takes all")
	}
	b.SetRoute(routeTo(b.Relay, defaults, newBackend(t, echo)))
	resets(first.(*net.TCPConn))
	got := make([]byte, size)
	if n, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, hello) {
		t.Fatalf("%d bytes came back (%v), or others", n, err)
	}
	wantEcho(t, client, randomBytes(100_000), 5_000)
	must(t, client.Close())
	b.untilEmpty(t)
}

// A backend that takes only a part of what is sent again gets the rest when it takes more.
func TestResendToABackendThatTakesLittle(t *testing.T) {
	for name, pipes := range map[string]bool{"with a pipe": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			w := idleWorker(t)
			server := w.relay.Server(loopback)
			ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
			must(t, err)
			defer unix.Close(ends[1])
			narrow(t, int32(ends[0]))
			if !pipes {
				w.pipes.all = mostPipes
				defer func() { w.pipes.all = 0 }()
			}
			sent := helloOf(16 << 10)
			i := w.table.add()
			c := w.table.at(i)
			w.sessions.Add(1)
			w.relay.active.enter(0)
			server.active.enter(0)
			c.opening, _ = w.openings.add(-1, sent)
			c.server, c.sides = server.id, [2]side{{fd: -1}, {fd: int32(ends[0]), writable: true, waits: true}}
			for k := range c.dials {
				c.dials[k] = dial{fd: -1, server: -1}
			}
			actions := w.resend(c, nil)
			if !pipes {
				if len(actions) != 1 || actions[0].Do != session.Reset {
					t.Errorf("what cannot be sent leads to %v", actions)
				}
			}
			var got bytes.Buffer
			for buffer := make([]byte, 1000); ; {
				n, err := unix.Read(ends[1], buffer)
				if err != nil {
					break
				}
				got.Write(buffer[:n])
				if c.sides[client].pending > 0 {
					w.empty(c, client)
				}
			}
			if pipes && !bytes.Equal(got.Bytes(), sent) {
				t.Errorf("it has got %d bytes of %d, or others", got.Len(), len(sent))
			}
			w.end(i, c, session.Stopped, closeDescriptor)
		})
	}
}
