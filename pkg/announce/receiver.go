// SPDX-License-Identifier: Apache-2.0

package announce

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// A receiver reads what other hosts announce of their addresses.
type receiver struct {
	ctx  context.Context
	conn *packet.Conn
	own  net.HardwareAddr
	buf  [maxFrame]byte
	stop func() bool
}

// newReceiver returns a receiver of the frames that have all the fields. It ends with ctx.
func newReceiver(ctx context.Context, link Link, protocol int, fields []field) (*receiver, error) {
	program, err := filter(fields)
	if err != nil {
		return nil, err
	}
	conn, err := link.listen(protocol, &packet.Config{Filter: program})
	if err != nil {
		return nil, err
	}
	r := &receiver{ctx: ctx, conn: conn, own: link.MAC}
	r.stop = context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) }) // fails when closed: then nobody reads
	return r, nil
}

func (r *receiver) close() {
	r.stop()
	_ = r.conn.Close() // nothing is lost with what was not read
}

// next returns what the next frame says. Own frames do not count.
func (r *receiver) next(deadline time.Time) (sighting, error) {
	if err := r.conn.SetReadDeadline(deadline); err != nil {
		return sighting{}, err
	}
	for r.ctx.Err() == nil { // it may have ended before the deadline was set
		n, _, err := r.conn.ReadFrom(r.buf[:])
		if errors.Is(err, unix.ENETDOWN) {
			continue // reported once; the socket works again when the link is up
		}
		if err != nil {
			return sighting{}, fmt.Errorf("receive: %w", err)
		}
		if s, ok := parse(r.buf[:n]); ok && !slices.Equal(s.mac, r.own) {
			return s, nil
		}
	}
	return sighting{}, r.ctx.Err()
}
