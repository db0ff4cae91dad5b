// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// TCP checks that a backend accepts a connection within Timeout. A backend that speaks TLS sees a connection without
// any data each time; an apiserver does not log those.
type TCP struct {
	Address netip.AddrPort
	Timeout time.Duration
	Header  []byte // what the backend gets first; nil: nothing
}

// Check connects once.
func (t TCP) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	conn, err := dialWith(ctx, t.Address.String(), t.Header)
	if err != nil {
		return err
	}
	return conn.Close()
}

// dialWith connects and sends a header first, before ctx ends.
func dialWith(ctx context.Context, address string, header []byte) (net.Conn, error) {
	conn, err := socket.Dial(ctx, address)
	if err != nil || len(header) == 0 {
		return conn, err
	}
	if _, err := conn.Write(header); err != nil { // it does not wait: the buffer of a new connection has room
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// Close does nothing: no connection is kept.
func (TCP) Close() error { return nil }
