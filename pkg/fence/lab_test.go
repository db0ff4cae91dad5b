// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"net/netip"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
)

var (
	vip4 = netip.MustParseAddr("192.168.238.100")
	vip6 = netip.MustParseAddr("fd00:99::100")
)

const tableName = Prefix + "51"

func TestMain(m *testing.M) { labtest.Main(m) }

// must ends the test at an error.
var must = labtest.Must

// newFence returns the fence of a host, which ends with the test.
func newFence(t testing.TB, h *lab.Host, cfg Config) *Fence {
	t.Helper()
	f, err := tryFence(h, cfg)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func tryFence(h *lab.Host, cfg Config) (f *Fence, err error) {
	if cfg.Name == "" {
		cfg.Name = tableName
	}
	if cfg.Addresses == nil {
		cfg.Addresses = []netip.Addr{vip4, vip6}
	}
	if cfg.Links == nil {
		cfg.Links = []string{lab.Interface}
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 400 * time.Millisecond
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	err = h.Do(func() error {
		f, err = New(cfg)
		return err
	})
	return f, err
}
