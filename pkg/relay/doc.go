// SPDX-License-Identifier: Apache-2.0

// Package relay moves the bytes of TCP connections between clients and backends. Some workers, as many as there are processors, each
// wait for their sockets by epoll(7). A connection has no goroutine, no timer and no buffer of its own: an idle one is two sockets and
// a few hundred bytes without a pointer. What to do with a connection decides package session, which backend takes it package
// balance; a worker dials, reads and writes.
//
// The system calls that never wait are made without the scheduler of Go, which would cost more than some of them. Only before it waits
// does a worker give its processor back to it.
//
// It is one package because a worker is one thing: all its files work on the same connections, in one goroutine.
package relay
