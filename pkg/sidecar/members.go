// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"sync"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/address"
	"github.com/harbinger-ha/harbinger/pkg/membership"
)

// members has the newest view of the members. Reload and discovery change it, and one goroutine applies it: what both
// change at the same moment cannot be applied in the wrong order.
type members struct {
	mu      sync.Mutex
	view    membership.View
	changed chan struct{} // a signal that is not taken yet says enough
}

func newMembers(view membership.View) *members {
	return &members{view: view, changed: make(chan struct{}, 1)}
}

func (m *members) now() membership.View {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.view
}

func (m *members) change(f func(*membership.View)) {
	m.mu.Lock()
	f(&m.view)
	m.mu.Unlock()
	m.signal()
}

// signal has the newest view applied.
func (m *members) signal() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// link returns the interface of the newest view.
func (m *members) link() address.Link { return m.now().Link.(address.Link) }

// followMembers gives the balancer, the sockets and the election every change of the members.
func (s *sidecar) followMembers(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.members.changed:
		}
		if s.apply(ctx) == nil { // the log has what fails, from where the link is followed
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(linkRetry):
			s.members.signal()
		}
	}
}

// follow gives a unicast socket its new peers.
func (s *sidecar) follow(a advertisementSocket, view membership.View) error {
	if _, err := s.signing.of(view, a.vip); err != nil {
		return err
	}
	if !view.Unicast() {
		return nil
	}
	return a.conn.SetPeers(view.Peers(a.vip))
}
