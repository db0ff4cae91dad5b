// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/relay"
)

// A frontend is a listening socket whose connections the relay takes. One goroutine owns it.
type frontend struct {
	log      logr.Logger
	relay    *relay.Relay
	listener *Listener
	open     bool // it should listen
	reviving bool // it is shut although it should listen, and a while is left to whoever did that
}

func newFrontend(log logr.Logger, r *relay.Relay, listener *Listener) *frontend {
	return &frontend{log: log.WithValues(logging.KeyFrontend, listener.Address().String()), relay: r, listener: listener}
}

// listen makes the kernel accept connections.
func (f *frontend) listen() error {
	f.open = true
	if err := listen(f.listener); err != nil {
		return err
	}
	return f.listener.control(f.relay.Accept)
}

// refuse makes the kernel refuse connections.
func (f *frontend) refuse() error {
	f.open = false
	err := f.listener.control(func(fd int) error {
		f.relay.StopAccepting(fd)
		return nil
	})
	if err != nil {
		return err
	}
	return refuse(f.listener)
}

// reviveAfter is how long a socket is left shut that should listen: a keeper that drains shuts it before the balancer learns of it.
const reviveAfter = 250 * time.Millisecond

// revive makes a socket listen again that somebody else has shut, as the kernel does for an administrator (ss -K).
func (f *frontend) revive() {
	f.reviving = false
	if f.open {
		f.log.Error(f.listen(), logging.MsgAcceptFailed)
	}
}
