// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"context"
	"io"
	"sync"
)

// CloseWith closes c when ctx ends, which ends what waits in it. The function returned closes it too, and waits until it is closed,
// by whomever: a second Close returns at once while the first one is under way, and until that has ended the port is not free.
func CloseWith(ctx context.Context, c io.Closer) (closed func()) {
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		_ = c.Close()
	})
	return sync.OnceFunc(func() {
		if stop() {
			_ = c.Close()
			return
		}
		<-ended
	})
}
