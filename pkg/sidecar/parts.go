// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/pkg/guard"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// parts are what was opened and what runs.
type parts struct {
	closers []func() error // closed in reverse order
	running []part
}

// A part is what runs beside the control loop.
type part struct {
	name string
	run  func(context.Context) error
}

// atEnd has f called when everything has ended.
func (p *parts) atEnd(f func() error) { p.closers = append(p.closers, f) }

// runs has f run in a goroutine of its own. It must return when its context ends. Where it returns an error before, it is called
// again.
func (p *parts) runs(name string, f func(context.Context) error) {
	p.running = append(p.running, part{name, f})
}

func (p *parts) closeAll(log logr.Logger) {
	for i := len(p.closers) - 1; i >= 0; i-- {
		if err := p.closers[i](); err != nil && !errors.Is(err, net.ErrClosed) {
			log.Error(err, logging.MsgCloseFailed)
		}
	}
}

// How a part that fails is started again.
const (
	firstRestart  = 100 * time.Millisecond // the wait before it, doubled each time
	mostRestarts  = 4                      // in a row
	stableRunning = 10 * time.Second       // a part that ran so long has failed for a new reason
)

// keep runs a part until ctx ends. One that fails again and again, or has panicked, begins the planned stop: a holder hands over,
// and a new process may do better.
func (s *sidecar) keep(ctx context.Context, p part) error {
	for restarts := 0; ; restarts++ {
		started := time.Now()
		err := guard.Run(func() error { return p.run(ctx) })
		if err == nil || ctx.Err() != nil {
			return err
		}
		s.metrics.Failed("part")
		s.Log.Error(err, logging.MsgPartFailed, logging.KeyPart, p.name, logging.KeyStack, guard.Stack(err))
		if time.Since(started) > stableRunning {
			restarts = 0
		}
		if guard.Stack(err) != "" || restarts == mostRestarts {
			s.fail(fmt.Errorf("%s: %w", p.name, err))
			return nil
		}
		select {
		case <-time.After(firstRestart << restarts):
		case <-ctx.Done():
			return nil
		}
	}
}

// fail begins the planned stop because of an error, the first of which Run returns.
func (s *sidecar) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
	s.loop.Shutdown()
}

// guarded calls a function for somebody who waits for its result. Its panic begins the planned stop.
func (s *sidecar) guarded(name string, f func() error) error {
	err := guard.Run(f)
	if stack := guard.Stack(err); stack != "" {
		s.Log.Error(err, logging.MsgPartFailed, logging.KeyPart, name, logging.KeyStack, stack)
		s.fail(fmt.Errorf("%s: %w", name, err))
	}
	return err
}

// guardedHandler answers a request in which a handler panics, and begins the planned stop.
func (s *sidecar) guardedHandler(name string, handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.guarded(name, func() error { handler.ServeHTTP(w, r); return nil }); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}
