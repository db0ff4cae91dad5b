// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// acceptPause is how long a frontend waits when it is out of file descriptors or memory.
const acceptPause = 50 * time.Millisecond

// A frontend accepts the connections of one listening socket.
type frontend struct {
	log      logr.Logger
	listener *net.TCPListener
	listens  chan struct{} // holds a signal when the socket has begun to listen again
}

func newFrontend(log logr.Logger, listener *net.TCPListener) *frontend {
	return &frontend{
		log:      log.WithValues(logging.KeyFrontend, listener.Addr().String()),
		listener: listener,
		listens:  make(chan struct{}, 1), // the acceptor may be busy; one signal is as good as many
	}
}

// listen makes the kernel accept connections.
func (f *frontend) listen() error {
	if err := listen(f.listener); err != nil {
		return err
	}
	select {
	case f.listens <- struct{}{}:
	default:
	}
	return nil
}

// refuse makes the kernel refuse connections.
func (f *frontend) refuse() error { return refuse(f.listener) }

// accept hands connections to serve, which must not block, until ctx is done.
func (f *frontend) accept(ctx context.Context, serve func(*net.TCPConn)) {
	stop := context.AfterFunc(ctx, func() {
		_ = f.listener.SetDeadline(time.Unix(1, 0)) // fails only when it is closed, as wanted
	})
	defer stop()
	short := false
	for ctx.Err() == nil {
		conn, err := f.listener.AcceptTCP()
		switch {
		case err == nil:
			short = false
			serve(conn)
		case ctx.Err() != nil:
		case errors.Is(err, unix.EINVAL):
			wait(ctx, f.listens)
		default:
			if !short {
				f.log.Error(err, logging.MsgAcceptFailed)
			}
			short = true
			wait(ctx, time.After(acceptPause))
		}
	}
}

// wait waits for a signal or the end of ctx.
func wait[T any](ctx context.Context, signal <-chan T) {
	select {
	case <-signal:
	case <-ctx.Done():
	}
}
