// SPDX-License-Identifier: Apache-2.0

package inject

import (
	"regexp"
	"slices"
	"testing"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/trial"
)

// TestEveryFaultCanBeDone holds that each fault of a cluster has a course, or acts that a plane carries out.
func TestEveryFaultCanBeDone(t *testing.T) {
	for _, f := range fault.OfKubernetes() {
		for _, act := range []fault.Act{f.Act, f.Reverse} {
			if act != fault.Nothing && courses[act] == nil && !trial.Knows(act) {
				t.Errorf("%s: nothing carries %q out", f.Name, act)
			}
		}
	}
	for act := range courses {
		if !slices.ContainsFunc(fault.OfKubernetes(), func(f fault.Fault) bool { return f.Act == act }) {
			t.Errorf("the course of %q is that of no fault", act)
		}
	}
}

func TestFaultsAreChosenByName(t *testing.T) {
	if got := Chosen(regexp.MustCompile("^kill -9$")); len(got) != 1 || got[0].Name != "kill -9" {
		t.Errorf("chosen %v, want the kill alone", got)
	}
	all := Chosen(regexp.MustCompile(""))
	if got, want := len(all), len(fault.OfKubernetes()); got != want {
		t.Errorf("%d faults chosen, want all %d", got, want)
	}
	broken := BrokenError{Names: []string{all[0].Name, "silent cut (of all)"}, Of: 7}
	if got, want := broken.Error(), "2 of 7 rows broke a promise"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
	if got := Chosen(regexp.MustCompile(broken.Pattern())); len(got) != 1 || got[0].Name != all[0].Name {
		t.Errorf("the pattern %s chooses %v", broken.Pattern(), got)
	}
}

func TestHolderOfAnIdentity(t *testing.T) {
	for identity, want := range map[string]string{"node1/4711": "node1", "node1": "node1", "": ""} {
		if got := holderOf(identity); got != want {
			t.Errorf("holder of %q = %q, want %q", identity, got, want)
		}
	}
}
