// SPDX-License-Identifier: Apache-2.0

// Package labtest is what tests share that run on a lab or serve connections: each thing ends with the test that made it,
// and an error ends the test.
package labtest

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// Must ends the test at an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Until waits for a condition; see [lab.Until].
func Until(t testing.TB, timeout time.Duration, what string, condition func() bool) {
	t.Helper()
	Must(t, lab.Until(timeout, what, condition))
}

// Serve serves each connection to a listener with the function given, and closes it then. What it returns, which the test
// calls at its end too, closes the listener and the connections that are open, and waits for the functions to return.
func Serve(t testing.TB, ln net.Listener, serve func(net.Conn)) (stop func()) {
	s := &server{open: make(map[net.Conn]bool)}
	s.running.Go(func() { s.accept(ln, serve) })
	stop = func() {
		ln.Close()
		s.end()
	}
	t.Cleanup(stop)
	return stop
}

// Accept serves each connection to a listener with the function given, and closes it then, until the listener is closed.
func Accept(ln net.Listener, serve func(net.Conn)) {
	s := &server{open: make(map[net.Conn]bool)}
	s.accept(ln, serve)
	s.running.Wait()
}

// A server keeps the connections that are served.
type server struct {
	running sync.WaitGroup

	mu    sync.Mutex
	ended bool
	open  map[net.Conn]bool
}

func (s *server) accept(ln net.Listener, serve func(net.Conn)) {
	for conn, err := ln.Accept(); err == nil; conn, err = ln.Accept() {
		s.running.Go(func() {
			defer s.close(conn)
			if s.add(conn) {
				serve(conn)
			}
		})
	}
}

// add returns false once the server has ended.
func (s *server) add(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[conn] = true
	return !s.ended
}

func (s *server) close(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, conn)
	conn.Close()
}

func (s *server) end() {
	s.mu.Lock()
	s.ended = true
	for conn := range s.open {
		conn.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
}
