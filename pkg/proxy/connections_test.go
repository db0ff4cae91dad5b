// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Whoever asks gets what the balancer process relays at that time, several at once too, and nobody is sent anything unasked.
func TestConnectionsAreListedOnDemand(t *testing.T) {
	s := newSupervisor(t, greeters(t, "a"), nil)
	pid := s.untilHealthy(t, 0)
	conn := dial(t, s.address)
	greeting(t, conn)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			list, err := s.Connections(t.Context())
			if err != nil || len(list.Running) != 1 || list.Running[0].Client != conn.LocalAddr().String() || list.Running[0].Sent != 1 {
				t.Errorf("%+v, %v", list, err)
			}
		})
	}
	all.Wait()
	must(t, conn.Close())
	until(t, "it is one that has ended", func() bool {
		list, err := s.Connections(t.Context())
		must(t, err)
		return len(list.Running) == 0 && len(list.Ended) == 1 && list.Ended[0].Client == conn.LocalAddr().String()
	})
	must(t, syscall.Kill(pid, syscall.SIGKILL))
	s.untilHealthy(t, pid)
	list, err := s.Connections(t.Context())
	must(t, err)
	if len(list.Running)+len(list.Ended) != 0 {
		t.Errorf("the next process lists %+v", list)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.list != nil {
		t.Error("the list is kept although nobody asks any more")
	}
}

// Where no process can answer, or does not in time, the one who asks learns that.
func TestConnectionsOfNoBalancer(t *testing.T) {
	s := NewSupervisor(SupervisorConfig{})
	if _, err := s.Connections(t.Context()); err == nil || !strings.Contains(err.Error(), "no balancer process runs") {
		t.Errorf("without a process: %v", err)
	}
	s.update(func(status *Status) { status.PID = 1 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Connections(ctx); err == nil || !strings.Contains(err.Error(), "has not answered in time") {
		t.Errorf("of a silent process: %v", err)
	}
}
