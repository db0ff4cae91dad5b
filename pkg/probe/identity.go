// SPDX-License-Identifier: Apache-2.0

// Package probe asks others whether they serve: who holds a virtual address, and whether a backend is healthy. It also
// answers the first question for this node.
//
// A probe is one question with a bounded answer. When to ask and what follows from the answers is decided elsewhere. It is one package
// because every question shares its origin and what the errors of its connection mean: which of them show a host, and which only
// that this one could not ask.
package probe

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/guard"
	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// Identity is what a node says about itself to whoever asks: one line of JSON. It carries no secret.
type Identity struct {
	Cluster     string `json:"cluster"`
	Node        string `json:"node"`
	Incarnation string `json:"incarnation"` // another one after each start
	State       string `json:"state"`       // that of the election in lower case, or stalled: the control loop does not turn
	Epoch       uint64 `json:"epoch"`       // of the Lease that the node holds; 0: it holds none
	Priority    uint8  `json:"priority"`
	Distress    bool   `json:"distress"` // no healthy backend
	// Witness is what the node found of the holder. Left out: it has tried nothing.
	Witness Witness `json:"witness,omitzero"`

	// What follows is for people. Versions before it was said leave it out, and Version shows that.

	Version  string `json:"version,omitempty"`  // of the program
	Ready    bool   `json:"ready,omitempty"`    // as its status has it
	Held     bool   `json:"held,omitempty"`     // it has the virtual addresses
	SinceMs  int64  `json:"sinceMs,omitempty"`  // how long it has been in its state, in milliseconds
	Finding  string `json:"finding,omitempty"`  // condition of its worst finding
	Severity string `json:"severity,omitempty"` // of that finding
}

// Witness is what a node found when it last tried to reach the virtual addresses at their holder, for that holder to read.
type Witness struct {
	Holder   netip.Addr `json:"holder"`           // source of its advertisements
	Failures int        `json:"failures"`         // in a row
	AgeMs    int64      `json:"ageMs"`            // of the last try, in milliseconds
	Silent   bool       `json:"silent,omitempty"` // the holder is not heard now
}

const (
	// witnessAge is how old a finding may be.
	witnessAge = 6 * time.Second
	// witnessFailures are so many that no lost packets explain them.
	witnessFailures = 3
)

// recent reports whether what a witness found is of now.
func (w Witness) recent() bool {
	return w.Holder.IsValid() && w.AgeMs >= 0 && w.AgeMs <= witnessAge.Milliseconds()
}

// of reports whether a witness tried one of these addresses.
func (w Witness) of(own []netip.Addr) bool {
	return slices.ContainsFunc(own, func(a netip.Addr) bool { return a.WithZone("") == w.Holder.WithZone("") })
}

// The states that a probe distinguishes.
const (
	stateActive  = "active"
	stateLeaving = "leaving"
)

const (
	// writeTimeout bounds the answer to one client. The line fits every send buffer, so it is never waited for.
	writeTimeout = time.Second
	// acceptPause is the wait when the process has no file descriptor left.
	acceptPause = 50 * time.Millisecond
	// maxLine bounds the line that is read.
	maxLine = 4096
)

// Requests are what peers may ask for at the identity port, beside the line. Nil: nothing.
type Requests interface {
	// Known reports whether an address is a peer's. Of others nothing is read.
	Known(netip.Addr) bool
	// Rehearse sends the first packet of a connection to the virtual addresses to a peer, for its Rehearsal.
	Rehearse(peer netip.Addr, sequence uint32)
}

const (
	// requestTimeout bounds the wait for the request of a peer, maxRequests how many are waited for, and maxRequest its length.
	requestTimeout = 300 * time.Millisecond
	maxRequests    = 8
	maxRequest     = 32
)

// IdentityConnections is how many connections a listener of ServeIdentity has open at most.
const IdentityConnections = maxRequests + 1

// ServeIdentity answers each connection with the identity of that moment, one line, and ends it. It serves one client after the
// other and waits for none, so that no client can hold anything; a few of the peers have a moment for a request of theirs. One that
// asks all the time gets no answer. It closes the listener and returns nil when ctx ends.
func ServeIdentity(ctx context.Context, ln net.Listener, identity func() Identity, requests Requests) error {
	var reading guard.Workers
	defer reading.Wait()
	slots := make(chan struct{}, maxRequests)
	defer socket.CloseWith(ctx, ln)() // ends Accept
	var clients clients
	for {
		conn, err := ln.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close()
			}
			return nil
		case errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE):
			pause(ctx, acceptPause)
		case errors.Is(err, syscall.ECONNABORTED):
		case err != nil:
			return fmt.Errorf("accept identity probe: %w", err)
		case !clients.admit(conn.RemoteAddr(), time.Now()):
			_ = conn.Close() // it asks too often
		default:
			writeIdentity(conn, identity())
			from, ok := peerOf(conn, requests)
			if !ok {
				_ = conn.Close()
				continue
			}
			select {
			case slots <- struct{}{}:
				reading.Go(func() {
					defer func() { <-slots }()
					takeRequest(conn, from, requests)
				})
			default:
				_ = conn.Close()
			}
		}
	}
}

// writeIdentity writes the line. A client that is gone already is no fault of this node.
func writeIdentity(conn net.Conn, id Identity) {
	line, err := json.Marshal(id)
	if err != nil {
		panic("an Identity cannot be encoded: " + err.Error())
	}
	if conn.SetWriteDeadline(time.Now().Add(writeTimeout)) == nil {
		_, _ = conn.Write(append(line, '\n'))
	}
}

// peerOf returns the address of a client that is a peer.
func peerOf(conn net.Conn, requests Requests) (from netip.Addr, ok bool) {
	client, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok || requests == nil {
		return netip.Addr{}, false
	}
	from = client.AddrPort().Addr().Unmap().WithZone("")
	return from, requests.Known(from)
}

// takeRequest reads what a peer asks for, if it does, and closes the connection. The line is complete for the peer before.
func takeRequest(conn net.Conn, from netip.Addr, requests Requests) {
	defer conn.Close()
	if tcp, ok := conn.(*net.TCPConn); !ok || tcp.CloseWrite() != nil || conn.SetReadDeadline(time.Now().Add(requestTimeout)) != nil {
		return
	}
	line, err := bufio.NewReader(io.LimitReader(conn, maxRequest)).ReadBytes('\n')
	if err != nil {
		return
	}
	if sequence, ok := parseRequest(line); ok {
		requests.Rehearse(from, sequence)
	}
}

// pause waits, but not past ctx.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// ReadIdentity reads the line of a node. Fields that it does not know are those of a newer version.
func ReadIdentity(r io.Reader) (Identity, error) {
	line, err := bufio.NewReader(io.LimitReader(r, maxLine)).ReadBytes('\n')
	if err != nil {
		return Identity{}, fmt.Errorf("read identity: %w", err)
	}
	var id Identity
	if err := json.Unmarshal(line, &id); err != nil {
		return Identity{}, fmt.Errorf("decode identity: %w", err)
	}
	if id.Cluster == "" || id.Node == "" || id.State == "" {
		return Identity{}, errors.New("decode identity: cluster, node or state is missing")
	}
	return id, nil
}
