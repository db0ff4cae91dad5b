// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// protocolVersion changes with any change that an older program would misunderstand.
const protocolVersion = 2

// Keeper and balancer send each other lines of JSON: the keeper commands, the balancer, at least every heartbeat, reports.
type message interface{ version() int }

// A command says all that the keeper wants, each time.
type command struct {
	Version  int      `json:"version"`
	Settings Settings `json:"settings"`
	Drain    bool     `json:"drain"`
	Doubt    doubt    `json:"doubt"`
}

// A doubt is that of the keeper about the backends of a host. Each has a number of its own, the first is 1.
type doubt struct {
	Number int        `json:"number"`
	Host   netip.Addr `json:"host"`
	Reason string     `json:"reason"`
}

// A report says how the balancer is.
type report struct {
	Version int    `json:"version"`
	Status  Status `json:"status"`
}

func (c command) version() int { return c.Version }
func (r report) version() int  { return r.Version }

// heartbeat is how often a balancer reports at the least.
const heartbeat = 250 * time.Millisecond

// errHangUp says that the process at the other end is gone.
var errHangUp = errors.New("the other process is gone")

// receive hands every message to take, until ctx is done or the other end hangs up.
func receive[M message](ctx context.Context, conn *net.UnixConn, take chan<- M) error {
	decoder := json.NewDecoder(conn)
	for {
		var m M
		switch err := decoder.Decode(&m); {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
			return errHangUp
		case err != nil:
			return fmt.Errorf("receive message: %w", err)
		case m.version() != protocolVersion:
			return fmt.Errorf("receive message: version %d instead of %d", m.version(), protocolVersion)
		}
		if err := give(ctx, take, m); err != nil {
			return err
		}
	}
}

// send writes one message. It may block as long as the other end does not read.
func send(conn *net.UnixConn, m message) error {
	if err := json.NewEncoder(conn).Encode(m); err != nil {
		return fmt.Errorf("send message: %w", err)
	}
	return nil
}

// give sends on a channel unless ctx ends first.
func give[T any](ctx context.Context, to chan<- T, value T) error {
	select {
	case to <- value:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
