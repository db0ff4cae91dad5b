// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// lockRetry is how often a second instance looks whether the first has gone.
const lockRetry = 100 * time.Millisecond

func name(iface string, vrid uint8) string { return fmt.Sprintf("@harbinger/%s/%d", iface, vrid) }

// Listen opens the command socket, and makes this process the only one of its virtual router in the network namespace: an
// abstract unix socket belongs to the namespace, as the virtual addresses do, and ends with the process, so that no stale
// file remains. Listen waits for another instance to end, or for ctx: a restarted container may overlap with one that still
// drains.
func Listen(ctx context.Context, log logr.Logger, iface string, vrid uint8) (net.Listener, error) {
	for waiting := false; ; {
		ln, err := net.Listen("unix", name(iface, vrid))
		if err == nil {
			return ln, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("take the lock of virtual router %d on %s: %w", vrid, iface, err)
		}
		if !waiting {
			waiting = true
			log.Info(logging.MsgInstanceWaits, logging.KeyVRID, vrid, logging.KeyInterface, iface)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lockRetry):
		}
	}
}
