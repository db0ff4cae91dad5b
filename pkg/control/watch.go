// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"fmt"
	"time"
)

// rest bounds how often a socket may wake the loop: a stream of refused packets, one by one, would keep a process of real-time
// priority busy. What comes meanwhile is queued.
const rest = time.Millisecond

// watch wakes the loop when a socket has packets, and waits until the loop has taken them. It rests only where packets come close to
// each other: each timer wakes the process once more.
func (l *Loop) watch(ctx context.Context, c Conn) error {
	drained := make(chan struct{}, 1) // the loop does not wait
	var woke time.Time                // when the loop had taken the packets before
	for {
		if err := c.Wait(); err != nil {
			if _, retired := l.retired.LoadAndDelete(c); retired || ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("wait for advertisements: %w", err)
		}
		if early := rest - time.Since(woke); early > 0 {
			select {
			case <-time.After(early):
			case <-ctx.Done():
				return nil
			}
		}
		select {
		case l.readable <- drained:
		case <-ctx.Done():
			return nil
		}
		select {
		case <-drained:
			woke = time.Now()
		case <-ctx.Done():
			return nil
		}
	}
}

// watchTimer wakes the loop when its time has come. Without a timer a loop cannot stop as planned either: it ends at once.
func (l *Loop) watchTimer(ctx context.Context) error {
	for {
		err := l.cfg.Timer.Wait()
		select {
		case l.rang <- err:
		case <-ctx.Done():
			return nil
		}
		if err != nil {
			return nil
		}
	}
}
