// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"context"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/guard"
)

const (
	// redialAfter is how long the answer to a SYN is waited for. A kernel that lives answers within milliseconds.
	redialAfter = 200 * time.Millisecond
	// mostDials are made within the second after which the kernel sends a SYN again (RFC 6298, section 2).
	mostDials = 4
)

// Dial connects by TCP before ctx ends, also where frames are lost: while there is no answer to a SYN it dials again, beside the dials
// that are under way. The first outcome counts, be it a connection or an error. A host that is dead gets mostDials SYNs in the first
// second, where one dial would send one.
func Dial(ctx context.Context, address string) (net.Conn, error) {
	ctx, stop := context.WithCancel(ctx)
	d := dials{ended: make(chan dialed, mostDials)}
	defer func() {
		stop()
		d.giveUp()
	}()
	ticker := time.NewTicker(redialAfter)
	defer ticker.Stop()
	d.begin(ctx, address)
	for {
		select {
		case first := <-d.ended:
			return first.conn, first.err
		case <-ticker.C:
			if d.begun < mostDials && d.unanswered() {
				d.begin(ctx, address)
			}
		}
	}
}

// dials are those for one connection, none of which has ended. One goroutine owns them.
type dials struct {
	dialing guard.Workers
	begun   int
	ended   chan dialed
	newest  *atomic.Pointer[syscall.RawConn]
}

// dialed is the outcome of one.
type dialed struct {
	conn net.Conn
	err  error
}

// begin dials once more.
func (d *dials) begin(ctx context.Context, address string) {
	var raw atomic.Pointer[syscall.RawConn]
	dialer := net.Dialer{KeepAlive: -1, Control: func(_, _ string, c syscall.RawConn) error {
		raw.Store(&c)
		return nil
	}}
	d.newest, d.begun = &raw, d.begun+1
	d.dialing.Go(func() {
		conn, err := dialer.DialContext(ctx, "tcp", address)
		d.ended <- dialed{conn, err}
	})
}

// unanswered reports whether the newest dial has no answer. The older ones have none either: it would have been taken for that of all.
func (d *dials) unanswered() bool {
	raw := d.newest.Load()
	return raw != nil && Unanswered(*raw)
}

// giveUp waits for the dials that are left, which end at once, and closes what they may have made.
func (d *dials) giveUp() {
	d.dialing.Wait()
	close(d.ended)
	for late := range d.ended {
		if late.err == nil {
			_ = late.conn.Close() // an apiserver does not log it: nothing was said
		}
	}
}

// Unanswered reports whether the kernel has asked for a TCP connection and has received nothing. That a dial has not ended shows less:
// this process may not have run since the answer came.
func Unanswered(raw syscall.RawConn) bool {
	var info *unix.TCPInfo
	err := Control(raw, func(fd int) (err error) {
		info, err = unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		return err
	})
	return err == nil && info.State == unix.BPF_TCP_SYN_SENT && info.Segs_in == 0
}
