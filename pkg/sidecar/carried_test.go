// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// A carried connection has its two ends: that of the client, and that of the apiserver.
type carried struct{ client, server *net.TCPConn }

// offer runs an apiserver on each host, and returns where the connections arrive that have sent a byte, which health checks do not.
func offer(t *testing.T) <-chan *net.TCPConn {
	t.Helper()
	arrived := make(chan *net.TCPConn)
	for _, h := range []*lab.Host{self, peer, third} {
		ln, err := h.Listen("[::]:6443")
		labtest.Must(t, err)
		ends := make(chan struct{})
		labtest.Serve(t, ln, func(conn net.Conn) {
			if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
				return
			}
			select {
			case arrived <- conn.(*net.TCPConn):
				<-ends // the server closes what its function has left
			case <-ends:
			}
		})
		t.Cleanup(func() { close(ends) })
	}
	return arrived
}

// open opens a connection that the balancer carries, and has it used each way: one whose first bytes get no answer may move.
func (k byKernel) open(t *testing.T, vip netip.Addr, arrived <-chan *net.TCPConn) carried {
	t.Helper()
	conn, err := dial(self, netip.AddrPortFrom(vip, k.port))
	labtest.Must(t, err)
	t.Cleanup(func() { conn.Close() })
	c := carried{client: conn.(*net.TCPConn)}
	_, err = c.client.Write([]byte("x"))
	labtest.Must(t, err)
	select {
	case c.server = <-arrived:
	case <-time.After(patience):
		t.Fatal("no apiserver got the connection")
	}
	for _, end := range []*net.TCPConn{c.client, c.server} {
		labtest.Must(t, end.SetDeadline(time.Now().Add(patience)))
	}
	_, err = c.server.Write([]byte("y"))
	labtest.Must(t, err)
	_, err = io.ReadFull(c.client, make([]byte, 1))
	labtest.Must(t, err)
	return c
}

// promises are what holds of every connection, whoever carries it.
var promises = map[string]func(*testing.T, carried){
	"a finish passes, and the other direction goes on": carriesAFinish,
	"a slow apiserver gets every byte":                 func(t *testing.T, c carried) { carriesEveryByte(t, c.client, c.server) },
	"a slow client gets every byte":                    func(t *testing.T, c carried) { carriesEveryByte(t, c.server, c.client) },
	"a reset of the client passes":                     func(t *testing.T, c carried) { carriesAReset(t, c.client, c.server) },
	"a reset of the apiserver passes":                  func(t *testing.T, c carried) { carriesAReset(t, c.server, c.client) },
	"a client that is blocked is reset":                func(t *testing.T, c carried) { resetsTheBlocked(t, c.client, c.server) },
	"an apiserver that is blocked is reset":            func(t *testing.T, c carried) { resetsTheBlocked(t, c.server, c.client) },
	"a client that closes with unread data resets":     func(t *testing.T, c carried) { closesUnread(t, c.client, c.server) },
	"an apiserver that closes with unread data resets": func(t *testing.T, c carried) { closesUnread(t, c.server, c.client) },
}

func carriesAFinish(t *testing.T, c carried) {
	for _, way := range []struct{ from, to *net.TCPConn }{{c.client, c.server}, {c.server, c.client}} {
		sent := random(1000)
		_, err := way.from.Write(sent)
		labtest.Must(t, err)
		labtest.Must(t, way.from.CloseWrite())
		if got, err := io.ReadAll(way.to); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d bytes came of %d (%v)", len(got), len(sent), err)
		}
	}
}

func random(n int) []byte {
	all := make([]byte, n)
	_, _ = rand.Read(all) // never fails
	return all
}

func carriesEveryByte(t *testing.T, from, to *net.TCPConn) {
	sent := random(16 << 20)
	var wait sync.WaitGroup
	var failed error
	wait.Go(func() {
		_, err := from.Write(sent)
		failed = errors.Join(err, from.CloseWrite())
	})
	var got bytes.Buffer
	for buffer, err := make([]byte, 16<<10), error(nil); err == nil; {
		var n int
		n, err = to.Read(buffer)
		got.Write(buffer[:n])
	}
	if wait.Wait(); failed != nil || !bytes.Equal(got.Bytes(), sent) {
		t.Errorf("%d bytes came of %d (%v), or they were changed", got.Len(), len(sent), failed)
	}
}

// carriesAReset wants of what was sent before a reset no other bytes, and no orderly end.
func carriesAReset(t *testing.T, fails, stays *net.TCPConn) {
	_, err := fails.Write([]byte("last words"))
	labtest.Must(t, err)
	labtest.Reset(fails)
	if got, err := io.ReadAll(stays); !errors.Is(err, syscall.ECONNRESET) || len(got) > 0 && string(got) != "last words" {
		t.Errorf("it got %q and %v", got, err)
	}
}

// resetsTheBlocked has an end write more than the other one reads, which then resets.
func resetsTheBlocked(t *testing.T, blocked, fails *net.TCPConn) {
	const stalled = 300 * time.Millisecond // without progress, the write waits for the reader
	var err error
	for chunk := make([]byte, 1<<20); err == nil; {
		labtest.Must(t, blocked.SetWriteDeadline(time.Now().Add(stalled)))
		_, err = blocked.Write(chunk)
	}
	var late net.Error
	if !errors.As(err, &late) || !late.Timeout() {
		t.Fatalf("writing ends with %v", err)
	}
	labtest.Must(t, blocked.SetWriteDeadline(time.Now().Add(patience)))
	labtest.Reset(fails)
	_, err = io.Copy(io.Discard, struct{ io.Reader }{blocked})
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reading ends with %v", err)
	}
}

// closesUnread has an end close while something for it is unread: the other one has what was sent before, and is reset.
func closesUnread(t *testing.T, closes, stays *net.TCPConn) {
	_, err := stays.Write(random(1000))
	labtest.Must(t, err)
	_, err = io.ReadFull(closes, make([]byte, 1)) // the rest is there as well
	labtest.Must(t, err)
	sent, got := random(1000), make([]byte, 1000)
	_, err = closes.Write(sent)
	labtest.Must(t, err)
	_, err = io.ReadFull(stays, got)
	labtest.Must(t, err)
	labtest.Must(t, closes.Close())
	if !bytes.Equal(got, sent) {
		t.Error("bytes were changed")
	}
	labtest.WantReset(t, stays)
}

// Clients cannot see whether the relay or the kernel carries their connections: both keep the promises of TCP, in both families.
func TestWhatIsCarried(t *testing.T) {
	for mode, carries := range map[string]func(v1alpha1.HarbingerStatus) bool{
		"Kernel": passes,
		"Relay":  func(s v1alpha1.HarbingerStatus) bool { return active(s) && s.Balancer.Mode == "Relay" && allHealthy(s) },
	} {
		t.Run(mode, func(t *testing.T) {
			arrived := offer(t)
			k := withoutServers(t, 4300)
			labtest.Must(t, peer.WriteFile(configFile, string(document(k.mode(mode)))))
			k.processes = []*lab.Process{k.run(peer)}
			k.until("connections are carried", carries)
			for name, keeps := range promises {
				t.Run(name, func(t *testing.T) {
					for _, vip := range both {
						keeps(t, k.open(t, vip.Addr(), arrived))
					}
				})
			}
		})
	}
}
