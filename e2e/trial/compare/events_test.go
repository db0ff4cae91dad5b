// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/e2e/load"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// TestEventsHappen lets each event happen once to the relays that it can happen to.
func TestEventsHappen(t *testing.T) {
	ours, err := trial.Build(filepath.Join(t.TempDir(), "harbinger"))
	labtest.Must(t, err)
	options := Options{Binary: ours.Binary, Planes: []string{"haproxy", "relay"}}
	for _, e := range events {
		if e.times = 1; e.once != nil {
			continue
		}
		relays, err := e.relays(options)
		labtest.Must(t, err)
		g, err := newGround(false, relays)
		labtest.Must(t, err)
		labtest.Must(t, g.prepare(e))
		before := slices.Clone(relays[len(relays)-1].process.Children())
		labtest.Must(t, g.happen(e))
		for _, r := range relays {
			labtest.Must(t, g.await(r))
		}
		after := relays[len(relays)-1].process.Children()
		if same := slices.Equal(before, after); same != (e.name == "reload") {
			t.Errorf("%s: the processes that relay are %v, and were %v", e.name, after, before)
		}
		labtest.Must(t, g.close())
	}
}

// TestDeathIsNoticed runs an event as a whole, to haproxy alone.
func TestDeathIsNoticed(t *testing.T) {
	e, sums := events[0], map[string]*toll{}
	relays, err := e.relays(Options{Planes: []string{"haproxy-tuned"}})
	labtest.Must(t, err)
	labtest.Must(t, e.run(relays, sums))
	got := sums["haproxy-tuned"]
	if got == nil || got.connections < 500 || got.failed > got.connections/10 || got.lost != heldSessions/backendCount || got.lastLost <= 0 || got.lastLost > time.Second {
		t.Errorf("a backend dies: %+v", got)
	}
}

func TestRelaysOfAnEvent(t *testing.T) {
	for name, want := range map[string][]string{
		"process dies": {"haproxy", "haproxy-tuned", "relay", "kernel", "against"},
		"reload":       {"haproxy", "haproxy-tuned", "relay", "kernel", "against"},
		"upgrade":      {"relay", "kernel", "against"},
	} {
		e := events[slices.IndexFunc(events, func(e event) bool { return e.name == name })]
		relays, err := e.relays(Options{Against: "other"})
		if got := names(relays); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, error %v", name, got, err)
		}
	}
}

func TestToll(t *testing.T) {
	start := time.Now()
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	var sum toll
	for range 2 {
		sum.add(start, []load.Attempt{
			{At: at(-1), Took: time.Minute, Failure: load.NoAnswer},
			{At: at(0.1), Took: 300 * time.Millisecond},
			{At: at(0.2), Took: time.Millisecond, Failure: load.Refused},
			{At: at(0.3), Took: time.Millisecond, Failure: "reset"},
			{At: at(1.5), Took: 20 * time.Millisecond},
		}, []time.Time{at(0.5), at(1.25)})
	}
	want := toll{connections: 8, failed: 4, refused: 2, last: "reset", slowest: 300 * time.Millisecond, slowestLater: 20 * time.Millisecond, lost: 4, lastLost: 1250 * time.Millisecond}
	if sum != want {
		t.Errorf("toll %+v, want %+v", sum, want)
	}
	var b strings.Builder
	events[0].write(&b, []string{"haproxy", "relay"}, map[string]*toll{"haproxy": &sum, "relay": {connections: 8}}, 2)
	for _, line := range []string{
		"| haproxy | 8 | 4 | 2 | 300 | 20 | 4 of 120 | 1.25 |\n", "| relay | 8 | 0 | 0 | 0 | 0 | 0 of 120 | – |\n", "haproxy: the last failure was \"reset\".\n",
	} {
		if !strings.Contains(b.String(), line) {
			t.Errorf("no %q in\n%s", line, b.String())
		}
	}
}

func TestShortForm(t *testing.T) {
	if o := (Options{Runs: 1}); !o.short() || o.length() != 1500*time.Millisecond || idleTime(o.Runs) != 10*time.Second {
		t.Errorf("the short form measures for %v", o.length())
	}
	if o := (Options{Runs: 2}); o.short() || o.length() != 3*time.Second || idleTime(o.Runs) != 30*time.Second {
		t.Errorf("the long form measures for %v", o.length())
	}
	if o := (Options{Runs: 1, Length: time.Minute}); o.length() != time.Minute {
		t.Errorf("a length that is asked for is %v", o.length())
	}
}
