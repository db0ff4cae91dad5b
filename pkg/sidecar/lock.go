// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sys/unix"
)

// lockRetry is how often a second instance looks whether the first has gone.
const lockRetry = 100 * time.Millisecond

func lockName(iface string, vrid uint8) string { return fmt.Sprintf("@harbinger/%s/%d", iface, vrid) }

// lock makes this process the only one of its virtual router in the network namespace. It is an abstract unix socket: it
// belongs to the namespace, as the virtual addresses do, and ends with the process, so that no stale file remains. It
// waits for another instance to end: a restarted container may overlap with one that still drains.
func lock(ctx context.Context, log logr.Logger, vrid uint8, iface string) (net.Listener, error) {
	name := lockName(iface, vrid)
	for told := false; ; {
		ln, err := net.Listen("unix", name)
		if err == nil {
			return ln, nil
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			return nil, fmt.Errorf("take the lock of virtual router %d on %s: %w", vrid, iface, err)
		}
		if !told {
			told = true
			log.Info("Waiting for another instance to end", "vrid", vrid, "interface", iface)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lockRetry):
		}
	}
}
