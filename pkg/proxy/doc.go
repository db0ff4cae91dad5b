// SPDX-License-Identifier: Apache-2.0

// Package proxy relays TCP connections to the backends that balance and health choose. The Balancer relays, in a process of its
// own; the Supervisor runs in the keeper, owns the listening sockets and keeps a balancer process running. The package terminates
// no TLS, and reads no more of what it relays than whether that begins as TLS does.
//
// It is one package because both processes share the listening sockets and the protocol on the socket pair between them
// (message.go): a Balancer and a Supervisor of different versions refuse each other. What can be decided without a socket is in
// packages balance and health.
package proxy
