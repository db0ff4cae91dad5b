// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"errors"
	"net"
	"sync"
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

	mu   sync.Mutex // held while the socket is made to listen or to refuse
	open bool       // it should listen
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
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open = true
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
func (f *frontend) refuse() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open = false
	return refuse(f.listener)
}

// revive makes a socket listen again that somebody else has shut, as the kernel does for an administrator (ss -K).
func (f *frontend) revive() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.open {
		return nil
	}
	return listen(f.listener)
}

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
			f.awaitListening(ctx, err)
		default:
			if !short {
				f.log.Error(err, logging.MsgAcceptFailed)
			}
			short = true
			wait(ctx, time.After(acceptPause))
		}
	}
}

// reviveAfter is how long a socket is left shut that should listen: a keeper that drains shuts it before the balancer learns of it.
const reviveAfter = 250 * time.Millisecond

// awaitListening waits until a socket that does not listen may do so again.
func (f *frontend) awaitListening(ctx context.Context, err error) {
	f.mu.Lock()
	open := f.open
	f.mu.Unlock()
	if !open {
		wait(ctx, f.listens)
		return
	}
	select {
	case <-f.listens: // it did so meanwhile
	case <-ctx.Done():
	case <-time.After(reviveAfter):
		f.log.Error(errors.Join(err, f.revive()), logging.MsgAcceptFailed)
	}
}

// wait waits for a signal or the end of ctx.
func wait[T any](ctx context.Context, signal <-chan T) {
	select {
	case <-signal:
	case <-ctx.Done():
	}
}
