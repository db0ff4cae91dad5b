// SPDX-License-Identifier: Apache-2.0

package page

import (
	"slices"
	"testing"
)

// A check that failed shows before the state says so, and reasons that did not occur are no news.
func TestFiguresOfBackends(t *testing.T) {
	b := newDocument(golden(t, "busy"), now).section(t, "balancer")
	if refused := b.Facts[2]; refused.Text != "44" || !slices.Equal(refused.Notes, []string{"Backend failed: 41", "No backend: 3"}) {
		t.Errorf("refused %+v", refused)
	}
	rows := b.Tables[0].Rows
	if slow := rows[1].Cells[2]; slow.Tone != warn || !slices.Equal(slow.Notes, []string{"took 900ms", "failed: no answer within 900ms"}) {
		t.Errorf("last check %+v of a backend that is Healthy still", slow)
	}
	if well := rows[0].Cells[2]; well.Tone == warn || !slices.Equal(well.Notes, []string{"took 4ms"}) {
		t.Errorf("last check %+v that passed", well)
	}
	if young := rows[3].Cells[2]; young.Text != "none yet" || young.Tone == warn || len(young.Notes) > 0 {
		t.Errorf("last check %+v of a backend that was not checked", young)
	}
}
