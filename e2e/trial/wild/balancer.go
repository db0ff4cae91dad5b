// SPDX-License-Identifier: Apache-2.0

package wild

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// What is asked of a balancer that has little time, and for how long it is watched.
const (
	share       = 10 // percent of one processor
	oldSessions = 1000
	newSessions = 2000
	starvedTime = 20 * time.Second
)

// throttleBalancer gives the holder's balancer little time while it has many sessions and gets many more connections at once.
func (r *run) throttleBalancer() error {
	if err := r.Start(); err != nil {
		return err
	}
	holder, err := r.Holder()
	if err != nil {
		return err
	}
	pid, err := balancer(holder)
	if err != nil {
		return err
	}
	sessions, err := r.openAll(guest.WatchPath, oldSessions)
	defer func() { closeAll(sessions) }()
	if err != nil {
		return err
	}
	start := time.Now()
	end, err := lab.Throttle(pid, share)
	if err != nil {
		return err
	}
	made := r.connect(newSessions)
	observeFor(time.Until(start.Add(starvedTime)))
	s := r.Sample(start)
	r.note("%d of %d new connections were made; the longest outage was %v", made, newSessions, s.Outage)
	r.sample(s)
	err = end()
	lost := 0
	for _, s := range sessions {
		if s.ended(time.Now()) {
			lost++
		}
	}
	if lost > 0 {
		err = errors.Join(err, fmt.Errorf("%d of %d sessions ended", lost, len(sessions)))
	}
	if now, missing := balancer(holder); missing != nil || now != pid {
		err = errors.Join(err, missing, fmt.Errorf("the balancer was process %d and is %d", pid, now))
	}
	return errors.Join(err, r.Settle())
}

// connect makes connections at once, and returns how many were made in time.
func (r *run) connect(count int) int {
	var made atomic.Int32
	var all sync.WaitGroup
	const workers = 500
	for range workers {
		all.Go(func() {
			for range count / workers {
				if s, err := r.open(guest.WatchPath); err == nil {
					made.Add(1)
					s.conn.Close()
				}
			}
		})
	}
	all.Wait()
	return int(made.Load())
}

// balancer returns the process of a host's balancer.
func balancer(n *trial.Node) (int, error) {
	children := n.Sidecar.Keeper.Children()
	if len(children) != 1 {
		return 0, fmt.Errorf("the keeper of %s has %d children, want the balancer alone", n.Name, len(children))
	}
	return children[0], nil
}

// replacedWithin is the time within which a frozen balancer is replaced.
const replacedWithin = 3 * time.Second

// freezeBalancer stops the holder's balancer.
func (r *run) freezeBalancer() error {
	if err := r.Start(); err != nil {
		return err
	}
	holder, err := r.Holder()
	if err != nil {
		return err
	}
	for range r.cfg.Runs {
		frozen, err := balancer(holder)
		if err != nil {
			return err
		}
		start := time.Now()
		if err := syscall.Kill(frozen, syscall.SIGSTOP); err != nil {
			return err
		}
		err = r.Control.Until(replacedWithin, "the frozen balancer is replaced", func() bool {
			children := holder.Sidecar.Keeper.Children()
			return len(children) == 1 && !slices.Contains(children, frozen)
		})
		r.note("replaced after %.3f s", r.Control.Between(start, time.Now()).Seconds())
		err = errors.Join(err, r.Settle())
		r.sample(r.Sample(start))
		if err != nil {
			return err
		}
	}
	return nil
}
