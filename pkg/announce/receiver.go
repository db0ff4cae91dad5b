// SPDX-License-Identifier: Apache-2.0

package announce

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/socket"
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

// A spare receiver takes no frames until it is borrowed, and stays open: to close one takes the kernel milliseconds.
var deaf = []field{{0, 1, 0x100}} // no byte has this value

// borrow returns a receiver of what other hosts announce of their addresses, of the family of one. Nothing was received before.
func (a *Announcer) borrow(family netip.Addr) (*receiver, error) {
	protocol := protocolOf(family)
	a.mu.Lock()
	r := a.spare[protocol]
	delete(a.spare, protocol)
	link, valid := a.link, a.valid
	a.mu.Unlock()
	if r == nil {
		return newReceiver(valid, link, protocol, claimsOf(family))
	}
	program, err := filter(claimsOf(family))
	if err == nil {
		err = r.conn.SetBPF(program)
	}
	if err != nil {
		r.close()
		return nil, fmt.Errorf("receive: %w", err)
	}
	return r, nil
}

// giveBack keeps a borrowed receiver for the next question.
func (a *Announcer) giveBack(family netip.Addr, r *receiver) {
	program, err := filter(deaf)
	if err == nil && r.conn.SetBPF(program) == nil && r.until(time.Now(), func() bool { return true }, func([]byte) {}) == nil && a.keep(protocolOf(family), r) {
		return
	}
	r.close()
}

// keep reports whether there was room for a receiver of the current link.
func (a *Announcer) keep(protocol int, r *receiver) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.spare[protocol] != nil || r.ctx != a.valid || r.ctx.Err() != nil {
		return false
	}
	a.spare[protocol] = r
	return true
}

// closeSpare closes the spare receivers. The caller has the lock.
func (a *Announcer) closeSpare() {
	for protocol, r := range a.spare {
		r.close()
		delete(a.spare, protocol)
	}
}

// lookEvery is how often one who waits for frames sees whether that is over.
const lookEvery = time.Millisecond

// drainAtOnce is how many frames are taken before the time is looked at again: somebody may send more and more.
const drainAtOnce = 256

// until takes the frames that have come in, and those that do, until a time, or until it is over. It blocks its thread, as the timers
// of Go may be a millisecond late while nothing else happens.
func (r *receiver) until(end time.Time, over func() bool, take func(frame []byte)) error {
	raw, err := r.conn.SyscallConn()
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	return socket.Control(raw, func(fd int) error {
		for {
			if err := r.drain(fd, take); err != nil {
				return fmt.Errorf("receive: %w", err)
			}
			left := time.Until(end)
			if left <= 0 || over() {
				return nil
			}
			wait := unix.NsecToTimespec(min(left, lookEvery).Nanoseconds())
			if _, err := unix.Ppoll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, &wait, nil); err != nil && !errors.Is(err, unix.EINTR) {
				return fmt.Errorf("receive: %w", err)
			}
		}
	})
}

// drain takes the frames that have come in.
func (r *receiver) drain(fd int, take func(frame []byte)) error {
	for range drainAtOnce {
		switch n, err := unix.Read(fd, r.buf[:]); {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.ENETDOWN), errors.Is(err, unix.EINTR):
			// reported once; the socket works again when the link is up
		case err != nil:
			return err
		default:
			take(r.buf[:n])
		}
	}
	return nil
}
