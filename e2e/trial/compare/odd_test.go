// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// TestOddClientsLeaveNothing puts the balancer through a small ordeal: no descriptor is left, and nobody fails who comes after it.
func TestOddClientsLeaveNothing(t *testing.T) {
	program, err := trial.Build(filepath.Join(t.TempDir(), "harbinger"))
	labtest.Must(t, err)
	relays, err := selectRelays(relaysOf(Options{Binary: program.Binary}), []string{"relay"})
	labtest.Must(t, err)
	g, err := newGround(false, relays)
	labtest.Must(t, err)
	defer g.close()
	x, err := g.undergo(g.relays[0], ordeal{clients: 200, length: time.Second, rate: 100, churn: time.Second, patience: 20 * time.Second})
	labtest.Must(t, err)
	if x.during.descriptors < x.before.descriptors+2*100 || x.after.descriptors > x.before.descriptors {
		t.Errorf("%d descriptors before, %d with odd clients, %d after them", x.before.descriptors, x.during.descriptors, x.after.descriptors)
	}
	if x.connections < 50 || x.failed > 0 {
		t.Errorf("%d of %d connections failed", x.failed, x.connections)
	}
	if cells := x.cells("relay"); len(cells) != 13 || slices.Contains(cells, "") {
		t.Errorf("the cells are %q", cells)
	}
}
