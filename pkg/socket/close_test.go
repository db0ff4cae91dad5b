// SPDX-License-Identifier: Apache-2.0

package socket_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// slow is closed when its channel is; it counts.
type slow struct {
	free   chan struct{}
	closes int
}

func (s *slow) Close() error {
	s.closes++
	<-s.free
	return nil
}

// Whoever returns after the end of the context has closed what it had, so that another can have it.
func TestCloseWithWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &slow{free: make(chan struct{})}
		closed := socket.CloseWith(ctx, s)
		cancel()
		returned := false
		go func() {
			closed()
			closed()
			returned = true
		}()
		synctest.Wait()
		if returned {
			t.Error("it did not wait for the close that is under way")
		}
		close(s.free)
		synctest.Wait()
		if !returned || s.closes != 1 {
			t.Errorf("returned %t after %d closes, want one", returned, s.closes)
		}
	})
}

// Without an end of the context the function closes it, once.
func TestCloseWithCloses(t *testing.T) {
	s := &slow{free: make(chan struct{})}
	close(s.free)
	closed := socket.CloseWith(t.Context(), s)
	closed()
	closed()
	if s.closes != 1 {
		t.Errorf("%d closes, want one", s.closes)
	}
}
