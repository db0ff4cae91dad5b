// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/e2e/lab/watch"
	"github.com/harbinger-ha/harbinger/pkg/balance"
)

// clientHello returns the first record of a TLS client.
func clientHello(t testing.TB) []byte {
	t.Helper()
	hello, err := watch.ClientHello(&tls.Config{ServerName: "kubernetes"})
	must(t, err)
	return hello
}

// startBackend starts a backend that serves each connection with the function given.
func startBackend(t testing.TB, serve func(*net.TCPConn)) balance.Backend {
	t.Helper()
	return balance.Backend{Address: labtest.Backend(t, func(conn *net.TCPConn) {
		conn.SetDeadline(time.Now().Add(patience))
		serve(conn)
	})}
}

// echo serves a connection to its end.
func echo(conn *net.TCPConn) {
	io.Copy(conn, conn)
	conn.CloseWrite()
}

// failures has the ways of a backend to leave a connection without an answer, after it has got so many bytes.
var failures = map[string]func(conn *net.TCPConn, bytes int){
	"resets": func(conn *net.TCPConn, bytes int) {
		io.ReadFull(conn, make([]byte, bytes))
		reset(conn)
	},
	"finishes": func(conn *net.TCPConn, bytes int) {
		io.ReadFull(conn, make([]byte, bytes))
		conn.CloseWrite()
	},
}

// startOpening starts a balancer of two backends that are healthy.
func startOpening(t testing.TB, first, second func(*net.TCPConn)) *testBalancer {
	t.Helper()
	v := &verdicts{}
	settings := testSettings(startBackend(t, first), startBackend(t, second))
	settings.Policy = balance.RoundRobin
	for _, backend := range settings.Backends {
		v.set(backend.Address, nil)
	}
	b := newBalancer(t, v, settings)
	b.untilStates(t, "Healthy", "Healthy")
	return b
}

func TestClientHelloGetsItsAnswerFromAnotherBackend(t *testing.T) {
	hello := clientHello(t)
	for name, fail := range failures {
		t.Run(name, func(t *testing.T) {
			b := startOpening(t, func(conn *net.TCPConn) { fail(conn, len(hello)) }, echo)
			for range 4 { // every second one meets the failing backend
				conn := dial(t, b.address)
				for _, part := range [][]byte{hello[:100], hello[100:]} {
					_, err := conn.Write(part)
					must(t, err)
				}
				got := make([]byte, len(hello))
				_, err := io.ReadFull(conn, got)
				must(t, err)
				if string(got) != string(hello) {
					t.Fatal("the other backend got something else")
				}
				must(t, echoes(conn))
				must(t, conn.CloseWrite())
				rest, err := io.ReadAll(conn)
				if len(rest) > 0 || err != nil {
					t.Errorf("the connection ended with %q, %v", rest, err)
				}
			}
			until(t, "no connection is counted any more", func() bool {
				return b.now().Backends[0].Connections == 0 && b.now().Backends[1].Connections == 0
			})
		})
	}
}

func TestClientHelloGetsItsAnswerWhenAHungBackendIsFoundDead(t *testing.T) {
	hello := clientHello(t)
	b := startOpening(t, func(*net.TCPConn) {}, echo)
	var conns []net.Conn
	for range 4 {
		conn := dial(t, b.address)
		_, err := conn.Write(hello)
		must(t, err)
		conns = append(conns, conn)
	}
	until(t, "every second one is at the hung backend", func() bool { return b.now().Backends[0].Connections == 2 })
	b.verdicts.set(b.now().Backends[0].Address, syscall.ETIMEDOUT)
	for _, conn := range conns {
		_, err := io.ReadFull(conn, make([]byte, len(hello)))
		must(t, err)
		must(t, echoes(conn))
	}
}

func TestOnlyAClientHelloIsSentTwice(t *testing.T) {
	hello := clientHello(t)
	for name, sent := range map[string][]byte{
		"HTTP":                    []byte("POST / HTTP/1.1\r\n\r\n"),
		"a ClientHello with data": append(append([]byte(nil), hello...), 23, 3, 3, 0, 1, 0),
	} {
		t.Run(name, func(t *testing.T) {
			b := startOpening(t, func(conn *net.TCPConn) { failures["resets"](conn, len(sent)) }, echo)
			broken := 0
			for range 4 {
				conn := dial(t, b.address)
				_, err := conn.Write(sent)
				must(t, err)
				switch _, err := io.ReadFull(conn, make([]byte, len(sent))); {
				case errors.Is(err, syscall.ECONNRESET):
					broken++
				case err != nil:
					t.Error(err)
				}
			}
			if broken == 0 {
				t.Error("no connection met the failing backend, or what it had got was sent to another one")
			}
		})
	}
}

func TestASilentClientIsMovedFromABackendThatResets(t *testing.T) {
	b := startOpening(t, reset, func(conn *net.TCPConn) { io.WriteString(conn, "b") })
	for range 4 {
		greeting(t, dial(t, b.address))
	}
}

func TestAFinishWithoutAQuestionIsPassedOn(t *testing.T) {
	b := startOpening(t, func(conn *net.TCPConn) { conn.CloseWrite() }, echo)
	finished := 0
	for range 4 {
		conn := dial(t, b.address)
		must(t, conn.SetDeadline(time.Now().Add(100*time.Millisecond)))
		if _, err := conn.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
			finished++
		}
	}
	if finished != 2 {
		t.Errorf("%d of 4 connections were finished, want 2", finished)
	}
	for _, backend := range b.now().Backends {
		if backend.State.String() != "Healthy" {
			t.Errorf("backend is %v", backend.State)
		}
	}
}

// TestOneMoveAtMost has nothing but failing backends: a connection must not go through all of them.
func TestOneMoveAtMost(t *testing.T) {
	hello := clientHello(t)
	v, met := &verdicts{}, make(chan struct{}, 100)
	var settings Settings
	for range 4 {
		settings = testSettings(append(settings.Backends, startBackend(t, func(conn *net.TCPConn) {
			met <- struct{}{}
			failures["resets"](conn, len(hello))
		}))...)
	}
	for _, backend := range settings.Backends {
		v.set(backend.Address, nil)
	}
	b := newBalancer(t, v, settings)
	b.untilStates(t, "Healthy", "Healthy", "Healthy", "Healthy")
	conn := dial(t, b.address)
	_, err := conn.Write(hello)
	must(t, err)
	wantReset(t, conn)
	if len(met) != 2 {
		t.Errorf("%d backends met the connection, want 2", len(met))
	}
}

func TestALateAnswerWhereThereIsNoOtherBackend(t *testing.T) {
	hello, v := clientHello(t), &verdicts{}
	wake := make(chan struct{})
	settings := testSettings(startBackend(t, func(conn *net.TCPConn) {
		<-wake
		echo(conn)
	}))
	settings.Timeouts.Connect = 100 * time.Millisecond
	v.set(settings.Backends[0].Address, nil)
	b := newBalancer(t, v, settings)
	b.untilStates(t, "Healthy")
	v.forget(settings.Backends[0].Address) // so that the doubt stays to be seen
	conn := dial(t, b.address)
	_, err := conn.Write(hello)
	must(t, err)
	b.untilStates(t, "Suspect")
	close(wake)
	_, err = io.ReadFull(conn, make([]byte, len(hello)))
	must(t, err)
	must(t, echoes(conn))
}
