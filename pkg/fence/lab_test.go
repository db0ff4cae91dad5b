// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"net/netip"
	"os/exec"
	"strings"
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

// aWhile is a timeout within which no test ends.
const aWhile = time.Hour

func TestMain(m *testing.M) { labtest.Main(m, keeperRole) }

// must ends the test at an error.
var must = labtest.Must

// scene is a host that has the virtual addresses, and a neighbour.
type scene struct {
	host  *lab.Host
	asker *asker
}

func newScene(t testing.TB) scene {
	t.Helper()
	hosts := labtest.Hosts(t, 2)
	s := scene{hosts[0], newAsker(t, hosts[1], hosts[0])}
	for _, vip := range []netip.Addr{vip4, vip6} {
		must(t, s.host.AddAddress(netip.PrefixFrom(vip, vip.BitLen())))
	}
	s.asker.wantOpen(t)
	return s
}

// newFence returns the fence of a host, which ends with the test.
func newFence(t testing.TB, h *lab.Host, cfg Config) *Fence {
	t.Helper()
	f, err := tryFence(h, cfg)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// tryFence makes a fence. What the configuration leaves out is that of the scene.
func tryFence(h *lab.Host, cfg Config) (f *Fence, err error) {
	cfg = complete(cfg)
	err = h.Do(func() error {
		f, err = New(cfg)
		return err
	})
	return f, err
}

func complete(cfg Config) Config {
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
		cfg.Timeout = aWhile
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return cfg
}

// makePlain makes the table what it is on kernels before 6.9: no process has it, and others may change it.
func makePlain(t testing.TB, f *Fence) {
	t.Helper()
	must(t, f.conn.do(f.table.remove()))
	f.plain = true
	must(t, f.install())
}

// list returns what nft(8) prints of the table.
func list(t testing.TB, h *lab.Host) string {
	t.Helper()
	return run(t, h, "nft", "list", "table", "netdev", tableName)
}

// run runs a program on a host and returns what it prints, an error too.
func run(t testing.TB, h *lab.Host, name string, args ...string) string {
	t.Helper()
	path, err := lab.FindProgram(name)
	must(t, err)
	var out []byte
	_ = h.Do(func() error {
		out, err = exec.Command(path, args...).CombinedOutput()
		return err
	})
	return strings.TrimSpace(string(out))
}
