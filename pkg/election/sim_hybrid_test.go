// SPDX-License-Identifier: Apache-2.0

package election

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// Whatever faults overlap, of the API as well, the invariants hold.
func TestSimulationHybrid(t *testing.T) {
	t.Parallel()
	if s := os.Getenv("HARBINGER_SIM_SEED"); s != "" {
		seed, _ := strconv.ParseUint(s, 10, 64)
		runHybrid(seed, hybridKinds(), nil, func(line string) { t.Log(line) })
		return
	}
	var m maxima
	for seed := range uint64(seeds(t, 150)) {
		w := runHybrid(seed, hybridKinds(), nil, nil)
		m.add(w)
		if v := w.oracle.violations; len(v) > 0 {
			t.Errorf("seed %d:\n%s", seed, strings.Join(v, "\n"))
		}
	}
	m.log(t)
}
