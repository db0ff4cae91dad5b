// SPDX-License-Identifier: Apache-2.0

// Package probe asks others whether they serve: who holds a virtual address, and whether a backend is healthy. It also
// answers the first question for this node.
//
// A probe is one question with a bounded answer. When to ask and what follows from the answers is decided elsewhere.
package probe

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
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

// ServeIdentity answers each connection with the identity of that moment, one line, and closes it. It serves one client
// after the other and reads nothing, so that no client can hold anything. It closes the listener and returns nil when
// ctx ends.
func ServeIdentity(ctx context.Context, ln net.Listener, identity func() Identity) error {
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })() // ends Accept
	defer ln.Close()
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
		default:
			writeIdentity(conn, identity())
		}
	}
}

// writeIdentity writes the line and closes the connection. A client that is gone already is no fault of this node.
func writeIdentity(conn net.Conn, id Identity) {
	defer conn.Close()
	line, err := json.Marshal(id)
	if err != nil {
		panic("an Identity cannot be encoded: " + err.Error())
	}
	if conn.SetWriteDeadline(time.Now().Add(writeTimeout)) == nil {
		_, _ = conn.Write(append(line, '\n'))
	}
}

// pause waits, but not past ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// readIdentity reads the line of a node. Fields that it does not know are those of a newer version.
func readIdentity(r io.Reader) (Identity, error) {
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
