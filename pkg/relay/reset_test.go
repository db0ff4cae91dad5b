// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
)

// outcome reads a connection to its end.
func outcome(conn net.Conn) (n int64, err error) {
	return io.Copy(io.Discard, struct{ io.Reader }{conn})
}

// A side that is reset while the other one sends ends that with a reset: an orderly end would say that it has got all.
func TestResetIsNoOrderlyEnd(t *testing.T) {
	for name, swap := range map[string]bool{"of the backend": true, "of the client": false} {
		t.Run(name, func(t *testing.T) {
			for range 50 {
				fails, stays, b := paired(t, defaults)
				must(t, ask2(fails, stays))
				if swap {
					fails, stays = stays, fails
				}
				var wait sync.WaitGroup
				var broken error
				wait.Go(func() {
					for broken == nil {
						_, broken = stays.Write([]byte("x"))
					}
				})
				_, err := io.ReadFull(fails, make([]byte, 100))
				must(t, err)
				resets(fails)
				_, err = outcome(stays)
				wait.Wait()
				if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(broken, syscall.ECONNRESET) { // the first that looks gets it
					t.Fatalf("its reading ends with %v, its writing with %v", err, broken)
				}
				stays.Close()
				b.untilEmpty(t)
				b.stop()
			}
		})
	}
}

// much is more than all sockets and pipes on the way hold.
const much = 32 << 20

// A side that is blocked, because the other one does not read, is reset with that; and one that does not read is reset with the other.
func TestResetWhileASideIsBlocked(t *testing.T) {
	for name, blocks := range map[string][2]int{
		"the client is blocked, and resets":  {client, client},
		"the client is blocked, is reset":    {client, backend},
		"the backend is blocked, and resets": {backend, backend},
		"the backend is blocked, is reset":   {backend, client},
	} {
		t.Run(name, func(t *testing.T) {
			one, other, b := paired(t, defaults)
			must(t, ask2(one, other))
			ends := [2]*net.TCPConn{one, other}
			blocked, fails := ends[blocks[0]], blocks[1]
			var broken error
			var wait sync.WaitGroup
			wait.Go(func() { _, broken = blocked.Write(make([]byte, much)) })
			until(t, "a pipe holds something", func() bool {
				pending := false
				for k := range b.workers {
					b.inWorker(k, func(w *worker) {
						w.table.each(func(_ int32, c *connection) { pending = pending || c.sides[blocks[0]].pending > 0 })
					})
				}
				return pending
			})
			resets(ends[fails])
			_, err := outcome(ends[1-fails])
			ends[1-fails].Close()
			wait.Wait()
			if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(broken, syscall.ECONNRESET) {
				t.Errorf("its reading ends with %v, its writing with %v", err, broken)
			}
			b.untilEmpty(t)
		})
	}
}

// A side that closes while something for it is unread is reset by its kernel. The other one gets what it had sent before.
func TestCloseWithUnreadData(t *testing.T) {
	for name, swap := range map[string]bool{"the backend": true, "the client": false} {
		t.Run(name, func(t *testing.T) {
			closes, stays, b := paired(t, defaults)
			must(t, ask2(closes, stays))
			if swap {
				closes, stays = stays, closes
			}
			_, err := stays.Write(randomBytes(1000))
			must(t, err)
			_, err = io.ReadFull(closes, make([]byte, 1)) // the rest is there as well
			must(t, err)
			sent := randomBytes(1000)
			_, err = closes.Write(sent)
			must(t, err)
			got := make([]byte, len(sent))
			_, err = io.ReadFull(stays, got)
			must(t, err)
			must(t, closes.Close())
			wantReset(t, stays)
			b.untilEmpty(t)
		})
	}
}

// An early answer of a backend that then closes arrives, although the client still sends.
func TestEarlyAnswerArrives(t *testing.T) {
	answer := randomBytes(2000)
	b := newRelay(t, defaults, newBackend(t, func(conn *net.TCPConn) {
		io.ReadFull(conn, make([]byte, 10))
		conn.Write(answer)
		conn.CloseWrite()
		conn.Close()
	}))
	for range 20 {
		conn := dialTo(t, b.address)
		var wait sync.WaitGroup
		wait.Go(func() { conn.Write(make([]byte, much)) })
		got := make([]byte, len(answer))
		if n, err := io.ReadFull(conn, got); err != nil {
			t.Errorf("%d bytes of the answer came (%v)", n, err)
		}
		wait.Wait()
		conn.Close()
	}
	b.untilEmpty(t)
}
