// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/e2e/load"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// TestFootprintsOfConnections opens connections through both relays: each takes two descriptors and two sockets of the kernel.
func TestFootprintsOfConnections(t *testing.T) {
	ours, err := trial.Build(filepath.Join(t.TempDir(), "harbinger"))
	labtest.Must(t, err)
	g, err := idleGround(Options{Binary: ours.Binary, Planes: []string{"direct", "haproxy", "relay"}})
	labtest.Must(t, err)
	defer g.close()
	if len(g.relays) != 4 || g.relays[1].beside != g.relays[0] || g.relays[1].idle == 0 {
		t.Fatalf("%d relays, the second is that of %v", len(g.relays), g.relays[1].beside)
	}
	for _, r := range g.relays {
		f := newFootprints()
		err := g.steps(r, load.Idle, []int{100, 200}, calmTime, func(n int, all footprint) {
			if all.descriptors < 2*n || all.descriptors > 2*n+10 || r.memory != nil && (all.kernel < int64(4096*n) || all.kernel > int64(32<<10*n)) {
				t.Errorf("%s: %d connections take %+v", r.name, n, all)
			}
			f.add(r.name, n, all, r.memory != nil)
		})
		labtest.Must(t, err)
		if len(f.keys) != 2 {
			t.Errorf("%s: rows %v", r.name, f.keys)
		}
	}
	for _, r := range g.relays[1:3] {
		err := g.steps(r, load.NeverReads, []int{20}, time.Second, func(n int, all footprint) {
			if all.descriptors < 2*n || r.memory != nil && all.kernel < int64(64<<10*n) {
				t.Errorf("%s: %d clients that never read take %+v", r.name, n, all)
			}
		})
		labtest.Must(t, err)
	}
}

func TestTableOfFootprints(t *testing.T) {
	f := newFootprints()
	f.add("haproxy", 100, footprint{resident: 400 << 10, kernel: 800 << 10, descriptors: 200}, true)
	f.add("haproxy-256k", 100, footprint{resident: 300 << 10, kernel: 700 << 10, descriptors: 200}, true)
	for _, kernel := range []int64{500, 300, 400} {
		f.add("relay", 100, footprint{resident: 100 << 10, kernel: kernel << 10, descriptors: 200}, true)
	}
	f.add("unknown", 100, footprint{resident: 100 << 10, descriptors: 200}, false)
	var b strings.Builder
	f.write(&b, "Title")
	for _, want := range []string{
		"\n## Title\n", "| haproxy | 100 | 4 | 8 | 12 | 1.20 | 2 |\n", "| haproxy-256k | 100 | 3 | 7 | 10 | 1.00 | 2 |\n",
		"| relay | 100 | 1 (1 to 1) | 4 (3 to 5) | 5 (4 to 6) | 0.50 | 2 (2 to 2) |\n", "| unknown | 100 | 1 | – | – | – | 2 |\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestTrackedConnections(t *testing.T) {
	const slabs = "slabinfo - version: 2.1\n# name <active_objs> <num_objs> <objsize>\nnf_conntrack_expect 0 0 208 39 2\nnf_conntrack 12 36 256 16 1 : tunables 0 0 0\n"
	if got := trackedBytes("100\n", slabs); got != 25600 {
		t.Errorf("%d bytes, want 100 of 256", got)
	}
	if got := trackedBytes("100\n", ""); got != 0 {
		t.Errorf("%d bytes where nothing is tracked", got)
	}
}

func TestComparedWithoutIdle(t *testing.T) {
	base := &relay{name: "relay"}
	twin := &relay{name: "relay, 9000 idle", idle: 9000, beside: base}
	other := &relay{name: "haproxy, 9000 idle", idle: 9000, beside: &relay{name: "haproxy"}}
	if !toItself.to(twin, base) || toItself.to(twin, other.beside) || toItself.to(base, base) {
		t.Error("a relay with idle connections is compared with another one than itself")
	}
	if !toHAProxy.to(twin, other) || toHAProxy.to(twin, other.beside) || !toHAProxy.to(base, other.beside) {
		t.Error("a relay is compared with a haproxy that has other idle connections")
	}
	for _, m := range idleMeasures() {
		if m.to.title != toItself.title || !strings.Contains(m.title, "idle") {
			t.Errorf("measure %+v", m)
		}
	}
}
