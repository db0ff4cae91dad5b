// SPDX-License-Identifier: Apache-2.0

package labtest

import (
	"fmt"
	"os/exec"
	"sync"
	"testing"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// Firewall has the kernel of a host decide on its packets by chains of nft, in its table inet filter, until the test ends or the
// function that is returned is called.
func Firewall(t testing.TB, h *lab.Host, chains string) (open func()) {
	t.Helper()
	Must(t, Nft(h, "table inet filter {\n"+chains+"\n}"))
	open = sync.OnceFunc(func() { Must(t, Nft(h, "delete table inet filter")) })
	t.Cleanup(open)
	return open
}

// Nft carries out a command of nft on a host.
func Nft(h *lab.Host, command string) error {
	return h.Do(func() error {
		if out, err := exec.Command("nft", command).CombinedOutput(); err != nil {
			return fmt.Errorf("nft %s: %w\n%s", command, err, out)
		}
		return nil
	})
}
