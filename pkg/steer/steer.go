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

	"github.com/harbinger-ha/harbinger/pkg/balance"
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
	Mode      balance.SteeringMode // not SteeringNone
	Frontends []Frontend
}

// A mechanism is one mode of steering in operation.
type mechanism interface {
	enable() error
	disable() error
	close() error
}

// Steering is off until it is enabled. Its methods may be called from any goroutine.
type Steering struct {
	mode balance.SteeringMode

	mu        sync.Mutex
	mechanism mechanism
	enabled   bool
}

// New prepares steering in the network namespace of the calling thread and leaves it off. The error says which modes the kernel
// has refused, and why.
func New(cfg Config) (*Steering, error) {
	switch cfg.Mode {
	case balance.SteeringBPF:
		return newBPF(cfg.Frontends)
	case balance.SteeringNFTables:
		return newNFTables(cfg.Frontends)
	case balance.SteeringAuto:
		s, err := newBPF(cfg.Frontends)
		if err == nil {
			return s, nil
		}
		s, fallbackErr := newNFTables(cfg.Frontends)
		if fallbackErr != nil {
			return nil, errors.Join(err, fallbackErr)
		}
		return s, nil
	default:
		return nil, fmt.Errorf("unknown steering mode %q: want Auto, BPF or NFTables", cfg.Mode)
	}
}

func newBPF(frontends []Frontend) (*Steering, error) {
	l, err := newLookup(frontends)
	if err != nil {
		return nil, fmt.Errorf("steer by BPF: %w", err)
	}
	return &Steering{mode: balance.SteeringBPF, mechanism: l}, nil
}

func newNFTables(frontends []Frontend) (*Steering, error) {
	t, err := newTable(frontends)
	if err != nil {
		return nil, fmt.Errorf("steer by nftables: %w", err)
	}
	return &Steering{mode: balance.SteeringNFTables, mechanism: t}, nil
}

// Mode returns the mode in use: SteeringBPF or SteeringNFTables.
func (s *Steering) Mode() balance.SteeringMode { return s.mode }

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
