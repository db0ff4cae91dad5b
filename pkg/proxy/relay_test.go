// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// connected returns both ends of a TCP connection.
func connected(t testing.TB) (near, far *net.TCPConn) {
	t.Helper()
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(loopback))
	must(t, err)
	defer ln.Close()
	near = dial(t, ln.Addr().(*net.TCPAddr).AddrPort())
	far, err = ln.AcceptTCP()
	must(t, err)
	t.Cleanup(func() { far.Close() })
	return near, far
}

// newLink returns a connection as that of a server.
func newLink(conn *net.TCPConn) *link {
	return &link{TCPConn: conn, server: newServer(context.Background(), conn.RemoteAddr().(*net.TCPAddr).AddrPort())}
}

// startRelay relays between the two connections that it returns, and its result.
func startRelay(t testing.TB, halfClosed time.Duration) (client, backend *net.TCPConn, ended chan error) {
	t.Helper()
	client, fromClient := connected(t)
	toBackend, backend := connected(t)
	must(t, toBackend.SetDeadline(time.Time{}))
	must(t, backend.SetDeadline(time.Now().Add(patience)))
	ended = make(chan error, 1)
	var wait sync.WaitGroup
	r := relay{
		client: fromClient, backend: newLink(toBackend), halfClosed: halfClosed, silence: patience,
		silent: func(*server) {}, again: func(*server, error) *link { return nil },
	}
	wait.Go(func() { ended <- r.run() })
	t.Cleanup(wait.Wait)
	t.Cleanup(func() { client.Close(); backend.Close() })
	return client, backend, ended
}

func TestRelayPassesAFinishOnAndKeepsTheOtherDirection(t *testing.T) {
	client, backend, ended := startRelay(t, 0)
	io.WriteString(client, "question")
	must(t, client.CloseWrite())
	question, err := io.ReadAll(backend)
	must(t, err)
	if string(question) != "question" {
		t.Errorf("backend got %q", question)
	}
	io.WriteString(backend, "answer")
	must(t, backend.CloseWrite())
	answer, err := io.ReadAll(client)
	must(t, err)
	if string(answer) != "answer" {
		t.Errorf("client got %q", answer)
	}
	if err := <-ended; err != nil {
		t.Errorf("relay ended with %v", err)
	}
}

func TestRelayPassesAResetOn(t *testing.T) {
	for name, swap := range map[string]bool{"from client": false, "from backend": true} {
		t.Run(name, func(t *testing.T) {
			one, other, ended := startRelay(t, 0)
			if swap {
				one, other = other, one
			}
			reset(one)
			wantReset(t, other)
			if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("relay ended with %v", err)
			}
		})
	}
}

func TestRelayResetsASideThatSendsToNobody(t *testing.T) {
	client, backend, ended := startRelay(t, 0)
	must(t, backend.CloseWrite())
	_, err := io.ReadAll(client) // the finish has passed
	must(t, err)
	must(t, backend.Close())
	for err == nil { // until the backend's kernel has answered
		_, err = client.Write(make([]byte, 1000))
	}
	if err := <-ended; err == nil {
		t.Error("relay ended without an error")
	}
}

func TestRelayEndsASilentHalfClosedConnection(t *testing.T) {
	client, backend, ended := startRelay(t, 200*time.Millisecond)
	must(t, client.CloseWrite())
	for range 5 { // a busy one goes on beyond the time
		must(t, sendSlowly(backend, client))
	}
	start := time.Now()
	wantReset(t, client)
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("relay ended with %v", err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

// sendSlowly sends one byte, 100 ms from now.
func sendSlowly(from, to *net.TCPConn) error {
	<-time.After(100 * time.Millisecond)
	if _, err := from.Write([]byte("x")); err != nil {
		return err
	}
	_, err := io.ReadFull(to, make([]byte, 1))
	return err
}

func TestRelayKeepsEveryByteForASlowReader(t *testing.T) {
	client, backend, _ := startRelay(t, 0)
	sent := make([]byte, 16<<20)
	rand.Read(sent)
	for name, direction := range map[string][2]*net.TCPConn{"down": {backend, client}, "up": {client, backend}} {
		t.Run(name, func(t *testing.T) {
			from, to := direction[0], direction[1]
			var wait sync.WaitGroup
			wait.Go(func() {
				from.Write(sent)
				from.CloseWrite()
			})
			var got bytes.Buffer
			for buffer := make([]byte, 1<<10); got.Len() < len(sent); { // many small reads
				n, err := to.Read(buffer)
				must(t, err)
				got.Write(buffer[:n])
			}
			wait.Wait()
			if !bytes.Equal(got.Bytes(), sent) {
				t.Error("bytes were changed")
			}
		})
	}
}

// descriptors counts the open file descriptors of this process.
func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(entries)
}

func TestIdleConnectionHoldsTwoDescriptors(t *testing.T) {
	startRelay(t, 0) // whatever is made once
	before := descriptors(t)
	const count = 20
	for range count {
		client, backend, _ := startRelay(t, 0)
		io.WriteString(client, "x") // it has been in use
		_, err := io.ReadFull(backend, make([]byte, 1))
		must(t, err)
	}
	// Two are the test's own ends.
	if got := descriptors(t) - before; got != 4*count {
		t.Errorf("%d connections hold %d descriptors, want %d", count, got, 4*count)
	}
}

func TestKeepAliveAsksTheKernel(t *testing.T) {
	conn, _ := connected(t)
	must(t, keepAlive(conn, 15*time.Second))
	for name, option := range map[string]struct{ level, name, want int }{
		"keepalive":    {unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		"idle":         {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15},
		"interval":     {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 5},
		"user timeout": {unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 60_000},
	} {
		must(t, socket.ControlConn(conn, func(fd int) error {
			got, err := unix.GetsockoptInt(fd, option.level, option.name)
			if got != option.want {
				t.Errorf("%s is %d, want %d", name, got, option.want)
			}
			return err
		}))
	}
}

// BenchmarkRelay asks and answers through a relay, which costs most with small messages: a read and a write of each for each way.
func BenchmarkRelay(b *testing.B) {
	for name, size := range map[string]int{"64B": 64, "64KiB": bufferSize} {
		b.Run(name, func(b *testing.B) {
			client, backend, _ := startRelay(b, 0)
			must(b, client.SetDeadline(time.Time{}))
			must(b, backend.SetDeadline(time.Time{}))
			var echoing sync.WaitGroup
			echoing.Go(func() { io.Copy(backend, struct{ io.Reader }{backend}) })
			message := make([]byte, size)
			b.SetBytes(int64(2 * size))
			for b.Loop() {
				if _, err := client.Write(message); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(client, message); err != nil {
					b.Fatal(err)
				}
			}
			must(b, client.Close())
			echoing.Wait()
		})
	}
}
