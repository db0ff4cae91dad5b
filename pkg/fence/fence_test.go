// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"errors"
	"os/exec"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

func TestOpenRenewShut(t *testing.T) {
	h := labtest.Hosts(t, 1)[0]
	f := newFence(t, h, Config{})
	t.Log(h.Do(func() error {
		out, err := exec.Command("nft", "list", "table", "netdev", tableName).CombinedOutput()
		t.Log(string(out))
		return err
	}))
	if err := f.Renew(); !errors.Is(err, ErrShut) {
		t.Error(err)
	}
	must(t, f.Open())
	must(t, f.Renew())
	must(t, f.Check())
	must(t, f.Shut())
	must(t, f.Open())
	time.Sleep(500 * time.Millisecond)
	if err := f.Renew(); !errors.Is(err, ErrLate) {
		t.Error(err)
	}
}
