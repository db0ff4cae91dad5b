// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestPlanOfASeed holds that a seed means the same plan for ever: a run is repeated by its seed.
func TestPlanOfASeed(t *testing.T) {
	var got []string
	for _, f := range NewPlan(1, 5*time.Minute, 20*time.Second) {
		got = append(got, f.String())
	}
	want := []string{
		"  10.0 s  stop holder for 6.1 s",
		"  93.8 s  kill harbinger first backup",
		" 139.6 s  unplug second backup for 10.1 s",
		" 186.6 s  filter VRRP of all for 3.4 s",
		" 219.4 s  restart kubelet second backup",
		" 246.8 s  kill apiserver first backup",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

func TestPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		length := time.Duration(rapid.IntRange(0, 3600).Draw(t, "length")) * time.Second
		calm := time.Duration(rapid.IntRange(0, 120).Draw(t, "calm")) * time.Second
		plan := NewPlan(seed, length, calm)
		if again := NewPlan(seed, length, calm); fmt.Sprint(plan) != fmt.Sprint(again) {
			t.Fatal("the same seed makes another plan")
		}
		var end time.Duration
		for _, f := range plan {
			if f.At < end || f.At-end > calm {
				t.Fatalf("%v comes %v after the one before has ended", f, f.At-end)
			}
			end = f.End()
			checkFault(t, f)
		}
		if longest := calm + 80*time.Second; end > length || length-end > longest {
			t.Fatalf("the plan of %v ends after %v", length, end)
		}
		checkShares(t, plan)
	})
}

func checkFault(t *rapid.T, f Step) {
	for _, h := range habits {
		if h.verb == f.verb && (f.For < h.least || f.For > h.most || f.Recovery < 10*time.Second) {
			t.Fatalf("%v takes %v and %v", f, f.For, f.Recovery)
		}
	}
	if (f.Role == All) != (f.Act == MuteAll) || f.Act == HandOver && f.Role != Holder {
		t.Fatalf("%v makes no sense", f)
	}
}

// checkShares holds that no kind and no role is preferred.
func checkShares(t *rapid.T, plan []Step) {
	kinds := make(map[string]int)
	silenced := make(map[Role]int)
	for _, f := range plan {
		kinds[f.verb]++
		if f.Apart() {
			silenced[f.Role]++
		}
	}
	for _, h := range habits {
		if n := kinds[h.verb] - len(plan)/len(habits); n < 0 || n > 1 {
			t.Fatalf("%s comes %d times in %d faults", h.verb, kinds[h.verb], len(plan))
		}
	}
	if a, b, c := silenced[Holder], silenced[FirstBackup], silenced[SecondBackup]; max(a, b, c)-min(a, b, c) > 1 {
		t.Fatalf("the hosts are silenced %v times", silenced)
	}
}

func TestRoleOf(t *testing.T) {
	hosts := []string{"n1", "n2", "n3"}
	for holder, want := range map[string]string{
		"n1": "all= holder=n1 first backup=n2 second backup=n3",
		"n2": "all= holder=n2 first backup=n1 second backup=n3",
		"n3": "all= holder=n3 first backup=n1 second backup=n2",
	} {
		got := ""
		for role := All; role <= SecondBackup; role++ {
			got += fmt.Sprintf(" %v=%s", role, role.Of(hosts, holder))
		}
		if got[1:] != want {
			t.Errorf("got  %s\nwant %s", got[1:], want)
		}
	}
}
