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

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/balance"
)

// protocolVersion changes with any change that an older program would misunderstand.
const protocolVersion = 5

// Keeper and balancer send each other lines of JSON: the keeper sends commands, the balancer a report at least every heartbeat.
type message interface{ version() int }

// A command holds everything that the keeper wants, not only what has changed.
type command struct {
	Version  int      `json:"version"`
	Settings Settings `json:"settings"`
	Drain    bool     `json:"drain"`
	// Orders are what somebody has ordered of backends by hand.
	Orders balance.Orders `json:"orders"`
	Doubt  doubt          `json:"doubt"`
	// Settle and End are numbers, so that each is taken once. Settle asks for the number of sessions of the virtual addresses that
	// exist now and transfer something; End asks for the end of all sessions of the virtual addresses.
	Settle int `json:"settle"`
	End    int `json:"end"`
	// List is a number as well: it asks for the connections.
	List int `json:"list"`
}

// A doubt is that of the keeper about the backends of a host. Doubts are numbered from 1, so that each is taken once.
type doubt struct {
	Number int        `json:"number"`
	Host   netip.Addr `json:"host"`
	Reason string     `json:"reason"`
}

// A report holds the status of the balancer.
type report struct {
	Version int    `json:"version"`
	Status  Status `json:"status"`
	// List is what the newest command to list has asked for, once.
	List *v1alpha1.ConnectionList `json:"list,omitempty"`
}

func (c command) version() int { return c.Version }
func (r report) version() int  { return r.Version }

const (
	// heartbeat is the longest time between two reports of a balancer. Each wakes the keeper; what changes is reported at once.
	heartbeat = 500 * time.Millisecond
	// settleEvery is that while a planned move waits for the number of sessions, which no change reports.
	settleEvery = 250 * time.Millisecond
)

// errHangUp says that the process at the other end is gone.
var errHangUp = errors.New("the other process has closed the connection")

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
			return fmt.Errorf("receive message: protocol version %d, want %d: keeper and balancer are of different versions of Harbinger, restart the keeper", m.version(), protocolVersion)
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
