// SPDX-License-Identifier: Apache-2.0

package control

import (
	"os"
	"sync"
	"time"
)

// plainTimer is a Timer by package time.
type plainTimer struct {
	timer  *time.Timer
	once   sync.Once
	closed chan struct{}
}

func newTimer() *plainTimer {
	t := &plainTimer{timer: time.NewTimer(0), closed: make(chan struct{})}
	t.timer.Stop()
	return t
}

// Set implements Timer.
func (t *plainTimer) Set(after time.Duration) error {
	t.timer.Reset(after)
	return nil
}

// Wait implements Timer.
func (t *plainTimer) Wait() error {
	select {
	case <-t.timer.C:
		return nil
	case <-t.closed:
		return os.ErrClosed
	}
}

// Close implements Timer.
func (t *plainTimer) Close() error {
	t.once.Do(func() { close(t.closed) })
	return nil
}
