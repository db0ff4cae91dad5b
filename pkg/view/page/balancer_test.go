// SPDX-License-Identifier: Apache-2.0

package page

import (
	"slices"
	"strings"
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
	if notes := rows[1].Cells[1].Notes; !slices.Contains(notes, "Drain") {
		t.Errorf("notes %q of a backend that is drained", notes)
	}
	if well := rows[0].Cells[2]; well.Tone == warn || !slices.Equal(well.Notes, []string{"took 4ms"}) {
		t.Errorf("last check %+v that passed", well)
	}
	if young := rows[3].Cells[2]; young.Text != "none yet" || young.Tone == warn || len(young.Notes) > 0 {
		t.Errorf("last check %+v of a backend that was not checked", young)
	}
}

// How many connections there may be is said, and why where that is less than what is configured; so is what the process keeps.
func TestLimitsOfTheProcess(t *testing.T) {
	status := golden(t, "busy")
	facts := newDocument(status, now).section(t, "balancer").Facts
	if c := facts[0]; !slices.Equal(c.Notes, []string{"peak 806", "at most 20,000"}) {
		t.Errorf("connections %+v", c)
	}
	if p := facts[5]; p.Tone != good || slices.ContainsFunc(p.Notes, func(note string) bool { return strings.HasPrefix(note, "keeps") }) {
		t.Errorf("process %+v", p)
	}
	status.Balancer.Limit, status.Balancer.Lowered, status.Balancer.Keeps = 462, "20000 are configured", "user 0"
	facts = newDocument(status, now).section(t, "balancer").Facts
	if c := facts[0]; !slices.Contains(c.Notes, "at most 462: 20000 are configured") {
		t.Errorf("connections %+v", c)
	}
	if p := facts[5]; p.Tone != warn || !slices.Contains(p.Notes, "keeps user 0") {
		t.Errorf("process %+v", p)
	}
	status.Balancer.Limit, status.Balancer.Lowered = 0, ""
	if c := newDocument(status, now).section(t, "balancer").Facts[0]; !slices.Equal(c.Notes, []string{"peak 806"}) {
		t.Errorf("connections %+v of a process that has not said its limit", c)
	}
}
