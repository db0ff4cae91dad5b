// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"net/netip"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// TCP checks that a backend accepts a connection within Timeout. A backend that speaks TLS sees a connection without
// any data each time; an apiserver does not log those.
type TCP struct {
	Address netip.AddrPort
	Timeout time.Duration
}

// Check connects once.
func (t TCP) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	conn, err := socket.Dial(ctx, t.Address.String())
	if err != nil {
		return err
	}
	return conn.Close()
}

// Close does nothing: no connection is kept.
func (TCP) Close() error { return nil }
