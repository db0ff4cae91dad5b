// SPDX-License-Identifier: Apache-2.0

package inject

import (
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// TestEveryFaultCanBeDone holds that each fault of a cluster has a course, and that a plane carries out what a death needs.
func TestEveryFaultCanBeDone(t *testing.T) {
	for _, f := range fault.OfKubernetes() {
		if courses[f.Act] == nil {
			t.Errorf("%s: nothing carries %q out", f.Name, f.Act)
		}
		if f.Reverse != fault.Nothing && !trial.Knows(f.Reverse) {
			t.Errorf("%s: nothing carries %q out", f.Name, f.Reverse)
		}
	}
	for act := range courses {
		if !slices.ContainsFunc(fault.OfKubernetes(), func(f fault.Fault) bool { return f.Act == act }) {
			t.Errorf("the course of %q is that of no fault", act)
		}
	}
	for _, f := range fault.OfDeaths() {
		if !trial.Knows(f.Act) || !trial.Knows(f.Reverse) {
			t.Errorf("%s: no plane carries %q and %q out", f.Name, f.Act, f.Reverse)
		}
	}
}

func TestRowsAreChosenByName(t *testing.T) {
	if got := Chosen(regexp.MustCompile("^load on the API$")).Names(); len(got) != 1 || got[0] != "load on the API" {
		t.Errorf("chosen %q, want the load alone", got)
	}
	all := Chosen(regexp.MustCompile("")).Names()
	for i, name := range all {
		if slices.Contains(all[i+1:], name) {
			t.Errorf("two rows are called %q", name)
		}
	}
	broken := BrokenError{Names: []string{all[0], "silent cut (of all)"}, Of: 7}
	if got, want := broken.Error(), "2 of 7 rows broke a promise"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
	if got := Chosen(regexp.MustCompile(broken.Pattern())).Names(); len(got) != 1 || got[0] != all[0] {
		t.Errorf("the pattern %s chooses %v", broken.Pattern(), got)
	}
}

// TestDeathsOfEachTuning holds that each death is measured at the defaults and where a Lease arbitrates at the tuned interval, and
// that one of them has keepalived beside it at each interval.
func TestDeathsOfEachTuning(t *testing.T) {
	all := Chosen(regexp.MustCompile("")).Names()
	for _, f := range fault.OfDeaths() {
		for _, want := range []string{f.Name + ", defaults", f.Name + ", 20 ms, Hybrid"} {
			if !slices.Contains(all, want) {
				t.Errorf("no row is called %q: %q", want, all)
			}
		}
	}
	for _, test := range []struct {
		name string
		goal time.Duration
	}{
		{"planned stop, defaults", 50 * time.Millisecond}, {"kill -9, defaults", time.Second}, {"kill -9, 20 ms, VRRP", 80 * time.Millisecond},
		{"freeze, 20 ms, Hybrid", 120 * time.Millisecond}, {"silent cut, 10 ms, VRRP", 50 * time.Millisecond},
	} {
		chosen := chosenDeaths(regexp.MustCompile("^" + test.name + "$"))
		if len(chosen) != 1 || chosen[0].goalOf(chosen[0].Fault) != test.goal {
			t.Errorf("%s: %+v, want one with the goal %v", test.name, chosen, test.goal)
		}
	}
	for i, d := range chosenDeaths(regexp.MustCompile("")) {
		if flags := d.system(trial.Harbinger{}).Flags; slices.Contains(flags, "vrrp") == d.lease {
			t.Errorf("row %d, %s, has the flags %q", i, d.nameOf(d.Fault), flags)
		}
	}
}

func TestOutages(t *testing.T) {
	cfg := Config{Outage: 3 * time.Minute}
	for act, want := range map[fault.Act]time.Duration{fault.KillAPIs: 3 * time.Minute, fault.HangAPIs: time.Minute, fault.FreezeQuorum: time.Minute} {
		if got := cfg.outageOf(fault.Fault{Act: act}); got != want {
			t.Errorf("%s: the API is away for %v, want %v", act, got, want)
		}
	}
}

func TestHolderOfAnIdentity(t *testing.T) {
	for identity, want := range map[string]string{"node1/4711": "node1", "node1": "node1", "": ""} {
		if got := holderOf(identity); got != want {
			t.Errorf("holder of %q = %q, want %q", identity, got, want)
		}
	}
}
