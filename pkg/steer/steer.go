// SPDX-License-Identifier: Apache-2.0

// Package steer brings connections to VIP:port to a listening socket that is bound elsewhere, although another program
// on this host, an apiserver, listens on the same port of all addresses. Connections to any other address of the host
// still reach that program, and those to the VIP do as soon as steering is off or this process is dead: the kernel
// takes it away with the process. The package owns no address and accepts no connection.
package steer

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"
)

// A Kind is a way to steer.
type Kind string

// The kinds of steering.
const (
	// Auto is BPF, or NFTables where the kernel refuses BPF.
	Auto Kind = "Auto"
	// BPF is a program at the socket lookup of the network namespace. It needs CAP_BPF and CAP_NET_ADMIN.
	BPF Kind = "BPF"
	// NFTables is a destination NAT in a table owned by this process. It needs CAP_NET_ADMIN.
	NFTables Kind = "NFTables"
)

// A Frontend is an address and port that connections come to and the socket that is to get them. Steering by BPF takes
// a socket bound to any address and port of the family, but not a multipath TCP one; steering by nftables goes to the
// port of the socket on the same address, so the socket has to be bound to that or to the unspecified address.
type Frontend struct {
	VIP      netip.AddrPort
	Listener syscall.Conn
}

// Config describes a Steering.
type Config struct {
	Kind      Kind
	Frontends []Frontend
}

// A mechanism is one kind of steering at work.
type mechanism interface {
	enable() error
	disable() error
	close() error
}

// Steering is off until it is enabled. Its methods may be called from any goroutine.
type Steering struct {
	kind Kind

	mu        sync.Mutex
	mechanism mechanism
	enabled   bool
}

// New prepares steering in the network namespace of the calling thread and leaves it off.
func New(cfg Config) (*Steering, error) {
	switch cfg.Kind {
	case BPF:
		return newBPF(cfg.Frontends)
	case NFTables:
		return newNFTables(cfg.Frontends)
	case Auto:
		s, err := newBPF(cfg.Frontends)
		if err == nil {
			return s, nil
		}
		s, fallbackErr := newNFTables(cfg.Frontends)
		if fallbackErr != nil {
			return nil, errors.Join(err, fallbackErr)
		}
		return s, nil
	}
	return nil, fmt.Errorf("unknown kind of steering %q", cfg.Kind)
}

func newBPF(frontends []Frontend) (*Steering, error) {
	l, err := newLookup(frontends)
	if err != nil {
		return nil, fmt.Errorf("steer by BPF: %w", err)
	}
	return &Steering{kind: BPF, mechanism: l}, nil
}

func newNFTables(frontends []Frontend) (*Steering, error) {
	t, err := newTable(frontends)
	if err != nil {
		return nil, fmt.Errorf("steer by nftables: %w", err)
	}
	return &Steering{kind: NFTables, mechanism: t}, nil
}

// Kind returns the kind of steering in use: BPF or NFTables.
func (s *Steering) Kind() Kind { return s.kind }

// Enable steers connections from now on. The kernel forgets a socket that stopped listening, so Enable has to be called
// again once it listens again; it does no harm when called too often.
func (s *Steering) Enable() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.mechanism.enable()
	s.enabled = err == nil
	return err
}

// Disable stops steering new connections. Established ones go on.
func (s *Steering) Disable() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enabled = false
	return s.mechanism.disable()
}

// Enabled reports whether the last call was an Enable that succeeded.
func (s *Steering) Enabled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.enabled
}

// Close takes everything away that New and Enable put into the kernel. With nftables that ends steered connections.
func (s *Steering) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enabled = false
	return s.mechanism.close()
}
