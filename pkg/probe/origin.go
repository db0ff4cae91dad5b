// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/guard"
	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// origin is where questions leave this node, whatever the routes say.
type origin struct {
	index  int        // of the interface
	source netip.Addr // invalid: the kernel chooses one
}

// dialer binds what it dials, and applies the options.
func (o origin) dialer(local net.Addr, options func(fd int) error) net.Dialer {
	return net.Dialer{LocalAddr: local, KeepAlive: -1, Control: func(_, _ string, c syscall.RawConn) error {
		return socket.Control(c, func(fd int) error { return errors.Join(socket.BindToInterface(fd, o.index), options(fd)) })
	}}
}

// tcp makes a connection.
func (o origin) tcp(ctx context.Context, to netip.AddrPort, options func(fd int) error) (net.Conn, error) {
	var local net.Addr // a typed nil would be an address
	if o.source.IsValid() {
		local = net.TCPAddrFromAddrPort(netip.AddrPortFrom(o.source, 0))
	}
	dialer := o.dialer(local, options)
	return dialer.DialContext(ctx, "tcp", to.String())
}

// counted makes a connection as tcp does, and returns what passed on it until it was made or failed: an error alone does not say
// whether a kernel refused the connection or an ICMP message did, nor whether anything was sent.
func (o origin) counted(ctx context.Context, to netip.AddrPort, options func(fd int) error) (net.Conn, socket.Segments, error) {
	duplicate := -1
	forget := func() {
		if duplicate >= 0 {
			_ = syscall.Close(duplicate) // the connection has a file descriptor of its own
		}
	}
	defer func() { forget() }()
	conn, err := o.tcp(ctx, to, func(fd int) (err error) {
		forget()
		if duplicate, err = socket.Duplicate(fd); err != nil {
			duplicate = -1
			return err
		}
		return options(fd)
	})
	var passed socket.Segments
	if duplicate >= 0 {
		passed, _ = socket.SegmentsOf(duplicate) // none, where the kernel does not say
	}
	return conn, passed, err
}

// quiet delays the acknowledgement that would complete a connection.
func quiet(fd int) error {
	return syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 0)
}

// drop resets a connection that is not complete: the server never accepts it, and logs nothing.
func drop(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // the answer is known, whatever becomes of the connection
	}
	_ = conn.Close()
}

// spare waits for a part of the time that is left to ctx, and reports whether ctx has not ended.
func spare(ctx context.Context, part float64) bool {
	if deadline, ok := ctx.Deadline(); ok {
		pause(ctx, time.Duration(part*float64(time.Until(deadline))))
	}
	return ctx.Err() == nil
}

// spread makes attempts beside each other at parts of the time that is left to ctx, as a packet may be lost, until one of them says
// that there is enough. It returns when all have ended. What is not begun costs nothing: most questions are answered at once.
func spread(ctx context.Context, at []float64, attempt func(context.Context) (enough bool)) {
	ctx, stop := context.WithCancel(ctx)
	var running guard.Workers
	defer running.Wait()
	defer stop()
	begun, left := time.Now(), time.Second
	if deadline, ok := ctx.Deadline(); ok {
		left = time.Until(deadline)
	}
	for _, part := range at {
		if pause(ctx, time.Duration(part*float64(left))-time.Since(begun)); ctx.Err() != nil {
			break
		}
		running.Go(func() {
			if attempt(ctx) {
				stop()
			}
		})
	}
	running.Wait()
}
